"""The line before the studio's workers, and the sessions' files."""

import asyncio
import os
import tempfile
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from surco.errors import InputError
from surco.studio import material
from surco.studio.limits import Limits
from surco.studio.line import Line, Superseded, Workers
from surco.studio.sessions import PREFIX, Gone, Sessions, TooMuch


class Hand:
    """A pool whose work ends when the test says so: every interleaving can be forced."""

    def __init__(self) -> None:
        self.begun: list[tuple[str, Future[Any]]] = []
        self.closed = False

    def run(self, function: Any, args: tuple[Any, ...], seconds: float) -> Future[Any]:
        future: Future[Any] = Future()
        self.begun.append((args[0], future))
        return future

    def close(self) -> None:
        self.closed = True

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.begun]

    async def end(self, name: str) -> None:
        dict(self.begun)[name].set_result(name)
        await settle()


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def asked(line: Line, name: str, **how: Any) -> asyncio.Task[Any]:
    return asyncio.create_task(line.ask(print, name, **how))


def test_a_newer_question_takes_the_place_of_one_that_waits() -> None:
    async def scene() -> None:
        pool = Hand()
        line = Line(pool, 1, Limits())
        first = asked(line, "first", session="a", slot="sound")
        await settle()
        second = asked(line, "second", session="a", slot="sound")
        elsewhere = asked(line, "elsewhere", session="a", slot="measures")
        await settle()
        third = asked(line, "third", session="a", slot="sound")
        await settle()
        with pytest.raises(Superseded):
            await second
        assert (pool.names, line.waiting, line.superseded) == (["first"], 2, 1)
        for name in ("first", "elsewhere", "third"):
            await pool.end(name)
        assert [await first, await elsewhere, await third] == ["first", "elsewhere", "third"]

    asyncio.run(scene())


def test_the_page_served_longest_ago_comes_first() -> None:
    async def scene() -> None:
        pool = Hand()
        line = Line(pool, 1, Limits())
        tasks = [asked(line, f"a{i}", session="a") for i in range(3)]
        await settle()
        tasks += [asked(line, "late", session="b", late=True), asked(line, "b0", session="b")]
        await settle()
        for name in ("a0", "b0", "a1", "a2", "late"):
            assert pool.names[-1] == name
            await pool.end(name)
        await asyncio.gather(*tasks)

    asyncio.run(scene())


def test_a_worker_is_kept_free_of_long_work() -> None:
    async def scene() -> None:
        pool = Hand()
        line = Line(pool, 2, Limits())
        tasks = [asked(line, "song", heavy=True), asked(line, "other song", heavy=True), asked(line, "sound")]
        await settle()
        assert pool.names == ["song", "sound"]
        for name in ("sound", "song", "other song"):
            await pool.end(name)
        await asyncio.gather(*tasks)

    asyncio.run(scene())


def test_who_leaves_is_not_worked_for() -> None:
    async def scene() -> None:
        pool = Hand()
        line = Line(pool, 1, Limits())
        left = asyncio.Event()

        async def gone() -> bool:
            return left.is_set()

        first = asked(line, "first")
        waits = asked(line, "waits", gone=gone)
        await settle()
        left.set()
        with pytest.raises(Superseded):
            await waits
        cancelled = asked(line, "cancelled")
        await settle()
        cancelled.cancel()
        await settle()
        line.forget("")
        await pool.end("first")
        assert await first == "first" and pool.names == ["first"] and line.waiting == 0

    asyncio.run(scene())


def test_the_line_is_bounded() -> None:
    async def scene() -> None:
        pool = Hand()
        line = Line(pool, 1, Limits(waiting=3, waiting_session=2))
        tasks = [asked(line, f"a{i}", session="a") for i in range(3)]
        await settle()
        with pytest.raises(TooMuch):
            await line.ask(print, "one too many", session="a")
        tasks.append(asked(line, "b", session="b"))
        await settle()
        with pytest.raises(TooMuch):
            await line.ask(print, "one too many", session="c")
        line.close()
        assert pool.closed and line.waiting == 0
        found = await asyncio.gather(*tasks[1:], return_exceptions=True)
        assert all(isinstance(x, Superseded) for x in found)
        await pool.end("a0")

    asyncio.run(scene())


@pytest.mark.slow
def test_a_worker_that_dies_or_hangs_is_told_and_replaced() -> None:
    import time

    async def scene() -> None:
        line = Line(Workers(1), 1, Limits(work_seconds=250))
        try:
            assert (await line.ask(material.facts))["size"] == 2048
            with pytest.raises(InputError, match="brought down"):
                await line.ask(os._exit, 3)
            line.limits = Limits(work_seconds=0.5)
            with pytest.raises(InputError, match="too long"):
                await line.ask(time.sleep, 50)
            line.limits = Limits(work_seconds=250)
            assert (await line.ask(material.facts))["size"] == 2048
        finally:
            line.close()

    asyncio.run(scene())


# -- sessions --------------------------------------------------------------------------------------


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_idle_sessions_go(temporary: Path) -> None:
    now = [0.0]
    sessions = Sessions(Limits(idle_seconds=10), clock=lambda: now[0])
    one, two = sessions.create(), sessions.create()
    now[0] = 8
    sessions.get(two.id)
    now[0] = 15
    assert sessions.forget_idle() == [one.id]
    assert not one.folder.exists() and two.folder.exists()
    with pytest.raises(Gone):
        sessions.get(one.id)
    sessions.close()
    assert not list(temporary.iterdir())


def test_the_allowance_comes_back_with_time(temporary: Path) -> None:
    now = [100.0]
    sessions = Sessions(Limits(asked_per_minute=60), clock=lambda: now[0])
    session = sessions.create()
    for _ in range(60):
        sessions.charge(session)
    with pytest.raises(TooMuch):
        sessions.charge(session)
    now[0] += 1.1
    sessions.charge(session)
    sessions.close()


def test_what_a_killed_studio_left_goes_and_what_a_running_one_holds_stays(temporary: Path) -> None:
    running = Sessions(Limits())
    left = temporary / f"{PREFIX}left"
    left.mkdir()
    (left / "lock").write_text("")
    (left / "song.pcm").write_bytes(b"sound")
    foreign = temporary / f"{PREFIX}foreign"
    foreign.mkdir()  # without a lock it is nobody's that we know
    link = temporary / f"{PREFIX}link"
    link.symlink_to(foreign)
    again = Sessions(Limits())
    assert not left.exists() and running.root.exists() and foreign.exists() and link.exists()
    running.close()
    again.close()


def test_sound_that_is_held_is_bounded(temporary: Path) -> None:
    sessions = Sessions(Limits(held_seconds=10))
    session = sessions.create()
    sessions.room_for_song(session)
    sessions.add(session, "a", "a", samples=11 * 22_050, clips=3, size=2048, original=True)
    with pytest.raises(TooMuch):
        sessions.room_for_song(session)
    sessions.remove(session, "a")
    sessions.room_for_song(session)
    sessions.close()
