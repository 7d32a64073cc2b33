"""A recording edited: from file to file, in one call."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from surco.edits.amounts import OTHERS, Amounts, apply
from surco.errors import InputError

if TYPE_CHECKING:
    from surco.codec import Codec

LONGEST = 600.0  # s: a recording is edited in memory


def edit_recording(
    source: Path,
    out: Path,
    amounts: Mapping[str, float],
    others: Mapping[str, Path] | None = None,
    *,
    size: int = 2048,
    codec: "Codec | None" = None,
) -> dict[str, Any]:
    """Edit a sound file and write the result as WAV; what was done, and how long it lasts.

    amounts : as `Amounts` names them. others : files that give their timbre, rhythm or harmony, each with
        a share of 1 where its amount is not given. size : dimensions of a 5-second vector.
    Raises InputError before anything is written.
    """
    import torch

    from surco.audio.io import read_audio, write_wav
    from surco.codec import Codec

    others = dict(others or {})
    unknown = [name for name in others if name not in OTHERS]
    if unknown:
        raise InputError(f"Another song has no {unknown[0]!r} to give; it gives {', '.join(OTHERS)}.")
    asked = Amounts.of({**dict.fromkeys(others, 1.0), **amounts})
    for name in OTHERS:
        if getattr(asked, name) and name not in others:
            raise InputError(f"The {name} of another song is asked for; name its file with {name}_of.")
    if out.suffix.lower() != ".wav":
        raise InputError(f"{out.name} is no .wav file; edited songs are written as WAV.")
    if not out.resolve().parent.is_dir():
        raise InputError(f"There is no folder {out.resolve().parent}; make it first.")
    codec = codec or Codec.load()
    if not 1 <= size <= codec.size:
        raise InputError(f"A size lies between 1 and {codec.size}, not {size}.")

    def vectors(path: Path) -> Any:
        wave = torch.from_numpy(read_audio(path))
        if len(wave) > LONGEST * codec.mel.sample_rate:
            raise InputError(f"{path.name} lasts longer than {LONGEST:g} s; cut it.")
        with torch.inference_mode():
            return codec.encode_long(wave, size).numpy(), len(wave)

    song, length = vectors(source)
    made, pose = apply(codec, song, asked, {name: vectors(path)[0] for name, path in others.items()})
    with torch.inference_mode():
        wave = codec.decode_long(torch.from_numpy(made), pose.samples(length), pose=pose).numpy()
    peak = float(abs(wave).max())
    write_wav(out, wave * min(1.0, 0.98 / max(peak, 1e-9)), codec.mel.sample_rate)
    return {
        "edits": asked.asked,
        "others": {name: path.name for name, path in others.items()},
        "size": size,
        "clips": len(made),
        "seconds": len(wave) / codec.mel.sample_rate,
        "lowered_db": max(0.0, _decibel(peak / 0.98)),
    }


def _decibel(ratio: float) -> float:
    import math

    return 20 * math.log10(max(ratio, 1e-9))
