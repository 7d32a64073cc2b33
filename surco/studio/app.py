"""The studio's server: songs come in, sounds go out. Everything that takes time is asked of the `Line`."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from surco.codec.codec import SIZES
from surco.edits.amounts import NEUTRAL, OTHERS, Amounts
from surco.errors import InputError, sentence
from surco.page.bundle import PAGE
from surco.prior.keys import NAMES
from surco.studio import answers, makes, maps, material, opening
from surco.studio.guard import HEALTH, Guard
from surco.studio.holding import Studio, studio_of
from surco.studio.limits import Limits
from surco.studio.line import Pool, Superseded
from surco.studio.sessions import Gone, TooMuch

STATIC = Path(__file__).parent / "static"


@dataclass(frozen=True)
class Extension:
    """A further view of the page: its routes under `api/NAME/` and its ES module, static/NAME/`script`."""

    name: str
    routes: Sequence[BaseRoute]
    static: Path
    script: str


def create_app(
    pool: Callable[[], Pool],
    workers: int = 1,
    *,
    limits: Limits | None = None,
    token: str = "",
    hosts: Sequence[str] = (),
    extensions: Sequence[Extension] = (),
    vectors: Path | None = None,
) -> Starlette:
    """The ASGI application. `pool` makes the workers when the server starts; they end with it.

    vectors : a data set's vectors, for the map; the shipped clips without it
    """
    bounds = limits or Limits()

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        studio = app.state.studio = Studio(pool(), workers, bounds)
        app.state.atlas = maps.Atlas(vectors)
        tidying = asyncio.create_task(studio.tidy())
        try:
            studio.codec = await studio.line.ask(material.facts)
            yield
        finally:
            tidying.cancel()
            studio.close()

    names = [e.name for e in extensions]
    scripts = [f"static/{e.name}/{e.script}" for e in extensions]

    async def facts(request: Request) -> Response:
        return JSONResponse({**_facts(studio_of(request)), "extensions": names, "scripts": scripts})

    routes: list[BaseRoute] = [
        Route("/", index),
        Route(HEALTH, health),
        Route("/api/facts", facts),
        Route("/api/session", open_session, methods=["POST"]),
        Route("/api/session", close_session, methods=["DELETE"]),
        *opening.ROUTES,
        *answers.ROUTES,
        *makes.ROUTES,
        *maps.ROUTES,
        *[Mount(f"/api/{e.name}", routes=list(e.routes)) for e in extensions],
        *[Mount(f"/static/{e.name}", _Fresh(directory=e.static)) for e in extensions],
        Mount("/static/page", _Fresh(directory=PAGE)),
        Mount("/static", _Fresh(directory=STATIC)),
    ]
    return Starlette(
        routes=routes,
        lifespan=lifespan,
        middleware=[Middleware(Guard, token=token, hosts=hosts)],
        exception_handlers={
            TooMuch: _error(429),
            Gone: _error(410),
            Superseded: _error(409),
            InputError: _error(422),
        },
    )


class _Fresh(StaticFiles):
    """Files that a browser asks for anew, and keeps where they are the same."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        answer = super().file_response(*args, **kwargs)
        answer.headers["cache-control"] = "no-cache"
        return answer


def _error(status: int) -> Callable[[Request, Exception], Response]:
    def answer(request: Request, error: Exception) -> Response:
        words = "a newer question took its place" if isinstance(error, Superseded) else sentence(str(error))
        return JSONResponse({"error": words}, status)

    return answer


def _facts(studio: Studio) -> dict[str, Any]:
    edits = []
    for name in Amounts.model_fields:
        low, high = Amounts.limits(name)
        edits.append({"name": name, "low": low, "high": high, "neutral": NEUTRAL.get(name, 0.0)})
    limits = studio.limits
    return {
        **studio.codec,
        "sizes": [s for s in SIZES if s <= studio.codec["size"]],
        "edits": edits,
        "others": OTHERS,
        "tonics": NAMES,
        "keys": [f"{tonic} {mode}" for tonic in NAMES for mode in ("major", "minor")],
        "limits": {"bytes": limits.upload_bytes, "seconds": limits.song_seconds, "songs": limits.songs},
    }


# -- the page, and its sessions --------------------------------------------------------------------


async def index(request: Request) -> Response:
    """The page."""
    return FileResponse(STATIC / "index.html", headers={"cache-control": "no-cache"})


async def health(request: Request) -> Response:
    """That the server answers, and its workers have."""
    return PlainTextResponse("ok\n" if studio_of(request).codec else "starting\n")


async def open_session(request: Request) -> Response:
    """A session for a page that has been opened."""
    if request.headers.get("x-surco-session") is None:
        raise Gone("A session is opened by the studio's own page.")
    return JSONResponse({"id": studio_of(request).sessions.create().id}, 201)


async def close_session(request: Request) -> Response:
    """The page is closed: everything of it goes."""
    identity = request.headers.get("x-surco-session", "")
    studio_of(request).sessions.drop(identity)
    studio_of(request).line.forget(identity)
    return Response(status_code=204)
