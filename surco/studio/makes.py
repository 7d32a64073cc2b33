"""New songs are asked for here, watched and cancelled; a worker makes them one after another."""

import asyncio
from dataclasses import dataclass
from typing import Any, Literal

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from surco.errors import InputError, sentence
from surco.studio import making
from surco.studio.answers import asked
from surco.studio.asks import Make, parse
from surco.studio.holding import Studio, charged, new_identity, session_of
from surco.studio.line import Superseded
from surco.studio.sessions import Gone, Session, Song, TooMuch

NOTED = 20  # songs of a session whose fate is remembered
State = Literal["making", "done", "failed", "cancelled"]


@dataclass
class Making:
    """A song on its way. `task` is held so that it is not forgotten."""

    task: asyncio.Task[None] | None = None
    state: State = "making"
    error: str = ""
    song: Song | None = None


async def begin(request: Request) -> Response:
    """Ask for a song; the answer is its id."""
    ask = parse(Make, await asked(request))
    studio, session = charged(request)
    studio.sessions.room_for_song(session)
    if sum(m.state == "making" for m in session.makes.values()) >= studio.limits.makes:
        raise TooMuch(f"{studio.limits.makes} songs of this page are being made; wait for one, or cancel it.")
    like = None if ask.like is None else session.song(ask.like)
    identity, found = new_identity(), Making()
    found.task = asyncio.create_task(_made(studio, session, identity, found, ask, like))
    session.makes[identity] = found
    while len(session.makes) > NOTED:
        session.makes.pop(next(i for i, m in session.makes.items() if m.state != "making"))
    return JSONResponse({"id": identity}, 202)


async def _made(
    studio: Studio, session: Session, identity: str, found: Making, ask: Make, like: Song | None
) -> None:
    session.opening += 1
    try:
        args = (session.folder, identity, ask, like)
        made = await studio.line.ask(making.make, *args, session=session.id, heavy=True)
        if found.state == "cancelled" or not session.folder.exists():
            making.discard(session.folder, identity)
            return
        found.song = studio.sessions.add(session, identity, original=True, **made)
        found.state = "done"
    except (making.Stopped, Superseded):
        found.state = "cancelled"
    except InputError as error:
        found.state, found.error = "failed", sentence(str(error))
    except Exception as error:  # of the worker; the page is told, and goes on
        found.state, found.error = "failed", sentence(f"The song could not be made: {error}")
    finally:
        session.opening -= 1
        making.clear(session.folder, identity)


def _found(request: Request) -> tuple[Session, str, Making]:
    session, identity = session_of(request), request.path_params["make"]
    if identity not in session.makes:
        raise Gone("No such song is being made.")
    return session, identity, session.makes[identity]


async def look(request: Request) -> Response:
    """How far a song is; the song itself once it is done."""
    session, identity, found = _found(request)
    share = making.share_of(session.folder, identity) if found.state == "making" else 1.0
    told: dict[str, Any] = {"state": found.state, "share": share, "error": found.error}
    if found.song is not None:
        told["song"] = found.song.told()
    return JSONResponse(told)


async def cancel(request: Request) -> Response:
    """A song is not wanted any more: the worker ends at its next step, at the first if it has not begun."""
    session, identity, found = _found(request)
    if found.state == "making":
        found.state = "cancelled"
        making.stop(session.folder, identity)
    return Response(status_code=204)


ROUTES = [
    Route("/api/make", begin, methods=["POST"]),
    Route("/api/make/{make}", look, methods=["GET"]),
    Route("/api/make/{make}", cancel, methods=["DELETE"]),
]
