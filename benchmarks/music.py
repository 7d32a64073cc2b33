"""The music that `collect_music.py` gathered: whole tracks end to end in music.i16, told of by music.json."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Music:
    """Tracks of a folder, read where they are asked for.

    Attributes
    ----------
    index : for each track its `package`, its name as `track`, and its `start` and `length` in samples
    """

    def __init__(self, folder: Path):
        self._raw = np.memmap(folder / "music.i16", np.int16, "r")
        self.index: list[dict[str, Any]] = json.loads((folder / "music.json").read_text())

    def wave(self, begin: int, length: int) -> NDArray[np.float32]:
        """Samples (length,) at 22 050 Hz, from -1 to 1, from a place in the file on."""
        return self._raw[begin : begin + length].astype(np.float32) / np.float32(32_767)
