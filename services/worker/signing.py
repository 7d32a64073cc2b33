"""The thread that signs the list of workers while the consumer lives, and hears that it shall drain."""

import logging
import os
import signal
import threading
from collections.abc import Callable

import redis

from services.queue.transport import PULSE
from services.settings import Settings
from services.worker.health import DRAIN, Vitals, mark_alive, name, sign

log = logging.getLogger("surco.worker")

DEAF = 5  # lease times without a sign of life of the loop, with Redis there, until the worker ends itself


class Signing(threading.Thread):
    """Signs every `seconds`; `vitals` tells what to sign with, `drain` and `end` act on the process."""

    def __init__(
        self,
        client: redis.Redis,
        settings: Settings,
        vitals: Callable[[], Vitals],
        *,
        drain: Callable[[], None],
        end: Callable[[], None] | None = None,
        silent: Callable[[], float] = PULSE.silent,
    ):
        super().__init__(name="signing", daemon=True)
        self.client, self.settings, self.vitals = client, settings, vitals
        self._drain, self._silent = drain, silent
        self._end = end or (lambda: os.kill(os.getpid(), signal.SIGTERM))
        self.stop = threading.Event()
        self.draining = False
        self._ended = False

    def run(self) -> None:
        while True:
            self.turn()
            if self.stop.wait(min(self.settings.reconcile_seconds, 5.0)):
                return

    def turn(self) -> None:
        """Sign, or say why not; drain if told to. Never raises."""
        try:
            self._turn()
        except (redis.RedisError, OSError) as error:
            log.warning("The list of workers cannot be signed: %s", error)
        except Exception:
            log.exception("The list of workers cannot be signed.")

    def _turn(self) -> None:
        silent, lease = self._silent(), self.settings.lease_seconds
        if not self.draining and self.client.exists(f"{DRAIN}{name()}"):
            log.info("Draining: no new jobs; the worker ends after those it has.")
            self.draining = True
            self._drain()
        if silent < lease or self.draining:
            vitals = self.vitals()
            sign(self.client, vitals, self.settings)
            mark_alive(self.settings, vitals)
            return
        log.warning("The consumer has been silent for %.0f s; the list of workers is not signed.", silent)
        self.client.ping()
        if silent > DEAF * lease and not self._ended:
            log.error("Redis answers and the consumer does not: the worker ends.")
            self._ended = True
            self._end()
