"""A cache of compiled kernels (numba's) that many processes use at once without spoiling it.

numba keeps compiled functions on disk, in an index and numbered files that it replaces one by one. Processes
that fill the same folder together lose entries of the index to each other and give one number to two
functions; whoever loads that afterwards calls a function with another's arguments and dies of SIGSEGV, and so
does everybody after it. Here each process writes a folder of its own, which begins as hard links to the
files of a *warm* cache. A warm cache is filled by one process under a lock (`python -m surco.warm`) and
appears whole, by renaming; nothing else ever writes to it. There is one for each key (what compiled code
depends on), so that two environments or checkouts of one user do not renew each other's; the newest are kept.

numba asks `Locator`, which the environment variable `NUMBA_CACHE_LOCATOR_CLASSES` names (set in `surco`),
where a function's files lie. `NUMBA_CACHE_DIR` may name the root, else it is `surco/kernels` in the user's
cache folder, or in the temporary folder where that may not be written. `NUMBA_WARM_CACHE_DIR` may name the
root of a cache that was filled elsewhere and is only read, such as the one in the worker's image.
"""

import atexit
import fcntl
import hashlib
import os
import secrets
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm
from numba.core import caching

WARM, RUNS, LOCK, KEY = "warm", "runs", "lock", "key"
KEPT = 6  # warm caches of one root, some 10 MB each
PACKAGES = ("numba", "llvmlite", "librosa", "visqol", "umap", "pynndescent", "surco")
DAY = 24 * 3600.0

_private: tuple[int, Path, int] | None = None  # process id, its folder, the descriptor that holds its lock


class Locator(caching.UserProvidedCacheLocator):
    """Places a function's cache below this process's own folder."""

    def __init__(self, py_func: object, py_file: str):
        self._py_file = py_file
        self._lineno = py_func.__code__.co_firstlineno  # type: ignore[attr-defined]
        self._cache_path = str(private_folder() / self.get_suitable_cache_subpath(py_file))

    @classmethod
    def from_function(cls, py_func: object, py_file: str) -> "Locator | None":
        return super(caching.UserProvidedCacheLocator, cls).from_function(py_func, py_file)


def root() -> Path:
    """The folder of all caches: given, the user's, or a temporary one; made where it is missing."""
    given = os.environ.get("NUMBA_CACHE_DIR")
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "surco" / "kernels"
    places = [Path(given)] if given else []
    for place in (*places, home, Path(tempfile.gettempdir()) / f"surco-kernels-{os.getuid()}"):
        with suppress(OSError):
            (place / RUNS).mkdir(parents=True, exist_ok=True, mode=0o700)
            if os.access(place / RUNS, os.W_OK) and _trusted(place):
                return place
    return Path(tempfile.mkdtemp(prefix="surco-kernels-"))


def _trusted(place: Path) -> bool:
    """Whether nobody else can put files there: numba unpickles, and so runs, what it finds."""
    found = place.lstat()
    others = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not others


@cache
def key() -> str:
    """What compiled code depends on: Python, processor, the packages' places and versions, our kernels."""
    parts = [sys.version, llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()]
    for name in PACKAGES:
        spec = None
        with suppress(ImportError, ValueError):  # a package that may not be imported is as good as missing
            spec = find_spec(name)
        origin = Path(spec.origin) if spec and spec.origin else Path("missing")
        parts.append(f"{name} {origin} {origin.stat().st_mtime_ns if origin.exists() else 0}")
        with suppress(PackageNotFoundError):
            parts.append(version({"umap": "umap-learn", "visqol": "visqol-python"}.get(name, name)))
    kernels = Path(__file__).parent / "audio" / "kernels.py"
    parts.append(hashlib.sha256(kernels.read_bytes()).hexdigest())
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def private_folder() -> Path:
    """This process's own cache, made from the warm one when it is first asked for; gone with the process."""
    global _private
    if _private is None or _private[0] != os.getpid():
        base = root()
        _sweep(base)
        folder = base / RUNS / f"{os.getpid()}-{secrets.token_hex(4)}"
        folder.mkdir(parents=True)
        lock = os.open(folder / LOCK, os.O_CREAT | os.O_RDWR)
        fcntl.flock(lock, fcntl.LOCK_EX)
        for filled in (w for w in _warm_folders(base, key()) if _key_of(w) == key()):
            _take(filled, folder)
            break
        _private = (os.getpid(), folder, lock)
        atexit.register(_leave, os.getpid(), folder)
    return _private[1]


def is_warm(key: str) -> bool:
    """Whether a warm cache was filled for this key (versions and sources of what is compiled)."""
    return any(_key_of(folder) == key for folder in _warm_folders(root(), key))


def _key_of(folder: Path) -> str | None:
    try:
        return (folder / KEY).read_text()
    except (OSError, UnicodeDecodeError):
        return None


def _warm_folders(base: Path, key: str) -> list[Path]:
    given = os.environ.get("NUMBA_WARM_CACHE_DIR")
    return [place / WARM / key[:16] for place in ([Path(given)] if given else []) + [base]]


def warm(key: str, compile_all: Callable[[], None]) -> bool:
    """Fill the warm cache of this key by `compile_all`, unless it is filled; True if that was done here.

    One process a key at a time: another one waits, and then finds it filled.
    """
    base = root()
    place = base / WARM / key[:16]
    with _locked(base, key):
        if is_warm(key):
            return False
        compile_all()
        fresh = base / f"{WARM}.{secrets.token_hex(4)}"
        _link(private_folder(), fresh)
        (fresh / KEY).write_text(key)
        _replace(place, fresh)
    _forget_old(place)
    return True


def drop(key: str) -> None:
    """Throw a key's warm cache away after a crash that it may have caused; the next process fills it."""
    base = root()
    with _locked(base, key):
        _replace(base / WARM / key[:16], None)


def _forget_old(newest: Path) -> None:
    """Remove the warm caches of keys that were filled longest ago; their processes keep their links."""
    with suppress(OSError):  # another process may be at it, too
        others = sorted((p for p in newest.parent.iterdir() if p != newest), key=lambda p: -p.stat().st_mtime)
        for old in others[KEPT - 1 :]:
            shutil.rmtree(old, ignore_errors=True)


def _take(warm: Path, folder: Path) -> None:
    """Link a warm cache into a folder, whole: a kernel of one beside a wrapper of another is what crashes.

    The warm cache may be replaced meanwhile by renaming; then the links are thrown away and made again.
    """
    while True:
        before = _identity(warm)
        if before is None:
            return
        _link(warm, folder)
        if _identity(warm) == before:
            return
        for part in folder.iterdir():
            if part.is_dir():
                shutil.rmtree(part)


def _identity(folder: Path) -> tuple[int, int, str | None] | None:
    try:
        found = folder.stat()
    except OSError:
        return None
    return found.st_ino, found.st_ctime_ns, _key_of(folder)


def _link(source: Path, target: Path) -> None:
    """Hard links to the files of a cache; what is replaced later in one folder stays in the other."""
    target.mkdir(parents=True, exist_ok=True)
    for folder, _, names in os.walk(source):
        place = target / Path(folder).relative_to(source)
        place.mkdir(exist_ok=True)
        for name in names:
            if name.endswith((".nbi", ".nbc")):
                # The warm cache may be replaced meanwhile; `_take` finds out.
                with suppress(OSError):
                    _link_or_copy(Path(folder) / name, place / name)


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without hard links
        part = target.with_name(f"{target.name}.part")
        shutil.copyfile(source, part)
        part.replace(target)


def _replace(place: Path, fresh: Path | None) -> None:
    place.parent.mkdir(exist_ok=True)
    old = place.parent.with_name(f"old.{secrets.token_hex(4)}")
    with suppress(FileNotFoundError):
        place.rename(old)
    if fresh is not None:
        fresh.rename(place)
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def _locked(base: Path, key: str) -> Iterator[None]:
    with (base / f"{LOCK}-{key[:16]}").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _sweep(base: Path) -> None:
    """Remove the folders of processes that ended without doing so: nobody holds their lock."""
    for folder in (base / RUNS).iterdir():
        with suppress(OSError):
            if not (folder / LOCK).exists():  # just being made, or what was left of one that was swept
                if time.time() - folder.stat().st_mtime > DAY:
                    shutil.rmtree(folder, ignore_errors=True)
                continue
            lock = os.open(folder / LOCK, os.O_RDWR)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)


def _leave(process: int, folder: Path) -> None:
    if os.getpid() == process:
        shutil.rmtree(folder, ignore_errors=True)


def _compile_alone() -> None:
    """In a forked child: neither load nor save, since its functions are placed in its parent's folder."""
    every: Any = caching.Cache
    every.load_overload = every.save_overload = lambda *args: None


os.register_at_fork(after_in_child=_compile_alone)
