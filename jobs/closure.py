"""What code a kind of job depends on: its module's imports within `surco/` and `jobs/`, and their data.

Read from the sources without importing them. Imports inside functions count, those under `TYPE_CHECKING` do
not. A name taken from a package is followed to the module that the package has it from, so that
`from surco.datasets import MusicDataset` is that module and not all that the package could hand out.
Data files belong to the modules of their folder's package: templates, texts, thresholds, weights, scripts.
"""

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FLOORS = ("surco", "jobs")
# Data beside its package's folder. What no package claims belongs to its floor, and so to every kind.
BESIDE = {"surco.codec": ("surco/weights",)}
NO_DATA = {".py", ".pyc", ".md", ".typed"}


@cache
def code_version(kind: str) -> str:
    """SHA-256 over the closure of a kind as it was when first asked; "" of a kind that is not here."""
    return code_of(kind)


def code_of(kind: str, root: Path = ROOT) -> str:
    """SHA-256 over the closure of a kind as its files are now."""
    files = closure(kind, root)
    digest = hashlib.sha256()
    for name, path in sorted(files.items()):
        digest.update(name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest() if files else ""


def closure(kind: str, root: Path = ROOT) -> dict[str, Path]:
    """The files that a kind depends on, by their path below `root`; none for a kind that is not there."""
    start = _module(root, f"jobs.{kind}") or _elsewhere(kind)
    if start is None:
        return {}
    modules = {f"jobs.{kind}": start}
    walk = _Walk(root, modules)
    walk.follow(f"jobs.{kind}", start)
    files = {f"{name.replace('.', '/')}{'/__init__' * (path.name == '__init__.py')}.py": path
             for name, path in modules.items()}  # fmt: skip
    packages = {
        name if path.name == "__init__.py" else name.rpartition(".")[0] for name, path in modules.items()
    }
    for package in packages:
        files |= {path.relative_to(root).as_posix(): path for path in data_files(package, root)}
    return files


def data_files(package: str, root: Path = ROOT) -> Iterator[Path]:
    """The data of a package: what lies in its folder and below, outside of other packages, and beside it."""
    claimed = {root / folder for folders in BESIDE.values() for folder in folders}
    folders = [root / folder for folder in BESIDE.get(package, ())]
    if (home := root / package.replace(".", "/")).is_dir():
        folders.append(home)
    while folders:
        for path in folders.pop().iterdir():
            if path.is_dir():
                inside = path.name == "__pycache__" or (path / "__init__.py").exists() or path in claimed
                folders += [] if inside else [path]
            elif path.suffix not in NO_DATA and not path.name.startswith("."):
                yield path


class _Walk:
    """Collects the modules that one module leads to."""

    def __init__(self, root: Path, found: dict[str, Path]):
        self.root, self.found = root, found
        self.names: set[tuple[str, str]] = set()

    def visit(self, name: str) -> bool:
        """Add a module, the packages on its way and all that they import; False if there is none."""
        path = _module(self.root, name)
        if path is None:
            return False
        if (parent := name.rpartition(".")[0]) and parent not in self.found:
            self.visit(parent)
        if name not in self.found:
            self.found[name] = path
            self.follow(name, path)
        return True

    def follow(self, name: str, path: Path) -> None:
        """Add what a module imports when it is imported or used, but not what a package hands out."""
        for statement in _read(path)[0]:
            self.add(statement, name, path)

    def add(self, statement: ast.Import | ast.ImportFrom, name: str, path: Path) -> None:
        if isinstance(statement, ast.Import):
            for alias in statement.names:
                if alias.name.partition(".")[0] in FLOORS:
                    self.visit(alias.name)
            return
        source = _source(statement, name, path)
        if source.partition(".")[0] in FLOORS and self.visit(source):
            for alias in statement.names:
                if not self.visit(f"{source}.{alias.name}"):
                    self.hand_out(source, alias.name)

    def hand_out(self, package: str, name: str) -> None:
        """Follow a name that a package has from one of its modules."""
        path = self.found[package]
        if path.name != "__init__.py" or (package, name) in self.names:
            return
        self.names.add((package, name))
        for statement in _read(path)[1]:
            if any(name == (alias.asname or alias.name) or alias.name == "*" for alias in statement.names):
                self.add(statement, package, path)


def _imports(tree: ast.AST, lazily: bool) -> Iterator[ast.Import | ast.ImportFrom]:
    """The imports below a node, without those for types alone and, of a package, those of its functions."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in (
            getattr(node.test, "id", ""),
            getattr(node.test, "attr", ""),
        ):
            yield from _imports(ast.Module(node.orelse, []), lazily)
        elif isinstance(node, ast.stmt | ast.ExceptHandler | ast.match_case) and not (
            lazily and isinstance(node, ast.FunctionDef)
        ):
            yield from _imports(node, lazily)


def _source(statement: ast.ImportFrom, name: str, path: Path) -> str:
    """The module that an import names, relative or not."""
    if not statement.level:
        return statement.module or ""
    parts = name.split(".")[: None if path.name == "__init__.py" else -1]
    parts = parts[: len(parts) - statement.level + 1]
    return ".".join([*parts, *([statement.module] if statement.module else [])])


def _module(root: Path, name: str) -> Path | None:
    """The file of a module below `root`."""
    path = root / name.replace(".", "/")
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if file.is_file():
            return file
    return None


def _elsewhere(kind: str) -> Path | None:
    """The file of a kind whose module another folder adds to the package."""
    found = find_spec(f"jobs.{kind}")
    return Path(found.origin) if found and found.origin else None


def _read(path: Path) -> tuple[list[ast.Import | ast.ImportFrom], list[ast.ImportFrom]]:
    """The imports of a file that count, and all those that take names from a module."""
    stamp = path.stat()
    return _parsed(path, stamp.st_mtime_ns, stamp.st_size)


@cache
def _parsed(
    path: Path, changed: int, size: int
) -> tuple[list[ast.Import | ast.ImportFrom], list[ast.ImportFrom]]:
    tree = ast.parse(path.read_bytes())
    every = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return list(_imports(tree, path.name == "__init__.py")), every
