"""The table that `make test-containers` writes into docs/deploy.md."""

from pathlib import Path

import pytest

from tests.containers.table import BEGIN, END, HEAD, Table

ROOT = Path(__file__).resolve().parents[2]


def test_a_run_replaces_the_lines_of_the_faults_it_saw_and_no_others(tmp_path: Path) -> None:
    document = tmp_path / "deploy.md"
    document.write_text(f"# Before\n\n{BEGIN}\n{END}\n\nAfter\n")
    first = Table(str(document))
    first.add("Redis away", 1, 1)
    first.add("S3 away", 1, 1)
    Table(str(document)).add("Redis away", 2, 2)
    text = document.read_text()
    assert text.startswith("# Before\n") and text.endswith("\n\nAfter\n")
    assert text.count(HEAD) == 1
    rows = [line for line in text.splitlines() if line.startswith("| ") and line != HEAD]
    assert rows == ["| Redis away | 2 | 2 |", "| S3 away | 1 | 1 |"]


def test_a_document_without_a_place_for_the_table_is_refused(tmp_path: Path) -> None:
    document = tmp_path / "other.md"
    document.write_text("nothing here\n")
    with pytest.raises(ValueError, match="has no lines"):
        Table(str(document)).add("Redis away", 1)
    assert document.read_text() == "nothing here\n"


def test_the_document_has_its_place() -> None:
    text = (ROOT / "docs" / "deploy.md").read_text()
    assert text.count(BEGIN) == text.count(END) == 1
