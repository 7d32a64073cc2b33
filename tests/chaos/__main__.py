"""`python -m tests.chaos --seed 1 --minutes 10`: faults at random, then every promise is checked.

Ends in one line, `faults N, jobs M, violations K`, and with exit code 1 where K is not 0. The seed decides
which faults are tried in which order; what they hit depends on the machine's own timing.
"""

import argparse
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import redis
from kombu.exceptions import KombuError

from services.errors import ServerDown
from tests.chaos.faults import FAULTS
from tests.chaos.field import Field
from tests.chaos.invariants import settle, violations

STOP_LIMIT = 75.0  # seconds in which a worker told to stop must be gone: grace 30 s, and what Celery adds


def campaign(
    folder: Path, seed: int, *, minutes: float, faults: int, trainings: int, pause: float = 0.8
) -> tuple[int, int, list[str]]:
    """Run a campaign until time or number of faults is reached; faults, jobs, broken promises."""
    rng = random.Random(seed)
    names, weights = list(FAULTS), [weight for weight, _ in FAULTS.values()]
    broken: list[str] = []
    counted: Counter[str] = Counter()
    with Field.prepared(folder, seed, trainings) as field:
        started = time.monotonic()
        while time.monotonic() - started < 60 * minutes and counted.total() < faults:
            name = rng.choices(names, weights)[0]
            try:
                field.feed(rng)
                said = FAULTS[name][1](field, rng)
            except (ServerDown, redis.RedisError, KombuError) as error:
                said = ""  # a server is away by an earlier fault
                print(f"    ({name}: {str(error)[:80]})", flush=True)
            if said:
                counted[name] += 1
                print(f"{time.monotonic() - started:6.0f} s  {counted.total():4d}  {said}", flush=True)
            broken += _slow_stops(field)
            if rng.random() < 0.5:
                field.mend()
            time.sleep(rng.uniform(0, 2 * pause))
        print("healing, then waiting for every job to end", flush=True)
        _healed(field)
        broken += settle(field, seconds=600)
        broken += list(violations(field))
        jobs = len(field.submitted)
    for name, number in counted.most_common():
        print(f"{number:5d}  {name}")
    for line in broken:
        print(f"VIOLATION: {line}")
    return counted.total(), jobs, broken


def _slow_stops(field: Field) -> list[str]:
    found = []
    for worker in field.workers:
        since = worker.stopping_since
        if since is not None and worker.alive and time.monotonic() - since > STOP_LIMIT:
            found.append(f"{worker.name} did not end within {STOP_LIMIT:.0f} s of SIGTERM")
            worker.kill()
        if since is not None and not worker.alive:
            worker.stopping_since = None
    return found


def _healed(field: Field) -> None:
    for _ in range(20):
        try:
            time.sleep(8)  # the timers of faults under way run out
            field.heal()
            return
        except (ServerDown, redis.RedisError, KombuError, OSError) as error:
            print(f"    (healing: {str(error)[:80]})", flush=True)
    raise SystemExit("The servers do not come back; see the logs in the campaign's folder.")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=10, help="at most so long, before the checks")
    parser.add_argument("--faults", type=int, default=500, help="at most so many")
    parser.add_argument("--trainings", type=int, default=6)
    parser.add_argument("--keep", type=Path, help="folder to work in, which is kept")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # whoever stops a campaign leaves no servers behind
    folder = given.keep or Path(tempfile.mkdtemp(prefix="surco-chaos-"))
    faults, jobs, broken = campaign(
        folder.absolute(), given.seed, minutes=given.minutes, faults=given.faults, trainings=given.trainings
    )
    if not given.keep and not broken:
        shutil.rmtree(folder, ignore_errors=True)
    elif broken:
        print(f"logs are kept in {folder}")
    print(f"faults {faults}, jobs {jobs}, violations {len(broken)}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
