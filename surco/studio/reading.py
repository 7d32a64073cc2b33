"""Files that are opened: sound, vectors, projects. Runs in the workers; a song is kept as two plain files."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surco.errors import InputError
from surco.studio.asks import Sound, parse
from surco.studio.material import codec
from surco.studio.sessions import RATE

Array = NDArray[Any]
FORMAT = "surco-project-1"


def read_song(upload: Path, name: str, song: Path, seconds: float) -> dict[str, Any]:
    """Read a sound file and keep its wave (`song`.pcm, int16) and its vectors (`song`.f32).

    InputError says `name`, never the path.
    """
    from surco.audio.io import read_audio, to_int16

    try:
        wave = read_audio(upload, max_seconds=seconds)
    except InputError as error:
        raise InputError(str(error).replace(str(upload), name)) from None
    vectors = codec().encode_long(wave)
    song.with_suffix(".pcm").write_bytes(to_int16(wave).astype("<i2").tobytes())
    return {"samples": len(wave), **keep(vectors, song)}


def keep_vectors(upload: Path, name: str, song: Path, seconds: float) -> dict[str, Any]:
    """The same of a file of vectors: there is no wave then."""
    from surco.codec import Vectors
    from surco.codec.recode import duration

    try:
        vectors = Vectors.load(upload)
    except InputError as error:
        raise InputError(str(error).replace(str(upload), name)) from None
    if vectors.codec not in (None, codec().fingerprint):
        raise InputError(
            f"{name} is of codec {vectors.codec}, not {codec().fingerprint}; open it in its studio."
        )
    if vectors.shape[1] > codec().size or duration(len(vectors)) > seconds + 5:
        raise InputError(f"{name} holds more dimensions than the studio takes, or a song that is too long.")
    longest = round(duration(len(vectors)) * RATE)
    samples = min(vectors.samples or longest, longest)
    return {"samples": samples, **keep(np.asarray(vectors), song)}


def keep(vectors: Array, song: Path) -> dict[str, Any]:
    """Write the vectors (n, D) of a song beside its wave, and tell what a session notes of them."""
    song.with_suffix(".f32").write_bytes(np.ascontiguousarray(vectors, "<f4").tobytes())
    gains = [round(float(x), 1) for x in vectors[:, 0]]
    return {"clips": len(vectors), "size": vectors.shape[1], "gains": gains}


def open_project(upload: Path, name: str, folder: Path, ids: list[str], seconds: float) -> dict[str, Any]:
    """The songs of a project, kept under new `ids` as vectors alone, and the question with those ids."""
    from safetensors import SafetensorError, safe_open

    from surco.codec.recode import duration

    broken = InputError(f"{name} is no project of the studio, or is damaged; save it again.")
    try:
        with safe_open(upload, "numpy") as file:
            facts = json.loads((file.metadata() or {})["surco"])
            if facts["format"] != FORMAT:
                raise broken
            songs = facts["songs"][: len(ids)]
            tensors = [np.asarray(file.get_tensor(s["tensor"]), np.float32) for s in songs]
        if facts["codec"] != codec().fingerprint:
            raise InputError(f"{name} is of codec {facts['codec']}, not {codec().fingerprint}.")
        renamed = {str(s["id"]): new for s, new in zip(songs, ids, strict=False)}
        asked = dict(facts["ask"])
        asked.pop("bits", None)  # of projects before vectors were packed
        asked["others"] = {part: renamed[old] for part, old in asked.get("others", {}).items()}
        if asked.get("between"):
            asked["between"] = {**asked["between"], "song": renamed[asked["between"]["song"]]}
        found = parse(Sound, asked)
        kept = []
        for song, vectors, new in zip(songs, tensors, ids, strict=False):
            fits = vectors.ndim == 2 and len(vectors) > 0 and 1 <= vectors.shape[1] <= codec().size
            if not fits or not np.isfinite(vectors).all() or duration(len(vectors)) > seconds + 5:
                raise broken
            longest = round(duration(len(vectors)) * RATE)
            samples = max(1, min(int(song["samples"]), longest))
            made = keep(vectors, folder / new)
            kept.append({"id": new, "name": str(song["name"]), "samples": samples, **made})
    except InputError:
        raise
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise broken from None
    if not kept:
        raise broken
    return {"songs": kept, "ask": found.model_dump()}
