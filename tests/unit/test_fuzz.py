"""A short run of `make fuzz`, and that its judge sees each kind of defect."""

import random
import time
from pathlib import Path

import pytest

from surco.errors import InputError
from tests.fuzz import judge as judging
from tests.fuzz.__main__ import CASES, run
from tests.fuzz.judge import judge


def _raise(error: Exception) -> None:
    raise error


class LongError(InputError):
    """A sentence that went round the one place where sentences are cut."""

    def __init__(self) -> None:
        Exception.__init__(self, "x" * 300)


def _escape(rng: random.Random, box: Path) -> None:
    (box / "../../../../escaped").mkdir()


def _leave_half(rng: random.Random, box: Path) -> None:
    (box / ".x.1234.part").touch()


def _write_and_refuse(rng: random.Random, box: Path) -> None:
    (box / "out").touch()
    raise InputError("no")


@pytest.mark.parametrize(
    "case, kind",
    [
        (lambda rng, box: None, None),
        (lambda rng, box: _raise(InputError("It is wrong; correct it.")), None),
        (lambda rng, box: _raise(KeyError("x")), "KeyError"),
        (lambda rng, box: _raise(LongError()), "bad sentence"),
        (_escape, "outside the sandbox"),
        (_leave_half, "half written"),
        (_write_and_refuse, "half written"),
    ],
)
def test_the_judge_sees_each_kind_of_defect(case: judging.Case, kind: str | None, tmp_path: Path) -> None:
    found = judge(case, random.Random(0), tmp_path / "sandbox")
    assert (found is None) if kind is None else (found is not None and found.kind.startswith(kind))


def test_an_input_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "SECONDS", 1)
    found = judge(lambda rng, box: time.sleep(60), random.Random(0), tmp_path / "sandbox")
    assert found is not None and found.kind == "hangs"


def test_an_input_that_takes_memory_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = iter([100, 100 + judging.MEGABYTES + 1])
    monkeypatch.setattr(judging, "_most_memory", lambda: next(held))
    found = judge(lambda rng, box: None, random.Random(0), tmp_path / "sandbox")
    assert found is not None and found.kind == "memory"


def test_the_same_seed_makes_the_same_inputs(tmp_path: Path) -> None:
    from tests.fuzz.material import sound

    assert sound(random.Random("1/7"))[1] == sound(random.Random("1/7"))[1]
    assert len(CASES) >= 20


@pytest.mark.slow
def test_four_hundred_hostile_inputs(tmp_path: Path) -> None:
    assert not run(4, range(400), tmp_path / "sandbox")
