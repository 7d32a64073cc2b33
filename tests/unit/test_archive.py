"""Archives: what is unpacked, and what is refused before a byte is written."""

import gzip
import io
import os
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from surco.datasets import archive
from surco.datasets.archive import extract
from surco.errors import InputError


def make_zip(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return path


def make_tar(path: Path, members: dict[str, bytes], kind: bytes = tarfile.REGTYPE, link: str = "") -> Path:
    mode = {".gz": "w:gz", ".bz2": "w:bz2", ".xz": "w:xz"}.get(path.suffix, "w")
    with tarfile.open(path, mode) as file:  # type: ignore[call-overload]
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, link
            info.size = len(data) if kind == tarfile.REGTYPE else 0
            file.addfile(info, io.BytesIO(data))
    return path


def refused(path: Path, folder: Path, words: str) -> None:
    with pytest.raises(InputError, match=words):
        extract(path, folder)
    outside = [p for p in folder.parent.rglob("*") if p.is_file() and p != path and folder not in p.parents]
    assert outside == []


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz", "a.tar.bz2", "a.tar.xz"])
def test_members_come_out_whole_and_only_those_wanted(tmp_path: Path, name: str) -> None:
    noise = np.random.default_rng(0).bytes(300_000)
    make = make_zip if name.endswith("zip") else make_tar
    make(tmp_path / name, {"rock/a.wav": noise, "rock/notes.txt": b"x", "b.wav": b"yy"})
    assert extract(tmp_path / name, tmp_path / "out", keep=lambda n: n.endswith(".wav")) == 2
    found = {
        p.relative_to(tmp_path / "out").as_posix(): p.read_bytes() for p in (tmp_path / "out").rglob("*.*")
    }
    assert found == {"rock/a.wav": noise, "b.wav": b"yy"}


@pytest.mark.parametrize("member", ["../evil.wav", "a/../../evil.wav", "/tmp/evil.wav", "..\\evil.wav"])
@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz"])
def test_members_that_lead_out(tmp_path: Path, name: str, member: str) -> None:
    make = make_zip if name.endswith("zip") else make_tar
    refused(make(tmp_path / name, {member: b"x"}), tmp_path / "in" / "out", "leads out of the folder")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_tar_links_and_devices(tmp_path: Path, kind: bytes) -> None:
    refused(
        make_tar(tmp_path / "a.tar", {"a.wav": b""}, kind, "/etc/hostname"),
        tmp_path / "out",
        "link or device",
    )


def test_zip_symlink(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        info = zipfile.ZipInfo("a.wav")
        info.external_attr = 0o120777 << 16
        file.writestr(info, "/etc/hostname")
    refused(tmp_path / "a.zip", tmp_path / "out", "link or device")


def test_encrypted_zip(tmp_path: Path) -> None:
    data = bytearray(make_zip(tmp_path / "a.zip", {"a.wav": b"x" * 99}).read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    data[6] |= 1
    (tmp_path / "a.zip").write_bytes(data)
    refused(tmp_path / "a.zip", tmp_path / "out", "encrypted")


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz"])
def test_a_bomb(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "FREE_BYTES", 1 << 20)  # so that the bomb may be a small one
    make = make_zip if name.endswith("zip") else make_tar
    bomb = make(tmp_path / name, {"a.wav": bytes(20 << 20)})
    assert bomb.stat().st_size < 100_000
    with pytest.raises(InputError, match="far more than music"):
        extract(bomb, tmp_path / "out")
    assert sum(p.stat().st_size for p in tmp_path.rglob("*.wav")) <= 11 << 20


def test_a_bomb_in_a_tar_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "FREE_BYTES", 1 << 20)
    info = tarfile.TarInfo("pax")
    info.type, info.size = tarfile.XHDTYPE, 7 << 30  # tarfile would read all of it at once
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(info.tobuf() + bytes(20 << 20)))
    refused(tmp_path / "a.tar.gz", tmp_path / "out", "far more than music")


def test_too_many_members(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_MEMBERS", 3)
    refused(make_zip(tmp_path / "a.zip", dict.fromkeys("abcd", b"")), tmp_path / "out", "over 3 members")


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz", "a.tar"])
def test_cut_or_no_archive_at_all(tmp_path: Path, name: str) -> None:
    make = make_zip if name.endswith("zip") else make_tar
    data = make(tmp_path / name, {"a.wav": os.urandom(50_000)}).read_bytes()
    for broken in (data[:30_000], b"this is a text\n" * 99):
        (tmp_path / name).write_bytes(broken)
        refused(tmp_path / name, tmp_path / "out", "damaged or truncated")
