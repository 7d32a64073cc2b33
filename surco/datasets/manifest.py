"""The manifest of a prepared dataset: its clips, what was left out, and the fingerprint of it all."""

import hashlib
import json
import os
from collections import Counter
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from surco.datasets.config import DatasetConfig
from surco.errors import InputError
from surco.files import regular_file, safe_name, write_bytes

NAME = "manifest.json"
SPLITS = ("train", "valid", "test")
Split = Literal["train", "valid", "test"]


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Clip(_Row):
    """One clip; its place in `Manifest.clips` is its place in the shards, read one after the other."""

    id: Annotated[str, AfterValidator(safe_name)]  # it names files
    track: str
    genre: str
    split: Split
    start_s: float  # where in the source file it begins, s
    sha256: str  # of its int16 samples


class Skipped(_Row):
    """A file of the source that gave no clip, and why."""

    name: str
    reason: str


class Shard(_Row):
    """A file of consecutive clips."""

    file: str = Field(pattern=r"^shard-\d{4}\.safetensors$")
    clips: int = Field(ge=1)
    bytes: int = Field(ge=1)
    sha256: str


class Manifest(BaseModel):
    """What `manifest.json` holds."""

    model_config = ConfigDict(extra="forbid")

    version: Literal[1] = 1
    fingerprint: str
    source: str
    config: DatasetConfig
    genres: list[str]
    clips: list[Clip]
    skipped: list[Skipped] = []
    notes: list[str] = []
    shards: list[Shard] = []

    def counts(self) -> dict[str, int]:
        """Clips of each split."""
        found: Counter[str] = Counter(clip.split for clip in self.clips)
        return {split: found[split] for split in SPLITS}

    def tracks(self) -> int:
        """Number of different tracks."""
        return len({clip.track for clip in self.clips})

    def save(self, folder: Path) -> None:
        """Write `manifest.json` into a dataset folder."""
        text = json.dumps(self.model_dump(mode="json"), indent=1, ensure_ascii=False)
        write_bytes(folder / NAME, text.encode())

    @classmethod
    def load(cls, folder: str | Path) -> "Manifest":
        """Read the manifest of a dataset folder and check that it is the one its fingerprint names."""
        path = Path(folder) / NAME
        if not os.path.exists(path):
            raise InputError(f"{folder} is no prepared dataset (it has no {NAME}); prepare it first.")
        try:
            manifest = cls.model_validate_json(regular_file(path).read_bytes())
        except (ValidationError, OSError, RecursionError) as error:
            raise InputError(f"{path} is damaged or of another version; prepare it again.") from error
        if any(clip.genre not in manifest.genres for clip in manifest.clips):
            raise InputError(f"{path} has clips of genres that it does not name; prepare it again.")
        if manifest.fingerprint != fingerprint(manifest.config, manifest.clips):
            raise InputError(f"{path} does not match its fingerprint; prepare the dataset again.")
        return manifest


def fingerprint(config: DatasetConfig, clips: list[Clip]) -> str:
    """SHA-256 over the options and every clip's sound, labels and split, whatever their order or shard."""
    rows = sorted(clip.model_dump_json() for clip in clips)
    digest = hashlib.sha256(json.dumps(config.model_dump(mode="json"), sort_keys=True).encode())
    for row in rows:
        digest.update(b"\0" + row.encode())
    return digest.hexdigest()
