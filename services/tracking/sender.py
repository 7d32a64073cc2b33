"""The sender: carries this machine's outboxes to MLflow, in the worker's main process."""

import logging
import threading
import time
from pathlib import Path
from typing import Any

import redis
import urllib3
from pydantic import ValidationError

from services.queue.connection import connect
from services.queue.ledger import Ledger
from services.settings import Settings
from services.tracking.attempts import Attempt, aside, attempts
from services.tracking.delivery import Delivery
from services.tracking.mlflow_client import open_client
from services.tracking.runs import Runs
from services.tracking.shared import Busy, Shared

log = logging.getLogger("surco.tracking")

FLUSH_SECONDS = 2.0
RECONCILE_SECONDS = 20.0


class Sender(threading.Thread):
    """One round every two seconds; one outbox that cannot be carried keeps no other from it.

    Args:
        settings: where MLflow, Redis and the outboxes are.
        client: an `MlflowClient`; without one, one is opened on the server of the settings.
        connection: to Redis; without one, one is opened.
    """

    def __init__(self, settings: Settings, *, client: Any = None, connection: redis.Redis | None = None):
        super().__init__(name="sender", daemon=True)
        self.settings = settings
        self.stop = threading.Event()
        self._client = client
        self._given = client is not None
        self._shared = Shared(Ledger(connection or connect(settings), _no_messages))
        self._runs: Runs | None = None
        self._deliveries: dict[Path, Delivery] = {}
        self._reconciled = time.monotonic()

    def run(self) -> None:
        while not self.stop.wait(FLUSH_SECONDS):
            try:
                self.send_all()
                if time.monotonic() - self._reconciled > RECONCILE_SECONDS:
                    self._reconciled = time.monotonic()
                    self.reconcile()
            except Exception as error:  # whatever MLflow, Redis and the network raise: the next round tries
                log.info("MLflow has not taken everything yet: %s", _line(error))

    def send_all(self) -> None:
        """One round over all outboxes; an attempt that is over and told is taken away."""
        waiting = [attempt for job in sorted(self.settings.outbox.glob("*")) for attempt in _attempts(job)]
        if not waiting or not self._reachable():
            return
        for attempt in waiting:
            try:
                with attempt.alone() as mine:
                    if mine:
                        self._send(attempt)
            except Busy:
                self._deliveries.pop(attempt.root, None)
            except FileNotFoundError as error:  # another sender of this machine took it away
                self._deliveries.pop(attempt.root, None)
                log.debug("An outbox is gone: %s", error)
            except Exception as error:  # whatever MLflow, Redis and the network raise: the next round tries
                self._deliveries.pop(attempt.root, None)
                log.info("MLflow has not taken all of %s yet: %s", attempt.job[:12], _line(error))

    def reconcile(self) -> int:
        """Bring the status of runs in line with the ledger; one sender of all machines at a time."""
        if not self._reachable():
            return 0
        try:
            self._shared.take_turn("reconcile", RECONCILE_SECONDS)
        except Busy:
            return 0
        return self._open_runs().reconcile()

    def _send(self, attempt: Attempt) -> None:
        over = not attempt.writer_lives()  # asked first: what is read after it is all there will be
        entries = attempt.entries(over=over)
        if not entries and not over:
            return
        delivery = self._deliveries.get(attempt.root)
        if delivery is None:
            try:
                head = attempt.head
            except (ValidationError, OSError) as error:
                self._set_aside(attempt, error)
                return
            delivery = Delivery(self._open_runs(), head)
            delivery.begin()
            self._deliveries[attempt.root] = delivery
        while entries:
            delivery.carry(attempt, entries)
            entries = attempt.entries(over=over)
        if over:
            delivery.end(attempt)
            del self._deliveries[attempt.root]
            attempt.remove()
        delivery.rest()

    def _set_aside(self, attempt: Attempt, error: Exception) -> None:
        """An attempt that doesn't tell whose it is: kept whole, out of the way."""
        log.warning("An outbox of job %s is put aside: %s", attempt.job[:12], _line(error))
        target = aside(attempt.root) / f"{attempt.job[:64]}-{attempt.root.name}"
        target.parent.mkdir(parents=True, exist_ok=True)
        attempt.root.rename(target)

    def _open_runs(self) -> Runs:
        if self._runs is None:
            if self._client is None:
                self._client = open_client(self.settings)
            self._runs = Runs(self._client, self.settings.mlflow_experiment, self._shared)
        return self._runs

    def _reachable(self) -> bool:
        return self._given or answers(self.settings.mlflow_url)


def answers(url: str) -> bool:
    """Whether an MLflow server is there, asked without MLflow's own patience."""
    try:
        return bool(urllib3.request("GET", f"{url}/health", timeout=3.0, retries=False).status == 200)
    except urllib3.exceptions.HTTPError:
        return False


def _attempts(job: Path) -> list[Attempt]:
    try:
        return attempts(job)
    except OSError:
        return []


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def _no_messages(_: object) -> None:
    raise RuntimeError("the sender only reads the ledger")
