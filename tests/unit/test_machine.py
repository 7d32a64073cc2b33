"""The thread that measures the machine: nothing stops it, and it leaves half-imported modules alone."""

import sys
import threading
from importlib.machinery import ModuleSpec
from types import ModuleType

import pytest

from services.tracking import machine


class Half(ModuleType):
    """A module that another thread is at importing: whoever looks into it dies of what is not there yet."""

    def __init__(self, name: str):
        super().__init__(name)
        self.__spec__ = ModuleSpec(name, None)
        self.__spec__._initializing = True  # type: ignore[attr-defined]

    def __getattr__(self, name: str) -> object:
        raise AttributeError(f"partially initialized module has no attribute {name!r}")


def test_a_half_imported_torch_is_not_looked_into(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("torch", "torch.cuda"):
        monkeypatch.setitem(sys.modules, name, Half(name))
    assert machine.imported("torch") is None
    assert machine.gpu() == {}
    monkeypatch.delitem(sys.modules, "torch.cuda")
    assert machine.gpu() == {}


def test_a_gpu_whose_driver_fails_leaves_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(Half):
        def __init__(self, name: str):
            super().__init__(name)
            self.__spec__._initializing = False  # type: ignore[union-attr]

        @staticmethod
        def is_initialized() -> bool:
            return True

        @staticmethod
        def mem_get_info() -> tuple[int, int]:
            raise RuntimeError("no driver")

    for name in ("torch", "torch.cuda"):
        monkeypatch.setitem(sys.modules, name, Broken(name))
    found = machine.reading()
    assert found["system/process_memory_megabytes"] > 1 and "system/gpu_0_memory_usage_megabytes" not in found


def test_a_failed_reading_does_not_end_the_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    real, failures, told = machine.reading, [], threading.Event()

    def reading() -> dict[str, float]:
        if len(failures) < 3:
            failures.append(1)
            raise AttributeError("partially initialized module 'torch' has no attribute 'cuda'")
        return real()

    monkeypatch.setattr(machine, "reading", reading)
    thread = machine.Measuring(lambda values: told.set(), seconds=0.001)
    thread.start()
    assert told.wait(20) and len(failures) == 3
    thread.stop.set()
    thread.join(20)
    assert not thread.is_alive()


def test_measuring_imports_nothing() -> None:
    before = set(sys.modules)
    machine.reading()
    assert set(sys.modules) == before
