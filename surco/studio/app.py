"""The studio's server: songs come in, sounds go out. Everything that takes time is asked of the `Line`."""

import asyncio
import contextlib
import json
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from surco.audio.ffmpeg import SUFFIXES as FFMPEG_SUFFIXES
from surco.audio.io import SUFFIXES
from surco.codec.codec import SIZES
from surco.edits.amounts import NEUTRAL, OTHERS, Amounts
from surco.errors import InputError, plain, sentence
from surco.files import as_file_name
from surco.page.bundle import PAGE
from surco.studio import material, reading, saving, sounds
from surco.studio.asks import Export, Sound, parse
from surco.studio.guard import Guard
from surco.studio.limits import Limits
from surco.studio.line import Line, Pool, Superseded
from surco.studio.sessions import Gone, Session, Sessions, Song, TooMuch

DEMO = Path(__file__).parent.parent / "datasets" / "demo"
STATIC = Path(__file__).parent / "static"


@dataclass(frozen=True)
class Extension:
    """A further view of the page: its routes under `api/NAME/` and its ES module, static/NAME/`script`."""

    name: str
    routes: Sequence[BaseRoute]
    static: Path
    script: str


class Studio:
    """What the server holds while it runs."""

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


def create_app(
    pool: Callable[[], Pool],
    workers: int = 1,
    *,
    limits: Limits | None = None,
    token: str = "",
    hosts: Sequence[str] = (),
    extensions: Sequence[Extension] = (),
) -> Starlette:
    """The ASGI application. `pool` makes the workers when the server starts; they end with it."""
    bounds = limits or Limits()

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        studio = app.state.studio = Studio(pool(), workers, bounds)
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
        return JSONResponse({**_facts(_studio(request)), "extensions": names, "scripts": scripts})

    routes: list[BaseRoute] = [
        Route("/", index),
        Route("/api/facts", facts),
        Route("/api/session", open_session, methods=["POST"]),
        Route("/api/session", close_session, methods=["DELETE"]),
        Route("/api/songs", add_song, methods=["POST"]),
        Route("/api/demo", demo),
        Route("/api/demo/{name}", add_demo, methods=["POST"]),
        Route("/api/projects", add_project, methods=["POST"]),
        Route("/api/songs/{song}", remove_song, methods=["DELETE"]),
        Route("/api/songs/{song}/sound", sound, methods=["POST"]),
        Route("/api/songs/{song}/measures", measures, methods=["POST"]),
        Route("/api/songs/{song}/vector", vector, methods=["POST"]),
        Route("/api/songs/{song}/file", file, methods=["POST"]),
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
        "limits": {"bytes": limits.upload_bytes, "seconds": limits.song_seconds, "songs": limits.songs},
    }


# -- the page, and its sessions --------------------------------------------------------------------


async def index(request: Request) -> Response:
    """The page."""
    return FileResponse(STATIC / "index.html", headers={"cache-control": "no-cache"})


def _studio(request: Request) -> Studio:
    found: Studio = request.app.state.studio
    return found


def _session(request: Request) -> Session:
    # a header of our own: a foreign page cannot send it without asking first, and is told no
    return _studio(request).sessions.get(request.headers.get("x-surco-session", ""))


async def open_session(request: Request) -> Response:
    """A session for a page that has been opened."""
    if request.headers.get("x-surco-session") is None:
        raise Gone("A session is opened by the studio's own page.")
    return JSONResponse({"id": _studio(request).sessions.create().id}, 201)


async def close_session(request: Request) -> Response:
    """The page is closed: everything of it goes."""
    identity = request.headers.get("x-surco-session", "")
    _studio(request).sessions.drop(identity)
    _studio(request).line.forget(identity)
    return Response(status_code=204)


# -- songs -----------------------------------------------------------------------------------------


async def add_song(request: Request) -> Response:
    """A song from the body of the request: a sound file, or vectors, named by `x-surco-name`."""
    studio, session, name, suffix = _incoming(request)
    vectors = suffix in (".npy", ".surco")
    read = reading.keep_vectors if vectors else reading.read_song
    identity = secrets.token_hex(8)
    upload = session.folder / f"upload-{identity}{suffix}"
    session.opening += 1
    try:
        await _receive(request, upload)
        args = (upload, name, session.folder / identity, studio.limits.song_seconds)
        made = await studio.line.ask(
            read, *args, session=session.id, heavy=True, gone=request.is_disconnected
        )
        if not session.folder.exists():
            raise Gone("The page was closed.")
        song = studio.sessions.add(session, identity, name, original=not vectors, **made)
    finally:
        session.opening -= 1
        upload.unlink(missing_ok=True)
    return JSONResponse(song.told(), 201)


def _demo() -> dict[str, Path]:
    """The first shipped clip of every genre, by its name."""
    found = {}
    for folder in sorted(p for p in DEMO.iterdir() if p.is_dir()):
        first = min(folder.glob("*.ogg"), default=None)
        if first is not None:
            found[folder.name] = first
    return found


async def demo(request: Request) -> Response:
    """Names of the shipped clips that can be opened."""
    return JSONResponse(list(_demo()))


async def add_demo(request: Request) -> Response:
    """Open a shipped clip."""
    studio, session = _studio(request), _session(request)
    studio.sessions.charge(session)
    studio.sessions.room_for_song(session)
    path = _demo().get(request.path_params["name"])
    if path is None:
        raise InputError("There is no shipped clip of that name.")
    identity = secrets.token_hex(8)
    args = (path, path.name, session.folder / identity, studio.limits.song_seconds)
    made = await studio.line.ask(reading.read_song, *args, session=session.id)
    return JSONResponse(studio.sessions.add(session, identity, path.stem, original=True, **made).told(), 201)


async def add_project(request: Request) -> Response:
    """The songs of a project file, and what was asked of them."""
    studio, session, name, _ = _incoming(request)
    room = studio.limits.songs - len(session.songs)
    ids = [secrets.token_hex(8) for _ in range(room)]
    upload = session.folder / f"upload-{ids[0]}"
    session.opening += 1
    try:
        await _receive(request, upload)
        args = (upload, name, session.folder, ids, studio.limits.song_seconds)
        made = await studio.line.ask(reading.open_project, *args, session=session.id, heavy=True)
        if not session.folder.exists():
            raise Gone("The page was closed.")
        songs = [
            studio.sessions.add(session, s.pop("id"), s.pop("name"), original=False, **s)
            for s in made["songs"]
        ]
    finally:
        session.opening -= 1
        upload.unlink(missing_ok=True)
    return JSONResponse({"songs": [s.told() for s in songs], "ask": made["ask"]}, 201)


async def remove_song(request: Request) -> Response:
    """Forget a song."""
    _studio(request).sessions.remove(_session(request), request.path_params["song"])
    return Response(status_code=204)


def _incoming(request: Request) -> tuple[Studio, Session, str, str]:
    studio, session = _studio(request), _session(request)
    studio.sessions.charge(session)
    studio.sessions.room_for_song(session)
    name = plain(unquote(request.headers.get("x-surco-name", ""))[:300]).strip() or "?"
    suffix = Path(name).suffix.lower()
    known = suffix in SUFFIXES or suffix in FFMPEG_SUFFIXES or suffix in (".npy", ".surco", ".raw")
    return studio, session, name, suffix if known else ""


async def _receive(request: Request, path: Path) -> None:
    """Write the body of a request to a file, and no more of it than is taken."""
    limit = _studio(request).limits.upload_bytes
    too_much = InputError(f"A file of over {limit // 1_000_000} MB is not taken; cut it or compress it.")
    if int(request.headers.get("content-length", "0") or 0) > limit:
        raise too_much
    size = 0
    try:
        with path.open("xb") as file:
            async for chunk in request.stream():
                size += len(chunk)
                if size > limit:
                    raise too_much
                file.write(chunk)
    except ClientDisconnect:
        raise Superseded from None
    if not size:
        raise InputError("The file is empty; choose another.")


# -- sounds ----------------------------------------------------------------------------------------


async def _asked(request: Request) -> Any:
    limit = _studio(request).limits.request_bytes
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise InputError(f"A question of over {limit // 1000} kB is not taken.")
    try:
        return json.loads(bytes(body) or b"{}")
    except (ValueError, RecursionError):
        raise InputError("The question is no JSON.") from None


def _songs(session: Session, song: str, ask: Sound) -> tuple[Song, dict[str, Song]]:
    """The song, and the others that the question names, by their ids."""
    Amounts.of(ask.amounts)
    named = [*ask.others.values(), *([ask.between.song] if ask.between else [])]
    return session.song(song), {identity: session.song(identity) for identity in named}


async def _ask(request: Request, function: Callable[..., Any], ask: Sound, **how: Any) -> Any:
    studio, session = _studio(request), _session(request)
    studio.sessions.charge(session)
    song, others = _songs(session, request.path_params["song"], ask)
    slot = request.headers.get("x-surco-slot")
    return await studio.line.ask(
        function, song, ask, others, session=session.id, slot=slot and slot[:40],
        gone=request.is_disconnected, **how,
    )  # fmt: skip


async def sound(request: Request) -> Response:
    """One clip as a WAV."""
    data, told = await _ask(request, sounds.sound, parse(Sound, await _asked(request)))
    headers = {f"x-surco-{name}": f"{value:.6g}" for name, value in told.items()}
    return Response(data, media_type="audio/wav", headers=headers)


async def measures(request: Request) -> Response:
    """How close a sound comes to the original."""
    ask = parse(Sound, await _asked(request))
    return JSONResponse(await _ask(request, sounds.measures, ask, late=True))


async def vector(request: Request) -> Response:
    """The numbers of a clip."""
    return JSONResponse(await _ask(request, sounds.vector, parse(Sound, await _asked(request))))


async def file(request: Request) -> Response:
    """A song as a file to keep."""
    ask = parse(Export, await _asked(request))
    data = await _ask(request, saving.save, ask, heavy=True)
    song = _session(request).song(request.path_params["song"])
    name = f"{as_file_name(Path(song.name).stem)}.{ask.format}"
    headers = {"content-disposition": f"attachment; filename*=UTF-8''{_quoted(name)}"}
    return Response(data, media_type=saving.MEDIA[ask.format], headers=headers)


def _quoted(name: str) -> str:
    return quote(name, safe="")
