"""`surco edit`: a sound file edited, with nothing but the core package."""

from pathlib import Path
from typing import Annotated, Any

import typer

from surco.edits.amounts import Amounts


def _option(name: str) -> Any:
    """An option for one of the amounts, with its range in its help."""
    low, high = Amounts.limits(name)
    told = Amounts.model_fields[name].description or ""
    return typer.Option(help=f"{told[0].upper()}{told[1:]}; {low:g} to {high:g}.")


def edit(
    song: Annotated[Path, typer.Argument(help="A sound file.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The WAV file to write.")],
    tempo: Annotated[float | None, _option("tempo")] = None,
    pitch: Annotated[float | None, _option("pitch")] = None,
    gain: Annotated[float | None, _option("gain")] = None,
    brightness: Annotated[float | None, _option("brightness")] = None,
    bass: Annotated[float | None, _option("bass")] = None,
    mids: Annotated[float | None, _option("mids")] = None,
    presence: Annotated[float | None, _option("presence")] = None,
    treble: Annotated[float | None, _option("treble")] = None,
    fade_in: Annotated[float | None, _option("fade_in")] = None,
    fade_out: Annotated[float | None, _option("fade_out")] = None,
    tremolo: Annotated[float | None, _option("tremolo")] = None,
    ducking: Annotated[float | None, _option("ducking")] = None,
    dynamics: Annotated[float | None, _option("dynamics")] = None,
    timbre_of: Annotated[Path | None, typer.Option(help="A sound file that gives its timbre.")] = None,
    rhythm_of: Annotated[Path | None, typer.Option(help="A sound file that gives its rhythm.")] = None,
    harmony_of: Annotated[Path | None, typer.Option(help="A sound file that gives its harmony.")] = None,
    timbre: Annotated[float | None, _option("timbre")] = None,
    rhythm: Annotated[float | None, _option("rhythm")] = None,
    harmony: Annotated[float | None, _option("harmony")] = None,
    size: Annotated[int, typer.Option(help="Numbers of a 5-second vector.")] = 2048,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Edit a song as vectors: tempo, pitch, colour, dynamics, and parts of other songs."""
    import json

    from surco.edits.record import edit_recording

    given = {name: value for name, value in locals().items() if name in Amounts.model_fields}
    others = {"timbre": timbre_of, "rhythm": rhythm_of, "harmony": harmony_of}
    done = edit_recording(
        song,
        out,
        {name: value for name, value in given.items() if value is not None},
        {name: path for name, path in others.items() if path is not None},
        size=size,
    )
    if as_json:
        print(json.dumps(done, indent=1))
        return
    told = ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in done["edits"].items())
    lowered = f", {done['lowered_db']:.1f} dB lower so that nothing clips" if done["lowered_db"] else ""
    print(f"{out}: {done['seconds']:.1f} s; {told or 'unchanged'}{lowered}")
