"""SURCO_NOTIFY: what it is told, once, and that its failures cost nothing."""

import http.server
import json
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from jobs.kinds import parse_spec
from services.queue.client import Client
from services.queue.hooks import deliver, tell_events
from services.queue.ledger import Job


def submit(queue: Client, label: str) -> Job:
    return queue.submit("noop", parse_spec("noop", {"label": label}))


def with_hook(queue: Client, tmp_path: Path) -> Path:
    """A hook that appends what it is told to a file, one line an event."""
    out = tmp_path / "told"
    script = tmp_path / "a hook.py"
    script.write_text(f"import sys; open({str(out)!r}, 'a').write(sys.stdin.read() + '\\n')\n")
    queue.settings = queue.settings.model_copy(update={"notify": f"{sys.executable} {str(script)!r}"})
    return out


def told(queue: Client, out: Path) -> list[dict[str, Any]]:
    thread = tell_events(queue)
    if thread:
        thread.join()
    return [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []


def test_a_sweeps_end_and_a_dead_job_are_told_once(queue: Client, tmp_path: Path) -> None:
    out = with_hook(queue, tmp_path)
    one, two = submit(queue, "good"), submit(queue, "bad")
    queue.ledger.add_sweep("s1", "mine", {}, [one.id, two.id])
    queue.ledger.join("s1", [one.id, two.id])
    queue.ledger.finish(one.id, {})
    assert told(queue, out) == []
    claim = queue.claim(two.id, "w:1")
    assert claim is not None and not isinstance(claim, str)
    queue.mark_failed(claim.job, "[red] bad input", fatal=True)
    dead, ended = sorted(told(queue, out), key=lambda e: e["event"])
    assert dead["event"] == "dead job" and dead["job"] == two.id and dead["reason"] == "[red] bad input"
    assert ended == {"event": "sweep ended", "sweep": "s1", "name": "mine", "jobs": {"done": 1, "dead": 1}}
    assert len(told(queue, out)) == 2
    queue.ledger.redis.zadd("surco:events", {f"dead:{two.id}:{claim.job.attempt_id}": 0, "sweep:s1:1": 0})
    assert len(told(queue, out)) == 2  # both were claimed, whoever noted them again


def test_without_a_hook_events_do_not_pile_up(queue: Client) -> None:
    queue.ledger.redis.zadd("surco:events", {"sweep:s1:1": 0})
    assert tell_events(queue) is None
    assert queue.ledger.redis.zcard("surco:events") == 0


def test_an_address_gets_a_post() -> None:
    got: list[Any] = []

    class Hook(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204 if len(got) == 1 else 500)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Hook) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/hook"
        assert deliver(url, {"event": "x"})
        assert not deliver(url, {"event": "y"})
        server.shutdown()
    assert got == [{"event": "x"}, {"event": "y"}]


@pytest.mark.parametrize("hook", ["no-such-command-here", "false", "'unbalanced", "http://127.0.0.1:1/"])
def test_a_hook_that_fails_is_logged_and_no_more(hook: str, caplog: pytest.LogCaptureFixture) -> None:
    assert not deliver(hook, {"event": "x"})
    assert "SURCO_NOTIFY" in caplog.text
