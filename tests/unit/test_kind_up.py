"""`make kind-up` says what it lacks before it begins."""

from pathlib import Path

import pytest

from infra import kind_up


def tool(folder: Path, name: str, code: int = 0) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\nexit {code}\n")
    path.chmod(0o755)


def test_what_stands_in_the_way_is_named_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    monkeypatch.setenv("PATH", str(tools))
    monkeypatch.setattr(kind_up, "ROOT", tmp_path)
    for name in kind_up.NEEDED:
        assert kind_up.missing().startswith(f"{name} is not installed")
        tool(tools, name)
    assert "no .env" in kind_up.missing()
    assert kind_up.main([]) == 2 and ".env.example" in capsys.readouterr().err
    tool(tools, "docker", 1)
    assert "No container engine" in kind_up.missing()


def test_what_fails_ends_it_with_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in kind_up.NEEDED:
        tool(tools, name)
    tool(tools, "kind", 3)
    (tmp_path / ".env").write_text("")
    monkeypatch.setenv("PATH", str(tools))
    monkeypatch.setattr(kind_up, "ROOT", tmp_path)
    assert kind_up.main(["down"]) == 1
    assert "kind delete cluster --name surco` ended with exit code 3" in capsys.readouterr().err
