"""What a page may ask of a song, checked where it enters."""

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from surco.errors import InputError, quoted

Kind = Literal["plain", "textured", "ceiling", "original", "processed", "mixed"]
Finite = Annotated[float, Field(ge=-1e4, le=1e4, allow_inf_nan=False)]
Identity = Annotated[str, Field(max_length=40)]


class _Ask(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Between(_Ask):
    """On the way to another song."""

    song: Identity
    weight: float = Field(ge=0, le=1)


class Style(_Ask):
    """On the way to a genre."""

    genre: str = Field(max_length=40)
    weight: float = Field(ge=0, le=1.5)


class Sound(_Ask):
    """A sound of a song: which clip, how it is made, and what is done to its vector before."""

    clip: int = Field(0, ge=0)
    kind: Kind = "plain"
    size: int = Field(512, ge=1)
    packed: bool = False  # rounded as in a packed file
    seed: int = Field(0, ge=0, lt=2**31)  # of the texture
    amounts: dict[Annotated[str, Field(max_length=20)], Finite] = Field({}, max_length=32)
    others: dict[Literal["timbre", "rhythm", "harmony"], Identity] = {}
    drawn: dict[Annotated[int, Field(ge=0)], Finite] = Field({}, max_length=4096)  # dimensions set by hand
    between: Between | None = None
    style: Style | None = None


class Export(Sound):
    """A whole song as a file."""

    format: Literal["wav", "flac", "npy", "surco", "studio", "html"]
    language: Literal["en", "es"] = "en"
    whole: bool = True  # or the one clip


class Make(_Ask):
    """A new song; what is not asked for comes from the song it is to be like, else from the seed."""

    genre: Annotated[str, Field(max_length=40)] | None = None
    seconds: float = Field(30.0, ge=5, le=60)
    tempo: float | None = Field(None, ge=48, le=192)  # BPM
    key: Annotated[str, Field(max_length=12)] | None = None
    like: Identity | None = None
    seed: int = Field(0, ge=0, lt=2**31)


T = TypeVar("T", bound=_Ask)


def parse(model: type[T], data: Any) -> T:
    """A checked question; InputError in one sentence that names the field."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the question"
        raise InputError(f"{quoted(where)} is not what the studio takes: {first['msg']}.") from None
