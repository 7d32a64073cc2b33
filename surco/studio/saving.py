"""A song, as the page has it, as a file: sound, vectors, a project to go on with, or a page to send."""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from surco.codec import Vectors
from surco.codec.streaming import OVERLAP, fade_length
from surco.studio import editing, material, sounds
from surco.studio.asks import Export, Sound
from surco.studio.reading import FORMAT
from surco.studio.sessions import RATE, Song

MEDIA = {
    "wav": "audio/wav",
    "flac": "audio/flac",
    "npy": "application/octet-stream",
    "surco": "application/octet-stream",
    "studio": "application/octet-stream",
    "html": "text/html; charset=utf-8",
}
SHARED_CLIPS = 6  # of a song, in a page to send
SHARED_SIZES = (2048, 512, 128, 32)


def save(song: Song, ask: Export, others: Mapping[str, Song]) -> bytes:
    """The file that is asked for."""
    material.checked(song, ask.clip, ask.size)
    if ask.format == "studio":
        return project(song, ask, others)
    if ask.format == "html":
        return page(song, ask, others)
    if ask.kind == "original" and ask.format in ("wav", "flac"):
        return _written(material.whole_wave(song), ask.format, _tags(song))
    vectors, pose, samples = _vectors(song, ask, others)
    codec = material.codec()
    made = codec.decode_long(vectors, pose.samples(samples), pose=pose)
    peak = float(np.abs(made).max(initial=0.0))
    if editing.changes(ask) and peak > sounds.PEAK:
        # lowered in the vectors themselves, so that the file of vectors decodes to the file of sound
        vectors = vectors.copy()
        vectors[:, 0] -= np.float32(20 * np.log10(peak / sounds.PEAK))
        made = codec.decode_long(vectors, pose.samples(samples), pose=pose)
    if ask.format in ("npy", "surco"):
        held = Vectors(vectors, samples, codec.fingerprint)
        return _npy(held) if ask.format == "npy" else codec.pack(held)
    return _written(made, ask.format, {"title": song.name} if ask.format == "flac" else None)


def _vectors(song: Song, ask: Export, others: Mapping[str, Song]) -> tuple[Any, Any, int]:
    """Vectors (n, size), their pose, and the samples that they last without it."""
    if ask.whole:
        vectors, pose = editing.edited_song(song, ask, others)
        return vectors, pose, song.samples
    vector, pose = editing.edited_clip(song, ask, others)
    begin = ask.clip * (material.CLIP - fade_length(OVERLAP))
    return vector[None], pose, min(material.CLIP, max(1, song.samples - begin))


def _npy(vectors: Vectors) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "song.npy"
        vectors.save(path)
        return path.read_bytes()


def _tags(song: Song) -> dict[str, str]:
    from surco.prior.make_song import tags_of

    return tags_of(song.made) if song.made else {"title": song.name}


def _written(wave: Any, suffix: str, tags: Mapping[str, str] | None) -> bytes:
    from surco.audio.io import writer_of

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"song.{suffix}"
        writer_of(path)(path, wave, RATE, tags)
        return path.read_bytes()


def project(song: Song, ask: Export, others: Mapping[str, Song]) -> bytes:
    """A project: the vectors of the song and of those it takes from, unedited, and what is asked of them."""
    from safetensors.numpy import save as as_safetensors

    songs = {song.id: song, **others}
    names = {identity: f"song-{i}" for i, identity in enumerate(songs)}
    facts = {
        "format": FORMAT,
        "codec": material.codec().fingerprint,
        "songs": [
            {"id": s.id, "tensor": names[s.id], "name": s.name, "samples": s.samples} for s in songs.values()
        ],
        "ask": ask.model_dump(exclude={"format", "language", "whole"}),
    }
    tensors = {names[s.id]: material.vectors_of(s) for s in songs.values()}
    return as_safetensors(tensors, {"surco": json.dumps(facts)})


def page(song: Song, ask: Export, others: Mapping[str, Song]) -> bytes:
    """The listening page with the sounds of this song: the clip that is open first, and as it is edited."""
    from surco.page.page import Page, Row, build_page

    order = [ask.clip, *(i for i in range(song.clips) if i != ask.clip)][:SHARED_CLIPS]
    sizes = sorted({s for s in (*SHARED_SIZES, ask.size) if s <= song.size}, reverse=True)
    rows = []
    for clip in order:
        row = {}
        if song.original:
            row["original"] = material.wave_of(song, clip)
            row["ceiling"] = sounds.ceiling(row["original"])
        for size in sizes:
            row[str(size)] = sounds.make(song, Sound(clip=clip, size=size), {})[0]
        rows.append(Row(f"{song.name} {clip + 1}", "", song.name, row))
    if editing.changes(ask):
        edited = Sound(**{**ask.model_dump(exclude={"format", "language", "whole"}), "kind": "plain"})
        word = "editado" if ask.language == "es" else "edited"
        wave = sounds.make(song, edited, others)[0]
        rows.insert(1, Row(f"{song.name} {ask.clip + 1}, {word}", "", song.name, {str(ask.size): wave}))
    with tempfile.TemporaryDirectory() as folder:
        made = Page("studio", song.name, rows, language=ask.language)
        return build_page(made, Path(folder) / "page.html").read_bytes()
