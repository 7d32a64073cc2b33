"""The map is asked for here: laid out once a server, when the first page wants it."""

import asyncio
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from surco.studio import atlas
from surco.studio.answers import answered, asked
from surco.studio.asks import Sound, parse
from surco.studio.holding import Studio, charged, session_of, studio_of
from surco.studio.sessions import RATE, Song


class Atlas:
    """What the pages are told of the map, once it is laid out."""

    def __init__(self, vectors: Path | None):
        self.vectors = vectors
        self.folder: Path | None = None
        self._told: dict[str, Any] = {}
        self._busy = asyncio.Lock()

    async def of(self, studio: Studio, session: str) -> dict[str, Any]:
        """The map; its points become songs that every page may ask for."""
        async with self._busy:
            if not self._told:
                folder = studio.sessions.root / "map"
                made = await studio.line.ask(atlas.build, folder, self.vectors, session=session, heavy=True)
                points: list[atlas.Point] = made["points"]
                for p in points:
                    studio.sessions.commons[p.id] = Song(
                        p.id, p.name, folder, 5 * RATE, 1, made["size"], p.original, tuple(p.gains)
                    )
                told = [{**p._asdict(), "song": studio.sessions.commons[p.id].told()} for p in points]
                self._told = {"points": told, "shipped": self.vectors is None}
                self.folder = folder
        return self._told


async def look(request: Request) -> Response:
    """The points of the map."""
    studio, session = charged(request)
    return JSONResponse(await request.app.state.atlas.of(studio, session.id))


async def stand(request: Request) -> Response:
    """Where a clip, as it is edited, stands on the map."""
    studio, session = studio_of(request), session_of(request)
    await request.app.state.atlas.of(studio, session.id)
    ask = parse(Sound, await asked(request))
    return JSONResponse(await answered(request, atlas.place, ask, request.app.state.atlas.folder))


ROUTES = [
    Route("/api/map", look, methods=["GET"]),
    Route("/api/songs/{song}/place", stand, methods=["POST"]),
]
