"""What one studio takes before it says no."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Bounds of uploads, sessions and work; each is told in a sentence where it is met."""

    upload_bytes: int = 150_000_000
    song_seconds: float = 15 * 60.0
    songs: int = 8  # of a session
    sessions: int = 40
    makes: int = 2  # new songs of a session that are not done
    held_seconds: float = 6 * 3600.0  # of sound, all sessions together: 1 GB on disk
    idle_seconds: float = 30 * 60.0  # after which a session that nobody asks is gone
    request_bytes: int = 200_000  # of a question in JSON
    waiting: int = 128  # questions that wait for a worker, all sessions together
    waiting_session: int = 16
    asked_per_minute: int = 1_500  # sounds, measures and files of a session: 25 a second
    work_seconds: float = 90.0  # after which a worker is stopped
