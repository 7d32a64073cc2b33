"""What the server holds while it runs, and how an answer finds its page's session."""

import asyncio
import secrets
from typing import Any
from urllib.parse import unquote

from starlette.requests import Request

from surco.errors import plain
from surco.studio.limits import Limits
from surco.studio.line import Line, Pool
from surco.studio.sessions import Session, Sessions


class Studio:
    """Sessions, the line before the workers, and what the codec is."""

    def __init__(self, pool: Pool, workers: int, limits: Limits):
        self.limits = limits
        self.sessions = Sessions(limits)
        self.line = Line(pool, workers, limits)
        self.codec: dict[str, Any] = {}

    async def tidy(self) -> None:
        """Forget idle sessions, once a minute."""
        while True:
            await asyncio.sleep(60)
            for identity in self.sessions.forget_idle():
                self.line.forget(identity)

    def close(self) -> None:
        self.line.close()
        self.sessions.close()


def studio_of(request: Request) -> Studio:
    """What the server that was asked holds."""
    found: Studio = request.app.state.studio
    return found


def session_of(request: Request) -> Session:
    """The session of the page that asks; Gone where there is none."""
    # a header of our own: a foreign page cannot send it without asking first, and is told no
    return studio_of(request).sessions.get(request.headers.get("x-surco-session", ""))


def charged(request: Request) -> tuple[Studio, Session]:
    """The same, where the question counts against the page's limit."""
    studio, session = studio_of(request), session_of(request)
    studio.sessions.charge(session)
    return studio, session


def named(request: Request) -> str:
    """The name of what comes along, as text."""
    return plain(unquote(request.headers.get("x-surco-name", ""))[:300]).strip() or "?"


def new_identity() -> str:
    """An id that nobody guesses."""
    return secrets.token_hex(8)
