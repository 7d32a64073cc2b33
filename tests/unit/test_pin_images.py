"""Digests beside tags: read off a registry that speaks the distribution API over HTTP."""

import http.server
import json
import re
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.pin_images import FILES, FOLDERS, ROOT, digest, files, named, pin

SHA = "sha256:" + "ab12" * 16


class Registry(http.server.BaseHTTPRequestHandler):
    """Asks for a token first, as public registries do, and knows one tag."""

    def do_HEAD(self) -> None:
        host = self.headers["Host"]
        if self.headers.get("Authorization") != "Bearer anyone":
            self.send_response(401)
            realm = f'Bearer realm="http://{host}/token",service="s",scope="repository:library/redis:pull"'
            self.send_header("WWW-Authenticate", realm)
        elif self.path == "/v2/library/redis/manifests/8.8" and "index.v1+json" in self.headers["Accept"]:
            self.send_response(200)
            self.send_header("Docker-Content-Digest", SHA)
        else:
            self.send_response(404)
        self.end_headers()

    def do_GET(self) -> None:
        assert "scope=repository%3Alibrary%2Fredis%3Apull" in self.path
        body = json.dumps({"token": "anyone"}).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def registry() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_registry_is_asked_with_the_token_it_wants(registry: str) -> None:
    assert digest(f"{registry}/library/redis:8.8", scheme="http") == SHA
    with pytest.raises(OSError, match="404"):
        digest(f"{registry}/library/redis:9", scheme="http")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in FILES:
        shutil.copy(ROOT / name, tmp_path / name)
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, tmp_path / folder)
    return tmp_path


def test_every_image_that_comes_from_a_registry_is_pinned_everywhere(checkout: Path) -> None:
    digests = pin(checkout, lambda image: SHA)
    assert {image.split("/")[-1].split(":")[0] for image in digests} == {
        "pytorch", "python", "redis", "minio", "postgres"
    }  # fmt: skip
    for path in files(checkout):
        for line in path.read_text().splitlines():
            if re.search(r"docker\.io/\S+:", line) and "#" not in line.split("docker.io")[0]:
                assert SHA in line, f"{path.name}: {line}"
    again = {path: path.read_text() for path in files(checkout)}
    newer = "sha256:" + "cd34" * 16
    pin(checkout, lambda image: newer)
    for path, text in again.items():
        assert path.read_text() == text.replace(SHA, newer)


def test_nothing_is_pinned_unless_all_is(checkout: Path) -> None:
    texts = {path: path.read_text() for path in files(checkout)}
    images = named(texts.values())

    def ask(image: str) -> str:
        if image == images[-1]:
            raise OSError("the registry does not answer")
        return SHA

    with pytest.raises(OSError, match=re.escape(images[-1])):
        pin(checkout, ask)
    assert {path: path.read_text() for path in texts} == texts
