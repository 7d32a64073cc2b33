"""The examples in docstrings."""

import doctest
import pkgutil
from importlib import import_module

import pytest

import surco
import surco.audio
import surco.codec

MODULES = ["surco", *(
    name for package in (surco.audio, surco.codec)
    for _, name, _ in pkgutil.iter_modules(package.__path__, f"{package.__name__}.")
)]  # fmt: skip


@pytest.mark.parametrize("name", MODULES)
def test_docstrings_say_what_happens(name: str) -> None:
    assert not doctest.testmod(import_module(name)).failed


def test_there_are_some() -> None:
    finder = doctest.DocTestFinder(exclude_empty=True)
    assert sum(bool(t.examples) for name in MODULES for t in finder.find(import_module(name))) >= 5
