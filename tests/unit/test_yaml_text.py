"""YAML from people: every way to go wrong is one sentence, and no alias unfolds."""

import time
from pathlib import Path

import pytest

from jobs.graph import read_sweep
from jobs.yaml_text import parse_yaml
from services.cli.spec_options import fields
from surco.errors import InputError

BOMB = "a: &a [lol, lol]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(12)
)
BAD = [
    BOMB, "&a [*a]", "!!python/object/apply:os.system ['true']", "!!binary x", "!!timestamp 2001-01-01",
    "[" * 500, "{" * 500, "[" * 21 + "]" * 21, "a: b: c", "\t", "a\0b", "1" * 5_000, "0x" + "f" * 5_000,
    "{1: 2}", "{[a]: b}", "? !!set {a}\n: b", "%YAML 9.9\n---\na", "@a", "\ud800", '"\\ud800"', "'",
    "x" * 200_000,
    "- 1\n- 2\n--- \n- 3", "1:2:" + "3:" * 5_000 + "4", "<<: *x",
    "1.0e+9999", ".nan", "{.inf: 1}", "{null: 1}",
]  # fmt: skip


@pytest.mark.parametrize("text", BAD, ids=lambda t: t[:20])
def test_bad_yaml_is_one_sentence(text: str, tmp_path: Path) -> None:
    for read in (lambda: parse_yaml(text, "it"), lambda: fields([f"key={text}"])):
        with pytest.raises(InputError) as caught:
            read()
        assert len(str(caught.value)) < 300
    path = tmp_path / "sweep.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(InputError):
        read_sweep(path)


def test_dates_stay_text() -> None:
    assert parse_yaml("2001-12-14", "it") == "2001-12-14"
    assert parse_yaml("{a: [1, 2.5, yes, null, b]}", "it") == {"a": [1, 2.5, True, None, "b"]}


def test_a_bomb_costs_nothing() -> None:
    start = time.process_time()
    with pytest.raises(InputError, match="aliases"):
        parse_yaml(BOMB, "it")
    assert time.process_time() - start < 5


def test_what_is_no_yaml_file(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes("name: canción".encode("latin-1"))
    (tmp_path / "text.yaml").write_text("just words")
    for name in ("latin.yaml", "text.yaml", "missing.yaml", "x" * 300, "", "."):
        with pytest.raises(InputError):
            read_sweep(tmp_path / name)
