"""Sessions: whose song is whose. A song is two plain files in a private folder that goes with its session."""

import fcntl
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from surco.errors import InputError, plain
from surco.studio.limits import Limits

PREFIX = "surco-studio-"
RATE = 22_050
TOLD = ("genre", "tempo", "key", "seed")  # of a song that was made


class Gone(InputError):
    """There is no such session, or no such song in it."""


class TooMuch(InputError):
    """A limit was met; later, or after something was removed, it may go."""


@dataclass(frozen=True)
class Song:
    """A song of a session: where its wave (int16) and its vectors (n, size; float32) lie."""

    id: str
    name: str
    folder: Path
    samples: int
    clips: int
    size: int  # dimensions of each vector
    original: bool  # whether there is a wave, or vectors alone
    gains: tuple[float, ...] = ()  # loudness of each clip, dB
    made: dict[str, Any] = field(default_factory=dict, hash=False)  # of a song from the prior: what it is

    @property
    def wave(self) -> Path:
        return self.folder / f"{self.id}.pcm"

    @property
    def vectors(self) -> Path:
        return self.folder / f"{self.id}.f32"

    def told(self) -> dict[str, object]:
        """What the page is told of it."""
        return {
            "id": self.id,
            "name": self.name,
            "seconds": self.samples / RATE,
            "clips": self.clips,
            "size": self.size,
            "original": self.original,
            "gains": self.gains,
            "made": {name: self.made[name] for name in TOLD if name in self.made} or None,
        }


@dataclass
class Session:
    """One open page. `touched` is when it last asked for anything."""

    id: str
    folder: Path
    touched: float
    songs: dict[str, Song] = field(default_factory=dict)
    opening: int = 0  # songs that are being read or made
    commons: dict[str, Song] = field(default_factory=dict)  # songs that every page may ask for
    makes: dict[str, Any] = field(default_factory=dict)  # new songs that were asked for, by id
    _allowance: float = 0.0
    _refilled: float = 0.0

    def song(self, identity: str) -> Song:
        """A song of this session."""
        found = self.songs.get(identity) or self.commons.get(identity)
        if found is None:
            raise Gone("This song is not open any more; open its file again.")
        return found

    def charge(self, per_minute: int, now: float) -> None:
        """Count one question; TooMuch where there were too many of late (a token bucket of one minute)."""
        if not self._refilled:
            self._allowance, self._refilled = float(per_minute), now
        gained = (now - self._refilled) * per_minute / 60
        self._allowance, self._refilled = min(float(per_minute), self._allowance + gained), now
        if self._allowance < 1:
            raise TooMuch(f"This page asked for more than {per_minute} sounds in a minute; wait a little.")
        self._allowance -= 1


class Sessions:
    """All sessions of a server, in one folder that only its user may read and that ends with the server."""

    def __init__(self, limits: Limits, *, clock: Callable[[], float] = time.monotonic):
        self.limits, self._clock = limits, clock
        remove_orphans()
        self.root = Path(tempfile.mkdtemp(prefix=PREFIX))  # mode 0700
        self._lock = (self.root / "lock").open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._all: dict[str, Session] = {}
        self.commons: dict[str, Song] = {}  # the points of the map

    def __len__(self) -> int:
        return len(self._all)

    def create(self) -> Session:
        """A new session."""
        self.forget_idle()
        if len(self._all) >= self.limits.sessions:
            raise TooMuch(f"{len(self._all)} pages are open, and no more are taken; close one of them.")
        identity = secrets.token_urlsafe(18)
        folder = self.root / secrets.token_hex(8)
        folder.mkdir(mode=0o700)
        session = Session(identity, folder, self._clock(), commons=self.commons)
        self._all[identity] = session
        return session

    def get(self, identity: str) -> Session:
        """The session of that id, which is in use from now on for `idle_seconds`."""
        session = self._all.get(identity)
        if session is None:
            raise Gone("This page has been idle for too long or its server was started anew; reload it.")
        session.touched = self._clock()
        return session

    def charge(self, session: Session) -> None:
        """Count one question of a session against its limit."""
        session.charge(self.limits.asked_per_minute, self._clock())

    def room_for_song(self, session: Session) -> None:
        """TooMuch where a session, or all together, hold as much as they may."""
        if len(session.songs) + session.opening >= self.limits.songs:
            raise TooMuch(f"A page holds {self.limits.songs} songs at most; remove one first.")
        held = sum(song.samples for s in self._all.values() for song in s.songs.values()) / RATE
        if held >= self.limits.held_seconds:
            raise TooMuch("The studio holds as much sound as it may; close other pages first.")

    def add(
        self,
        session: Session,
        identity: str,
        name: str,
        *,
        samples: int,
        clips: int,
        size: int,
        original: bool,
        gains: Iterable[float] = (),
        made: dict[str, Any] | None = None,
    ) -> Song:
        """Keep a song whose files lie in the session's folder."""
        shown = plain(name)[:200].strip() or "?"
        song = Song(identity, shown, session.folder, samples, clips, size, original, tuple(gains), made or {})
        session.songs[identity] = song
        return song

    def remove(self, session: Session, identity: str) -> None:
        """Forget a song, files and all."""
        song = session.song(identity)
        if session.songs.pop(identity, None) is None:
            return  # of the map: it stays
        for path in (song.wave, song.vectors):
            path.unlink(missing_ok=True)

    def drop(self, identity: str) -> None:
        """End a session: everything of it is gone. One that is not there is no error."""
        session = self._all.pop(identity, None)
        if session is not None:
            shutil.rmtree(session.folder, ignore_errors=True)

    def forget_idle(self) -> list[str]:
        """Drop what nobody has asked for in `idle_seconds`; returns the ids."""
        limit = self._clock() - self.limits.idle_seconds
        gone = [s.id for s in self._all.values() if s.touched < limit]
        for identity in gone:
            self.drop(identity)
        return gone

    def close(self) -> None:
        """End all of them and remove the folder."""
        self._all.clear()
        shutil.rmtree(self.root, ignore_errors=True)
        self._lock.close()


def remove_orphans() -> None:
    """Remove the folders of studios that were killed: ours, and locked by nobody any more."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        try:
            if folder.is_symlink() or folder.stat().st_uid != os.getuid():
                continue
            with (folder / "lock").open("r+") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            continue
