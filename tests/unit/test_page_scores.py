"""Scoring listening tests: planted marks, screening, and files that are no tests."""

import json

import pytest

from surco.errors import InputError
from surco.page.listening_test import score_tests

CLIPS = 8


def save(folder, listener, marks, *, seed=1, sweep="s1", noise=(0, 4, -4, 2, -2, 3, -3, 0)):
    trials = [
        {
            "clip": f"c{i}",
            "marks": {c: min(100, max(0, m + noise[i])) if c != "reference" else m for c, m in marks.items()},
        }
        for i in range(CLIPS)
    ]
    test = {"kind": "surco-listening-test", "version": 1, "sweep": sweep, "listener": listener, "seed": seed}
    path = folder / f"{listener}-{seed}.json"
    path.write_text(json.dumps({**test, "trials": trials}))
    return path


def test_means_order_and_intervals(tmp_path) -> None:
    base = {"reference": 100, "512": 70, "64": 40, "anchor": 25}
    files = [
        save(tmp_path, n, {**base, "512": m}, seed=s)
        for s, (n, m) in enumerate((("ana", 60), ("ben", 70), ("eva", 80)))
    ]
    found = score_tests(files)
    assert list(found.conditions) == ["reference", "512", "64", "anchor"]
    big = found.conditions["512"]
    assert big.mean == pytest.approx(70) and big.marks == 3 * CLIPS
    assert 60 <= big.low < 66 and 74 < big.high <= 80
    assert found.conditions["64"].mean == pytest.approx(40)
    assert found.conditions["64"].high - found.conditions["64"].low < big.high - big.low
    assert found.conditions["reference"].low == found.conditions["reference"].high == 100


def test_listener_who_misses_the_reference_is_left_out_and_named(tmp_path) -> None:
    good = save(tmp_path, "ana", {"reference": 100, "64": 40})
    deaf = save(tmp_path, "bob", {"reference": 60, "64": 90})
    found = score_tests([good, deaf])
    assert found.listeners == ["ana"] and "8 of 8" in found.excluded["bob"]
    assert found.conditions["64"].mean == pytest.approx(40)
    with pytest.raises(InputError, match="No listener is left"):
        score_tests([deaf])


def test_the_same_file_twice_counts_once(tmp_path) -> None:
    one = save(tmp_path, "ana", {"reference": 100, "64": 40})
    assert score_tests([one, one]) == score_tests([one])


def test_same_seed_same_interval(tmp_path) -> None:
    files = [save(tmp_path, n, {"reference": 100, "64": m}) for n, m in (("ana", 40), ("ben", 60))]
    assert score_tests(files, seed=3) == score_tests(files[::-1], seed=3)


HEAD = '{"kind": "surco-listening-test", "version": 1'
FULL = HEAD + ', "listener": "a", "seed": 1, "sweep": "s", "trials": '


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("not json", "not JSON"),
        ("[]", "not a listening test"),
        (HEAD + "}", "damaged"),
        (FULL + "[]}", "no finished clip"),
        (FULL + '[{"marks": {"64": 130}}]}', "outside 0-100"),
    ],
)
def test_what_is_no_test_is_refused_by_name(tmp_path, text, words) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(InputError, match=words) as error:
        score_tests([path])
    assert "x.json" in str(error.value)


def test_different_sweeps_are_not_mixed(tmp_path) -> None:
    a = save(tmp_path, "ana", {"reference": 100}, sweep="s1")
    b = save(tmp_path, "ben", {"reference": 100}, sweep="s2")
    with pytest.raises(InputError, match="different sweeps"):
        score_tests([a, b])
    with pytest.raises(InputError, match="No listening test"):
        score_tests([])
    with pytest.raises(InputError, match="cannot be read"):
        score_tests([tmp_path / "none.json"])
