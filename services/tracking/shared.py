"""What the senders of all machines share in Redis: whose turn a run is, which run is the one, and what the
ledger says of a job."""

import uuid
from typing import Any

from services.queue.ledger import CANCELLED, DEAD, DONE, ENDED, SKIPPED, Ledger

DAY = 86_400
CLAIM_SECONDS = 30 * DAY  # after that the run is found by its tag
TURN_SECONDS = 60  # longer than any one request to MLflow may take

_STATUS = {DONE: "FINISHED", DEAD: "FAILED", CANCELLED: "KILLED", SKIPPED: "KILLED"}

# 2: the turn is ours, and another's (or nobody's) was the last; 1: it is ours again; 0: it is another's
_TURN = """
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
local last = redis.call('GET', KEYS[2])
redis.call('SET', KEYS[2], ARGV[1], 'EX', ARGV[3])
if last == ARGV[1] then return 1 end
return 2
"""
_FORGET = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"


class Busy(Exception):
    """Another sender has its turn; come again."""


class Shared:
    """One sender's view. A subject is a job's id, or a sweep's for what speaks on the sweep's run."""

    def __init__(self, ledger: Ledger):
        self.ledger = ledger
        self.redis: Any = ledger.redis
        self.owner = uuid.uuid4().hex
        self._turn = self.redis.register_script(_TURN)
        self._forget = self.redis.register_script(_FORGET)

    # -- turns ---------------------------------------------------------------------------------

    def take_turn(self, what: str, seconds: float = TURN_SECONDS) -> bool:
        """Have the only right to `what` until `end_turn`, or for so long; raises `Busy` where another has it.

        True where the last turn was not ours: then nothing that we knew of it holds any more.
        """
        keys = [f"surco:tracking:turn:{what}", f"surco:tracking:last:{what}"]
        got = self._turn(keys=keys, args=[self.owner, int(seconds * 1000), DAY])
        if not got:
            raise Busy(f"another sender is at {what[:40]}")
        return int(got) == 2

    def end_turn(self, what: str) -> None:
        self._forget(keys=[f"surco:tracking:turn:{what}"], args=[self.owner])

    # -- runs ----------------------------------------------------------------------------------

    def claimed(self, subject: str) -> str:
        """Id of the subject's run, "" where none is claimed."""
        return self.redis.get(f"surco:tracking:run:{subject}") or ""

    def claim(self, subject: str, run: str) -> str:
        """Claim a run for the subject; returns the run that is claimed, which the first claim decides."""
        key = f"surco:tracking:run:{subject}"
        self.redis.set(key, run, nx=True, ex=CLAIM_SECONDS)
        return self.redis.get(key) or run

    def forget(self, subject: str, run: str) -> None:
        """Give up a claim, if it is still this one."""
        self._forget(keys=[f"surco:tracking:run:{subject}"], args=[run])

    # -- the ledger ----------------------------------------------------------------------------

    def job_status(self, job: str) -> str:
        """The status of a run that the job's state asks for: RUNNING until it has ended; "" if unknown."""
        state = self.ledger.states([job]).get(job)
        return _STATUS.get(state, "RUNNING") if state else ""

    def sweep_status(self, sweep: str) -> str:
        """RUNNING until all jobs have ended; FINISHED if all are done, FAILED if one is dead, else KILLED."""
        row = self.ledger.sweep(sweep)
        if row is None:
            return ""
        states = self.ledger.states(row["jobs"])
        found = set(states.values())
        whole = len(states) == len(set(row["jobs"])) and not self.ledger.grows(sweep)
        if not whole or not ENDED.issuperset(found):
            return "RUNNING"
        return _STATUS[DONE if found == {DONE} else DEAD if DEAD in found else CANCELLED]
