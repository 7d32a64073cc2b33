"""The smallest vector that still holds a song.

>>> from surco import Codec
>>> codec = Codec.load()
>>> codec.size
2048

`Codec.encode_file` and `Codec.decode_file` take sound files, `Codec.encode` and `Codec.decode` clips of 5 s.
What is named here is imported when it is first asked for.
"""

import os as _os
import sys as _sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from surco.codec import Codec, Texture, Vectors
    from surco.errors import InputError

# numba reads these when it is imported; they must stand before anything compiles.
_NUMBA = {
    "CACHE_LOCATOR_CLASSES": "surco.kernel_cache.Locator",
    "THREADING_LAYER": "default",  # ViSQOL would choose `workqueue`, which two threads must not enter
}
for _name, _value in _NUMBA.items():
    _os.environ.setdefault(f"NUMBA_{_name}", _value)
    if "numba" in _sys.modules:
        setattr(_sys.modules["numba"].config, _name, _os.environ[f"NUMBA_{_name}"])

__version__ = "0.1.0"
__all__ = ["Codec", "InputError", "Texture", "Vectors", "__version__"]

_HOMES = {
    "Codec": "surco.codec",
    "Texture": "surco.codec",
    "Vectors": "surco.codec",
    "InputError": "surco.errors",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
