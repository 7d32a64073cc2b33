"""Music in, clips out: `prepare` a source once, then iterate over it with `MusicDataset`.

The names below are imported when first used, so that a spec can name a `DatasetConfig` without
loading torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from surco.datasets.config import DatasetConfig as DatasetConfig
    from surco.datasets.cutting import cut_folder as cut_folder
    from surco.datasets.listening import listening_set as listening_set
    from surco.datasets.manifest import Clip as Clip
    from surco.datasets.manifest import Manifest as Manifest
    from surco.datasets.music import MusicDataset as MusicDataset
    from surco.datasets.preparation import prepare as prepare
    from surco.datasets.sources import source_fingerprint as source_fingerprint

_HOMES = {
    "Clip": "manifest",
    "DatasetConfig": "config",
    "Manifest": "manifest",
    "MusicDataset": "music",
    "cut_folder": "cutting",
    "listening_set": "listening",
    "prepare": "preparation",
    "source_fingerprint": "sources",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
