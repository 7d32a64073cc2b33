"""Who may ask the studio, and what its page consists of."""

import asyncio
import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

from starlette.testclient import TestClient

from surco.codec import Codec
from surco.edits.amounts import Amounts
from surco.studio.app import STATIC, create_app
from surco.studio.serve import listen
from tests.studio_page import Threads, studio

ROOT = Path(__file__).resolve().parents[2]
pytest_plugins = ["tests.studio_page"]


def test_with_a_token_nothing_is_told_without_it(temporary: Path) -> None:
    with TestClient(create_app(Threads, token="s3cret"), base_url="http://box.example") as client:
        for path in ("/", "/api/facts", "/static/main.js"):
            assert client.get(path).status_code == 401
        assert client.get("/?token=wrong").status_code == 401
        assert client.post("/api/session?token=s3cret", headers={"x-surco-session": "new"}).status_code == 401
        assert client.get("/api/facts", headers={"authorization": "Bearer s3cret"}).status_code == 200
        assert (
            client.get("/api/facts", headers={"cookie": 'surco-studio=";\xff'.encode("latin-1")}).status_code
            == 401
        )
        answer = client.get("/?token=s3cret&x=1", follow_redirects=False)
        assert answer.status_code == 303 and "s3cret" not in answer.headers["location"]
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie and "samesite=strict" in cookie
        assert client.get("/").status_code == 200  # the cookie came along


def test_without_a_token_only_this_machine_is_answered(client: TestClient) -> None:
    for host, status in (("evil.example", 403), ("127.0.0.1:8360", 200), ("[::1]:8360", 200), ("", 403)):
        assert client.get("/api/facts", headers={"host": host}).status_code == status, host
    answer = client.get("/api/facts", headers={"sec-fetch-site": "cross-site"})
    assert answer.status_code == 403 and "access-control-allow-origin" not in answer.headers
    with studio(hosts=["studio.example"]) as named:
        assert named.get("/api/facts", headers={"host": "studio.example"}).status_code == 200


def test_a_session_needs_a_header_that_other_sites_cannot_send(client: TestClient) -> None:
    assert client.post("/api/session").status_code == 410


def test_no_script_stands_in_the_page_and_the_browser_would_not_run_one(client: TestClient) -> None:
    answer = client.get("/")
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self'" in policy and "unsafe" not in policy and "default-src 'none'" in policy
    assert "<script>" not in answer.text and " style=" not in answer.text and "onclick" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_probe_asks_for_health_without_a_token(temporary: Path) -> None:
    with TestClient(create_app(Threads, token="t"), base_url="http://10.0.0.7:8360") as probe:
        answer = probe.get("/health")
        assert (answer.status_code, answer.text) == (200, "ok\n")
        assert probe.get("/api/facts").status_code == probe.post("/health").status_code == 401
        assert probe.get("/health/../api/facts").status_code == 401


def test_static_files_lead_nowhere_else(client: TestClient) -> None:
    assert client.get("/static/main.js").status_code == 200
    assert client.get("/static/page/dom.js").status_code == 200
    for path in ("/static/../app.py", "/static/%2e%2e/app.py", "/static/page/%2e%2e/page.py"):
        assert client.get(path).status_code == 404


def test_under_a_path_of_a_proxy(temporary: Path) -> None:
    app = create_app(Threads, token="t")
    with TestClient(app, base_url="http://box.example", root_path="/music") as client:
        answer = client.get("/music/?token=t", follow_redirects=False)
        assert answer.status_code == 303 and "path=/music/" in answer.headers["set-cookie"].lower()
        assert client.get("/music/static/main.js").status_code == 200
    page = (STATIC / "index.html").read_text()
    assert 'src="/' not in page and 'href="/' not in page


def test_both_languages_have_the_same_words() -> None:
    words = (STATIC / "words.js").read_text()
    english, spanish = words.split("  es: {")
    keys = [set(re.findall(r'"([\w.]+)": "', part)) for part in (english, spanish)]
    assert keys[0] == keys[1] and len(keys[0]) > 80


def test_facts_name_every_edit(client: TestClient) -> None:
    told = client.get("/api/facts").json()
    assert [e["name"] for e in told["edits"]] == list(Amounts.model_fields)
    assert told["codec"] == Codec.load().fingerprint and told["sizes"][-1] == told["size"] == 2048
    json.dumps(told, allow_nan=False)


def test_small_answers_are_sent_at_once() -> None:
    async def accepted() -> int:
        listening = listen("127.0.0.1", 0)
        nodelay = asyncio.get_running_loop().create_future()

        def met(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            own = writer.get_extra_info("socket")
            nodelay.set_result(own.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        async with await asyncio.start_server(met, sock=listening):
            _, writer = await asyncio.open_connection(*listening.getsockname())
            found: int = await nodelay
            writer.close()
            return found

    assert asyncio.run(accepted()) != 0


def test_the_folder_of_a_model_goes_when_the_server_is_told_to_end(tmp_path: Path) -> None:
    code = """
import os, signal, tempfile
from surco.cli.studio import model_folder
with model_folder() as folder:
    (folder / "codec.safetensors").write_bytes(b"1")
    print(folder, flush=True)
    os.kill(os.getpid(), signal.SIGTERM)
    signal.pause()
"""
    command, env = [sys.executable, "-c", code], {**os.environ, "TMPDIR": str(tmp_path)}
    ended = subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert ended.returncode == 143 and ended.stdout.startswith(str(tmp_path))
    assert not list(tmp_path.iterdir())
