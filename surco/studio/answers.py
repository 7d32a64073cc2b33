"""Sounds, measures, vectors and files go out, each an answer of a worker."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from surco.edits.amounts import Amounts
from surco.errors import InputError
from surco.files import as_file_name
from surco.studio import saving, sounds
from surco.studio.asks import Export, Sound, parse
from surco.studio.holding import charged, session_of, studio_of
from surco.studio.sessions import Session, Song


async def asked(request: Request) -> Any:
    limit = studio_of(request).limits.request_bytes
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


async def answered(request: Request, function: Callable[..., Any], ask: Sound, *more: Any, **how: Any) -> Any:
    """What a worker makes of the song in the address, the question, the other songs in it, and `more`."""
    studio, session = charged(request)
    song, others = _songs(session, request.path_params["song"], ask)
    slot = request.headers.get("x-surco-slot")
    return await studio.line.ask(
        function, song, ask, others, *more, session=session.id, slot=slot and slot[:40],
        gone=request.is_disconnected, **how,
    )  # fmt: skip


async def sound(request: Request) -> Response:
    """One clip as a WAV."""
    data, told = await answered(request, sounds.sound, parse(Sound, await asked(request)))
    headers = {f"x-surco-{name}": f"{value:.6g}" for name, value in told.items()}
    return Response(data, media_type="audio/wav", headers=headers)


async def measures(request: Request) -> Response:
    """How close a sound comes to the original."""
    ask = parse(Sound, await asked(request))
    return JSONResponse(await answered(request, sounds.measures, ask, late=True))


async def vector(request: Request) -> Response:
    """The dimensions of a clip."""
    return JSONResponse(await answered(request, sounds.vector, parse(Sound, await asked(request))))


async def file(request: Request) -> Response:
    """A song as a file to keep."""
    ask = parse(Export, await asked(request))
    data = await answered(request, saving.save, ask, heavy=True)
    song = session_of(request).song(request.path_params["song"])
    name = f"{as_file_name(Path(song.name).stem)}.{ask.format}"
    headers = {"content-disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}"}
    return Response(data, media_type=saving.MEDIA[ask.format], headers=headers)


ROUTES = [
    Route("/api/songs/{song}/sound", sound, methods=["POST"]),
    Route("/api/songs/{song}/measures", measures, methods=["POST"]),
    Route("/api/songs/{song}/vector", vector, methods=["POST"]),
    Route("/api/songs/{song}/file", file, methods=["POST"]),
]
