"""Checkpoints: whole and this job's own, or passed over for the one before."""

import json
from pathlib import Path

import pytest

from jobs.context import Context, Stopped
from jobs.local import local_context
from surco.errors import DiskFull, InputError

JOB = "c" * 64
ROOT = f"jobs/{JOB}/checkpoints/"


def attempt(folder: Path, fence: int, said: list[str] | None = None) -> Context:
    context = local_context(folder, JOB)
    context.fence = fence
    context.workdir = folder / f"work-{fence}"
    context.log = (said if said is not None else []).append
    return context


def save(context: Context, folder: Path, *steps: int) -> None:
    state = folder / "state"
    state.mkdir(exist_ok=True)
    for step in steps:
        (state / "state.json").write_text(str(step))
        (state / "weights").write_bytes(b"w" * step)
        context.save_checkpoint(state, step)


def step_of(folder: Path) -> int:
    return int((folder / "state.json").read_text())


def test_the_newest_whole_checkpoint_is_resumed_from(tmp_path: Path) -> None:
    context = attempt(tmp_path, 1)
    assert context.resume(step_of) is None
    save(context, tmp_path, 5, 10)
    # A checkpoint whose marker was never written does not count, however far it was.
    context.store.put_bytes(f"{ROOT}000000099-0001/state.json", b"99")
    assert attempt(tmp_path, 2).resume(step_of) == 10


def test_the_one_before_is_kept_until_the_next_is_whole_and_two_always(tmp_path: Path) -> None:
    context = attempt(tmp_path, 1)
    save(context, tmp_path, 5, 10)
    put, seen = context.store.put_bytes, []

    def cut(key: str, data: bytes, *, if_absent: bool = False) -> bool:
        seen.append(sorted({k.split("/")[3] for k in context.store.keys(ROOT)}))
        return put(key, data, if_absent=if_absent)

    context.store.put_bytes = cut  # type: ignore[method-assign]
    save(context, tmp_path, 15)
    assert seen[-1] == ["000000005-0001", "000000010-0001", "000000015-0001"]  # while the marker is written
    assert sorted({k.split("/")[3] for k in context.store.keys(ROOT)}) == ["000000010-0001", "000000015-0001"]


def damage(store: object, key: str, data: bytes | None) -> None:
    if data is None:
        store.delete(key)  # type: ignore[attr-defined]
    else:
        store.put_bytes(key, data)  # type: ignore[attr-defined]


LAST = f"{ROOT}000000010-0001/"


@pytest.mark.parametrize(
    ("key", "data", "reason"),
    [
        ("weights", b"w" * 7, "weights is not what was saved"),
        ("weights", b"", "weights is not what was saved"),
        ("weights", None, "FileNotFoundError"),
        ("LATEST.json", b"", "not this job's"),
        ("LATEST.json", b'{"job"', "JSONDecodeError"),
        ("LATEST.json", b"{}", "not this job's"),
        ("LATEST.json", b"[1]", "AttributeError"),
        ("LATEST.json", json.dumps({"job": "d" * 64, "files": {}}).encode(), "not this job's"),
        ("LATEST.json", json.dumps({"job": JOB, "files": ["state.json"]}).encode(), "AttributeError"),
        ("LATEST.json", json.dumps({"job": JOB, "files": {"../../x": "0"}}).encode(), "leads elsewhere"),
    ],
)
def test_a_cut_or_foreign_checkpoint_is_passed_over_for_the_one_before(
    tmp_path: Path, key: str, data: bytes | None, reason: str
) -> None:
    context = attempt(tmp_path, 1)
    save(context, tmp_path, 5, 10)
    damage(context.store, LAST + key, data)
    said: list[str] = []
    assert attempt(tmp_path, 2, said).resume(step_of) == 5
    assert len(said) == 1 and "000000010-0001 is passed over" in said[0] and reason in said[0]


def test_one_that_does_not_load_is_passed_over_and_none_is_none(tmp_path: Path) -> None:
    save(attempt(tmp_path, 1), tmp_path, 5, 10)
    said: list[str] = []

    def only_five(folder: Path) -> int:
        if step_of(folder) != 5:
            raise InputError("The checkpoint is of another training run.")
        return 5

    def never(folder: Path) -> int:
        raise RuntimeError("size mismatch")

    assert attempt(tmp_path, 2, said).resume(only_five) == 5
    assert attempt(tmp_path, 3, said).resume(never) is None
    assert len(said) == 3


@pytest.mark.parametrize(
    "error", [Stopped("cancelled"), ConnectionError("S3 is away"), DiskFull("full"), OSError(28, "No space")]
)
def test_what_is_no_fault_of_the_checkpoint_is_raised(tmp_path: Path, error: Exception) -> None:
    save(attempt(tmp_path, 1), tmp_path, 5, 10)

    def load(folder: Path) -> int:
        raise error

    with pytest.raises(type(error)):
        attempt(tmp_path, 2).resume(load)
    assert attempt(tmp_path, 3).resume(step_of) == 10
