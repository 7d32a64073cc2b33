"""`songs.json`: the songs that one job made, each with its story and what was found of it."""

from typing import Literal

from pydantic import Field

from surco.documents import Document
from surco.errors import InputError
from surco.metrics.judge import Opinion
from surco.prior.memorisation import Match


class MadeSong(Document):
    """A song, drawn or edited, in files of its job."""

    name: str
    title: str
    genre: str
    recipe: str
    told: str = Field(description="how it was made, in words")
    sources: list[str] = Field(
        description="training clips it was edited or remixed from; none where it was drawn"
    )
    seed: int
    size: int
    seconds: float
    model: str = Field(description="fingerprint of the prior, or of the codec where there is none")
    files: list[str]
    nearest: Match = Field(description="nearest training clip")
    copies: list[str] = Field(description="training clips that it counts as a copy of")
    style: Opinion | None = Field(description="None where no data set taught the styles")
    starts: list[float] = Field(description="where each of its clips begins, s")
    tempo: float | None = Field(None, description="BPM of a song of bars")
    key: str | None = Field(None, description="of a song of bars, where one was read")
    form: str = Field("", description="a letter for each of its vectors; lower case is the second of a part")
    picture: str | None = Field(
        None, description="its picture among the files; None where none could be drawn"
    )

    @property
    def drawn(self) -> bool:
        """It was drawn, and not edited from training clips."""
        return not self.sources

    @property
    def wav(self) -> str:
        """The file that is a WAV; an InputError where there is none."""
        found = next((file for file in self.files if file.endswith(".wav")), None)
        if found is None:
            raise InputError(f"The song {self.name} has no WAV file; make it again.")
        return found


class Songs(Document):
    """All songs of a job, of one vector size."""

    format: Literal["surco-songs-2"] = "surco-songs-2"
    size: int
    songs: list[MadeSong]
