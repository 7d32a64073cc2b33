"""The line before the workers: short, fair, and without what nobody wants to hear any more.

Workers are processes, one a core: they code side by side without Python's lock, and a file that brings its
reader down takes neither the server nor another's song along. What they are asked waits here, not in the
pool, so that it can be dropped: a page that moves its slider on asks in the same *slot*, and the newer
question takes the place of the older one that has not begun. The page that was served longest ago comes
first.
"""

import asyncio
import itertools
import multiprocessing
import os
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Protocol

from surco.errors import InputError
from surco.studio.limits import Limits
from surco.studio.sessions import TooMuch

LOOK_SECONDS = 0.25  # between two looks whether the one who asked is still there


class Superseded(Exception):
    """A newer question took this one's place, or nobody waits for its answer."""


class Pool(Protocol):
    """What runs functions in workers."""

    def run(self, function: Callable[..., Any], args: tuple[Any, ...], seconds: float) -> Future[Any]: ...

    def close(self) -> None: ...


class Workers:
    """Worker processes with a warm codec; one that dies, or works for too long, is replaced."""

    def __init__(self, count: int, codec: str | None = None, prior: str | None = None):
        from pebble import ProcessPool

        from surco.studio import material

        self._pool = ProcessPool(
            count,
            initializer=material.start,
            initargs=(codec, prior),
            context=multiprocessing.get_context("spawn"),
        )

    def run(self, function: Callable[..., Any], args: tuple[Any, ...], seconds: float) -> Future[Any]:
        """Schedule a function; the future holds its result."""
        return self._pool.schedule(function, args=args, timeout=seconds)

    def close(self) -> None:
        """Stop them, whatever they do."""
        self._pool.stop()
        self._pool.join()


@dataclass
class _Ticket:
    function: Callable[..., Any]
    args: tuple[Any, ...]
    session: str
    slot: str | None
    heavy: bool
    late: bool
    number: int
    answer: asyncio.Future[Any] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Line:
    """Questions to a pool of `workers`, some at a time; the rest wait, up to the limits."""

    def __init__(self, pool: Pool, workers: int, limits: Limits):
        self.pool, self.workers, self.limits = pool, workers, limits
        self.superseded = 0  # questions dropped before they began
        self._waiting: list[_Ticket] = []
        self._running: set[int] = set()
        self._heavy: set[int] = set()
        self._served: dict[str, int] = {}  # when each session was served last, by number
        self._numbers = itertools.count(1)

    @property
    def waiting(self) -> int:
        """How many questions wait."""
        return len(self._waiting)

    async def ask(
        self,
        function: Callable[..., Any],
        *args: Any,
        session: str = "",
        slot: str | None = None,
        heavy: bool = False,
        late: bool = False,
        gone: Callable[[], Awaitable[bool]] | None = None,
    ) -> Any:
        """What a worker answers.

        slot : an older question of the session in the same slot that still waits is dropped
        heavy : takes seconds; a worker is kept free of those
        late : goes behind all that is not
        gone : whether the one who asked has left

        Raises Superseded where the question was dropped, TooMuch where too many wait, InputError where the
        worker died or took too long, and what the function raises.
        """
        if slot is not None:
            self._drop([t for t in self._waiting if (t.session, t.slot) == (session, slot)])
        mine = sum(t.session == session for t in self._waiting)
        if len(self._waiting) >= self.limits.waiting or mine >= self.limits.waiting_session:
            raise TooMuch("The studio has more to do than it can; try again in a moment.")
        ticket = _Ticket(function, args, session, slot, heavy, late, next(self._numbers))
        self._waiting.append(ticket)
        self._pump()
        try:
            while not ticket.answer.done():
                await asyncio.wait({ticket.answer}, timeout=LOOK_SECONDS if gone else None)
                if not ticket.answer.done() and gone is not None and await gone():
                    self._drop([ticket])
                    raise Superseded
            return ticket.answer.result()
        except asyncio.CancelledError:
            self._drop([ticket])
            raise

    def forget(self, session: str) -> None:
        """Drop what a session that ended has in the line."""
        self._drop([t for t in self._waiting if t.session == session])
        self._served.pop(session, None)

    def close(self) -> None:
        """Drop all, and stop the workers."""
        self._drop(list(self._waiting))
        self.pool.close()

    def _drop(self, tickets: list[_Ticket]) -> None:
        for ticket in tickets:
            if ticket in self._waiting:
                self._waiting.remove(ticket)
                self.superseded += 1
                if not ticket.answer.done():
                    ticket.answer.set_exception(Superseded())
                    ticket.answer.exception()  # asked for, so that nobody warns of it

    def _pump(self) -> None:
        while len(self._running) < self.workers:
            room = len(self._heavy) < max(1, self.workers - 1)
            ready = [t for t in self._waiting if room or not t.heavy]
            if not ready:
                return
            ticket = min(ready, key=lambda t: (t.late, self._served.get(t.session, 0), t.number))
            self._waiting.remove(ticket)
            self._start(ticket)

    def _start(self, ticket: _Ticket) -> None:
        loop = asyncio.get_running_loop()
        self._running.add(ticket.number)
        self._served[ticket.session] = next(self._numbers)
        if ticket.heavy:
            self._heavy.add(ticket.number)

        def ended(future: Future[Any]) -> None:
            self._running.discard(ticket.number)
            self._heavy.discard(ticket.number)
            if not ticket.answer.done():
                error = _told(future)
                if error is None:
                    ticket.answer.set_result(future.result())
                else:
                    ticket.answer.set_exception(error)
                    ticket.answer.exception()
            self._pump()

        def called_back(future: Future[Any]) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(ended, future)

        self.pool.run(ticket.function, ticket.args, self.limits.work_seconds).add_done_callback(called_back)


def _told(future: Future[Any]) -> BaseException | None:
    """The error of a future, as the one who asked is told it."""
    if future.cancelled():
        return Superseded()
    error = future.exception()
    if isinstance(error, TimeoutError):
        return InputError("This took too long and was stopped; take a shorter song, or less of it.")
    if type(error).__name__ == "ProcessExpired":
        return InputError("This brought down the worker that did it; convert the file to WAV and try again.")
    return error


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
