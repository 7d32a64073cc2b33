"""Songs come in: sound, vectors, shipped clips, projects. What takes time is asked of the line."""

from pathlib import Path

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from surco.audio.ffmpeg import SUFFIXES as FFMPEG_SUFFIXES
from surco.audio.io import SUFFIXES
from surco.errors import InputError
from surco.studio import reading
from surco.studio.holding import Studio, charged, named, new_identity, session_of, studio_of
from surco.studio.line import Superseded
from surco.studio.sessions import Gone, Session

DEMO = Path(__file__).parent.parent / "datasets" / "demo"


async def add_song(request: Request) -> Response:
    """A song from the body of the request: a sound file, or vectors, named by `x-surco-name`."""
    studio, session, name, suffix = _incoming(request)
    vectors = suffix in (".npy", ".surco")
    read = reading.keep_vectors if vectors else reading.read_song
    identity = new_identity()
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
    studio, session = charged(request)
    studio.sessions.room_for_song(session)
    path = _demo().get(request.path_params["name"])
    if path is None:
        raise InputError("There is no shipped clip of that name.")
    identity = new_identity()
    args = (path, path.name, session.folder / identity, studio.limits.song_seconds)
    made = await studio.line.ask(reading.read_song, *args, session=session.id)
    return JSONResponse(studio.sessions.add(session, identity, path.stem, original=True, **made).told(), 201)


async def add_project(request: Request) -> Response:
    """The songs of a project file, and what was asked of them."""
    studio, session, name, _ = _incoming(request)
    room = studio.limits.songs - len(session.songs)
    ids = [new_identity() for _ in range(room)]
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
    studio_of(request).sessions.remove(session_of(request), request.path_params["song"])
    return Response(status_code=204)


def _incoming(request: Request) -> tuple[Studio, Session, str, str]:
    studio, session = charged(request)
    studio.sessions.room_for_song(session)
    name = named(request)
    suffix = Path(name).suffix.lower()
    known = suffix in SUFFIXES or suffix in FFMPEG_SUFFIXES or suffix in (".npy", ".surco", ".raw")
    return studio, session, name, suffix if known else ""


async def _receive(request: Request, path: Path) -> None:
    """Write the body of a request to a file, and no more of it than is taken."""
    limit = studio_of(request).limits.upload_bytes
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


ROUTES = [
    Route("/api/songs", add_song, methods=["POST"]),
    Route("/api/demo", demo),
    Route("/api/demo/{name}", add_demo, methods=["POST"]),
    Route("/api/projects", add_project, methods=["POST"]),
    Route("/api/songs/{song}", remove_song, methods=["DELETE"]),
]
