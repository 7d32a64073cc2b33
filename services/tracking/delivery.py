"""How one attempt's entries reach its run: each is acknowledged after MLflow took it, and none is doubled.

A point is known by run, key and step. Which of them MLflow has is read from MLflow itself at first contact,
and anew after any failure, for a request whose answer was lost may have arrived.
"""

import logging
from typing import Any

import redis
import requests

from services.tracking.attempts import Attempt, Entry, Head
from services.tracking.runs import SOUNDS, Runs
from services.tracking.shared import Busy

log = logging.getLogger("surco.tracking")

MOST_POINTS, MOST_VALUES = 1000, 100  # MLflow's limits of one request


class Delivery:
    """The way from a job's attempts to its run. Whatever it raises, a new one starts from what MLflow has."""

    def __init__(self, runs: Runs, head: Head):
        self.runs, self.head, self.client = runs, head, runs.client
        self.subject = head.sweep if head.on_sweep and head.sweep else head.job
        runs.shared.take_turn(self.subject)
        self.run = runs.run_of(head)
        self._steps: dict[str, set[int]] = {}  # of each key, those that MLflow has

    def rest(self) -> None:
        """All that there is has been carried: another sender may have its turn.

        Not called after a failure. What was asked of MLflow then may still arrive, and the turn's own
        time passes before another sender reads what is there.
        """
        self.runs.shared.end_turn(self.subject)

    def begin(self) -> None:
        """The run goes on, if the ledger says so."""
        self.runs.settle(self.head, self.run)

    def carry(self, attempt: Attempt, entries: list[tuple[int, Entry]]) -> None:
        """Bring entries to MLflow in order and note each as taken once it is there."""
        batch: list[tuple[int, Entry]] = []
        points = 0
        for offset, entry in entries:
            count = len(entry.metrics) if entry.metrics is not None else 0
            if batch and (entry.metrics is None or points + count > MOST_POINTS):
                self._carry_points(attempt, batch)
                batch, points = [], 0
            if entry.metrics is None:
                self._carry_one(attempt, offset, entry)
            else:
                batch.append((offset, entry))
                points += count
        if batch:
            self._carry_points(attempt, batch)

    def end(self, attempt: Attempt) -> None:
        """Nothing more comes from this attempt: settle the status, and tell the sweep what it left."""
        told, pages = "", False
        for entry in attempt.everything():
            told = entry.end or told
            pages = pages or bool(entry.artifact and (self.head.on_sweep or entry.folder == SOUNDS))
        self.runs.settle(self.head, self.run, told)
        if pages and self.head.sweep:
            self.runs.describe(self.head.sweep)

    def _hold(self) -> None:
        """Keep the turn; where it had passed to another sender, what was read of the run counts no more."""
        if self.runs.shared.take_turn(self.subject):
            self._steps.clear()

    # -- points --------------------------------------------------------------------------------

    def _carry_points(self, attempt: Attempt, batch: list[tuple[int, Entry]]) -> None:
        self._hold()
        points = self._new_points([entry for _, entry in batch])
        try:
            for start in range(0, len(points), MOST_POINTS):
                self.client.log_batch(self.run, metrics=points[start : start + MOST_POINTS])
        except Exception as error:
            self._steps.clear()
            if not self._refused(error):
                raise
            self._carry_singly(attempt, [entry for _, entry in batch])
        else:
            for point in points:
                self._steps[point.key].add(point.step)
        attempt.take(batch[-1][0])

    def _new_points(self, entries: list[Entry]) -> list[Any]:
        from mlflow.entities import Metric

        points: dict[tuple[str, int], Any] = {}
        for entry in entries:
            for key, value in (entry.metrics or {}).items():
                if entry.step not in self._known_steps(key):
                    points.setdefault((key, entry.step), Metric(key, value, entry.t, entry.step))
        return list(points.values())

    def _known_steps(self, key: str) -> set[int]:
        if key not in self._steps:
            # The client reads a long history page by page.
            self._steps[key] = {m.step for m in self.client.get_metric_history(self.run, key)}
        return self._steps[key]

    def _carry_singly(self, attempt: Attempt, entries: list[Entry]) -> None:
        """Points of which MLflow refuses some for good: each alone, the refused ones put aside."""
        for entry in entries:
            for key, value in (entry.metrics or {}).items():
                single = entry.model_copy(update={"metrics": {key: value}})
                try:
                    for point in self._new_points([single]):
                        self.client.log_batch(self.run, metrics=[point])
                        self._steps[key].add(point.step)
                except Exception as error:
                    if not self._refused(error):
                        raise
                    attempt.put_aside(single.model_dump_json(exclude_none=True).encode(), error)

    # -- everything else -----------------------------------------------------------------------

    def _carry_one(self, attempt: Attempt, offset: int, entry: Entry) -> None:
        self._hold()
        for single in _parts(entry):
            try:
                self._tell(attempt, single)
            except Exception as error:
                if not self._refused(error):
                    raise
                attempt.put_aside(single.model_dump_json(exclude_none=True).encode(), error)
        attempt.take(offset)

    def _tell(self, attempt: Attempt, entry: Entry) -> None:
        from mlflow.entities import Param, RunTag

        path = attempt.root / entry.file
        if entry.file and not path.is_file():
            raise ValueError(f"its file {path.name} is gone")
        if entry.params is not None:
            # A parameter of MLflow never changes: the value a job was asked with stands.
            known = self.client.get_run(self.run).data.params
            params = [Param(k, v) for k, v in entry.params.items() if k not in known]
            if params:
                self.client.log_batch(self.run, params=params)
        elif entry.tags is not None:
            self.client.log_batch(self.run, tags=[RunTag(k, v) for k, v in entry.tags.items()])
        elif entry.artifact is not None:
            self.client.log_artifact(self.run, str(path), entry.folder or None)
        elif entry.model is not None:
            from services.tracking.model_registry import register

            register(self.client, self.run, path, entry.name, entry.facts)

    def _refused(self, error: Exception) -> bool:
        """Whether MLflow, in good health, will never take this: then it must not block what follows."""
        from mlflow.exceptions import MlflowException

        if isinstance(error, MlflowException):
            if error.error_code not in ("INVALID_PARAMETER_VALUE", "BAD_REQUEST"):
                return False
            return self.runs.usable(self.run)  # a deleted run refuses everything; the next round makes one
        return not isinstance(error, OSError | redis.RedisError | requests.RequestException | Busy)


def _parts(entry: Entry) -> list[Entry]:
    """An entry in pieces that one request takes."""
    for name in ("params", "tags"):
        values = list((getattr(entry, name) or {}).items())
        if len(values) > MOST_VALUES:
            pieces = [dict(values[i : i + MOST_VALUES]) for i in range(0, len(values), MOST_VALUES)]
            return [entry.model_copy(update={name: piece}) for piece in pieces]
    return [entry]
