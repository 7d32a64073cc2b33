"""Start the studio: a socket, workers, an address to open."""

import asyncio
import secrets
import socket
import webbrowser
from collections.abc import Callable, Sequence
from pathlib import Path

from surco.errors import InputError
from surco.studio.app import Extension, create_app
from surco.studio.guard import is_loopback
from surco.studio.limits import Limits
from surco.studio.line import Workers, cores

MOST_WORKERS = 16


def serve(
    *,
    host: str = "127.0.0.1",
    port: int = 8360,
    codec: Path | None = None,
    prior: Path | None = None,
    vectors: Path | None = None,
    workers: int = 0,
    root_path: str = "",
    hosts: Sequence[str] = (),
    extensions: Sequence[Extension] = (),
    limits: Limits | None = None,
    open_page: bool = False,
    say: Callable[[str], None] = print,
) -> None:
    """Serve the studio until it is interrupted.

    host : where it listens; beyond loopback its address holds a token, made anew at every start
    port : 0 takes any that is free
    codec : a codec's file; the shipped one without it
    vectors : the vectors of a data set for the map, of the same codec; the shipped clips without it
    prior : a prior of bars, for new songs; the shipped one without it
    workers : worker processes; 0 is one a core
    root_path : the path under which a proxy shows it
    hosts : names by which it may be asked, beside localhost

    Raises InputError where it cannot listen, or the codec cannot be read.
    """
    import uvicorn

    if codec is not None:
        from surco.codec import Codec

        Codec.load(codec)  # a bad file is told before anything starts
    if prior is not None:
        from surco.prior.bars import BarPrior

        BarPrior.load(prior)
    listening = listen(host, port)
    bound = listening.getsockname()[1]
    token = "" if is_loopback(host) else secrets.token_urlsafe(24)
    root = "/" + root_path.strip("/") if root_path.strip("/") else ""
    count = min(workers or cores(), MOST_WORKERS)
    app = create_app(
        lambda: Workers(count, *(None if path is None else str(path) for path in (codec, prior))),
        count, limits=limits, token=token, hosts=hosts, extensions=extensions,
        vectors=vectors,
    )  # fmt: skip
    config = uvicorn.Config(app, root_path=root, log_level="warning", server_header=False, access_log=False)
    server = uvicorn.Server(config)
    everywhere = host in ("0.0.0.0", "::")
    names = [socket.gethostname(), "127.0.0.1"] if everywhere else [f"[{host}]" if ":" in host else host]
    asked = f"?token={token}" if token else ""
    address, *others = (f"http://{name}:{bound}{root}/{asked}" for name in names)

    async def run() -> None:
        serving = asyncio.create_task(server.serve([listening]))
        while not server.started and not serving.done():
            await asyncio.sleep(0.05)
        if server.started:
            say(" or ".join([f"The studio is at {address}", *others]))
            if open_page:
                webbrowser.open(address)
        await serving

    try:
        asyncio.run(run())
    finally:
        listening.close()


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there; InputError where it cannot."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        # named as TCP, asyncio sends at once; else the end of an answer waits 40 ms for the client
        made = socket.socket(family, kind, protocol or socket.IPPROTO_TCP)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(
            f"The studio cannot listen at {host}:{port} ({reason}); choose another --port."
        ) from None
    made.listen(128)
    return made
