"""The ledger's Lua scripts, one file a transition in `lua/`; each file says what it is given and returns."""

from functools import cache
from importlib.resources import files
from typing import Any

import redis

NAMES = (
    "add", "ask_again", "cancel", "claim", "cost", "drop", "fail", "finish", "index", "join", "log", "note",
    "overdue", "progress", "release", "requeue", "retry", "settle",
)  # fmt: skip


# What brings work to its end, and takes little memory, goes on in a Redis at its limit; what begins work is
# refused there whole. Without the first line a script would stop in its middle, at its first such write.
ALLOWED_WHEN_FULL = frozenset(
    {"cancel", "cost", "drop", "fail", "finish", "overdue", "release", "requeue", "retry", "settle"}
)


@cache
def source(name: str) -> str:
    """The text of a script, with the functions that all of them begin with."""
    folder = files("services.queue") / "lua"
    flags = "allow-oom" if name in ALLOWED_WHEN_FULL else ""
    common = (folder / "common.lua").read_text(encoding="utf-8")
    return f"#!lua flags={flags}\n{common}\n{(folder / f'{name}.lua').read_text(encoding='utf-8')}"


class Scripts:
    """Every script as a function of `keys` and `args`; `client=` takes a pipeline."""

    def __init__(self, client: redis.Redis):
        self._scripts: dict[str, Any] = {name: client.register_script(source(name)) for name in NAMES}

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["_scripts"][name]
        except KeyError:
            raise AttributeError(f"There is no script {name!r}.") from None
