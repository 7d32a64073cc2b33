"""The edits that people ask for by name, with their ranges: one list for command line, jobs and notebook.

`apply` makes them on the vectors of a song, in this order: parts of other songs, then curves, then gain;
tempo and pitch stay numbers beside the vectors, the pose in which they are decoded.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from surco.codec.pose import Pose
from surco.edits import curves
from surco.edits.parts import Parts, require
from surco.edits.timbre import give_timbre
from surco.errors import InputError

if TYPE_CHECKING:
    from surco.codec import Codec

Array = NDArray[Any]
OTHERS = ("timbre", "rhythm", "harmony")  # parts that another song can give
NEUTRAL = {"tempo": 1.0, "dynamics": 1.0}  # amounts that change nothing; of the others that is 0


class Amounts(BaseModel):
    """How far each edit goes; the defaults change nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tempo: float = Field(1.0, ge=0.5, le=2, description="times as fast; the song gets shorter or longer")
    pitch: float = Field(0.0, ge=-12, le=12, description="semitones higher")
    gain: float = Field(0.0, ge=-24, le=24, description="dB louder")
    brightness: float = Field(0.0, ge=-12, le=12, description="dB by which 4 kHz is raised against 250 Hz")
    bass: float = Field(0.0, ge=-12, le=12, description="dB louder below 250 Hz")
    mids: float = Field(0.0, ge=-12, le=12, description="dB louder between 250 Hz and 2 kHz")
    presence: float = Field(0.0, ge=-12, le=12, description="dB louder between 2 and 4 kHz")
    treble: float = Field(0.0, ge=-12, le=12, description="dB louder above 4 kHz")
    fade_in: float = Field(0.0, ge=0, le=60, description="seconds in which the song rises from silence")
    fade_out: float = Field(0.0, ge=0, le=60, description="seconds in which the song falls to silence")
    tremolo: float = Field(0.0, ge=0, le=24, description="dB by which loudness swings, four times a second")
    ducking: float = Field(0.0, ge=0, le=24, description="dB by which every half second is pressed down")
    dynamics: float = Field(1.0, ge=0, le=3, description="times as far that loudness swings around its mean")
    timbre: float = Field(0.0, ge=0, le=1.5, description="share of the way to another song's timbre")
    rhythm: float = Field(0.0, ge=0, le=1.5, description="share of the way to another song's rhythm")
    harmony: float = Field(0.0, ge=0, le=1.5, description="share of the way to another song's harmony")

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Amounts":
        """Checked amounts; InputError in one sentence for an unknown name or an amount out of range."""
        try:
            return cls(**values)
        except ValidationError as error:
            first = error.errors()[0]
            name = str(first["loc"][0]) if first["loc"] else ""
            field = cls.model_fields.get(name)
            if field is None:
                known = ", ".join(cls.model_fields)
                raise InputError(f"There is no edit {name!r}; choose from {known}.") from None
            low, high = cls.limits(name)
            raise InputError(
                f"{name} ({field.description}) lies between {low:g} and {high:g}, not {values[name]}."
            ) from None

    @classmethod
    def limits(cls, name: str) -> tuple[float, float]:
        """Smallest and largest amount of an edit."""
        bounds = {type(b).__name__: b for b in cls.model_fields[name].metadata}
        return float(bounds["Ge"].ge), float(bounds["Le"].le)

    def scaled(self, weight: float) -> "Amounts":
        """Part of the way to these amounts: 0 changes nothing, 1 is all of them; tempi go by their ratio."""
        found = {k: NEUTRAL.get(k, 0.0) + weight * (v - NEUTRAL.get(k, 0.0)) for k, v in self.asked.items()}
        if "tempo" in found:
            found["tempo"] = self.tempo**weight
        return Amounts.of(found)

    @property
    def parts(self) -> list[str]:
        """The parts that another song must give."""
        return [name for name in OTHERS if getattr(self, name)]

    @property
    def asked(self) -> dict[str, float]:
        """The amounts that change something."""
        return {k: v for k, v in self.model_dump().items() if v != NEUTRAL.get(k, 0.0)}

    @property
    def pose(self) -> Pose:
        """Tempo and pitch."""
        return Pose.of(self.tempo, self.pitch)

    def told(self) -> str:
        """The amounts in words."""
        return ", ".join(f"{k.replace('_', ' ')} {v:g}" for k, v in self.asked.items()) or "unchanged"


def apply(
    codec: "Codec", song: Array, amounts: Amounts, others: Mapping[str, Array] | None = None
) -> tuple[Array, Pose]:
    """The vectors (n, D) of a song (n, D) edited, and the pose in which to decode them.

    others : for each part that is asked for, vectors (m, D) of the song that gives it; it is repeated
        where it is shorter. The rhythm of another is played at the song's tempo, on its beat.
    Raises InputError where a part is asked for and not given, or the vectors are too small for it.
    """
    others = dict(others or {})
    made = np.asarray(song, np.float32)
    size = made.shape[1]
    for name in OTHERS:
        weight = getattr(amounts, name)
        if not weight:
            continue
        require(name, size)
        if name not in others:
            raise InputError(f"The {name} of another song is asked for, and no other song is given.")
        other = others[name]
        if other.shape[1] != size:
            raise InputError(f"Vectors of {size} and {other.shape[1]} dimensions do not mix; use one size.")
        other = other[np.arange(len(made)) % len(other)]  # (n, D)
        if name == "rhythm":
            from surco.edits.align import aligned

            other, _ = aligned(codec, made, other, key=False)
        if name == "timbre":
            made = give_timbre(codec, made, other, weight)
        else:
            made = Parts(codec, size).give(made, other, {name: weight})
    delta = curve_sum(codec, made, amounts)
    if delta is not None:
        made = curves.add(codec, made, delta)
    if amounts.gain:
        made = made.copy()
        made[:, 0] += amounts.gain
    return made, amounts.pose


def curve_sum(codec: "Codec", song: Array, a: Amounts) -> Array | None:
    """The sum (n, M, F) in dB of all curves that are asked for, of a song (n, D); None without any."""
    import torch

    g = curves.grid(codec, len(song))
    parts = [curves.band(g, getattr(a, name), name) for name in curves.BANDS if getattr(a, name)]
    for name, curve in (
        ("brightness", curves.tilt),
        ("tremolo", curves.tremolo),
        ("ducking", curves.ducking),
    ):
        if getattr(a, name):
            parts.append(curve(g, getattr(a, name)))
    # the seconds of fades are told of the song as it is heard
    if a.fade_in:
        parts.append(curves.fade_in(g, a.fade_in * a.tempo))
    if a.fade_out:
        parts.append(curves.fade_out(g, a.fade_out * a.tempo))
    if a.dynamics != 1:
        with torch.inference_mode():
            mels = codec.decode_mel(torch.from_numpy(song).to(codec.low.device)).cpu().numpy()
        parts.append(curves.dynamics(g, a.dynamics, mels))
    return None if not parts else sum(np.asarray(p, np.float64) for p in parts)  # type: ignore[return-value]
