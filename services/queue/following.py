"""Following jobs: what has changed since the last look, not every row anew."""

import time
from collections.abc import Sequence

from services.queue.job import RUNNING, Job
from services.queue.ledger import BATCH, Ledger

REREAD = 60.0  # s after which all rows are read anew: a dropped job leaves no change to see


class Following:
    """The rows of some jobs, kept up to date with a few round trips a look, however many jobs there are.

    Up to `BATCH` jobs are read whole, in one round trip. Of more, a look reads the list of changes since the
    last one, and the rows of those that changed or run.
    """

    def __init__(self, ledger: Ledger, ids: Sequence[str]):
        self._ledger, self._ids = ledger, list(dict.fromkeys(ids))
        self._wanted = set(self._ids)
        self._rows: dict[str, Job] = {}
        self._since, self._read = 0.0, -REREAD

    def look(self) -> list[Job]:
        """The jobs as they are now, in the order given, without those that the ledger does not have."""
        if len(self._ids) <= BATCH:
            return self._ledger.many(self._ids)
        if time.monotonic() - self._read >= REREAD:
            self._since, self._read = self._ledger.now(), time.monotonic()
            self._rows = {job.id: job for job in self._ledger.many(self._ids)}
        else:
            changed = self._ledger.changed(self._since)
            fresh = {i for i, _ in changed if i in self._wanted}
            fresh |= {i for i, job in self._rows.items() if job.state == RUNNING}
            self._rows |= {job.id: job for job in self._ledger.many(sorted(fresh))}
            self._since = changed[-1][1] if changed else self._since
        return [self._rows[i] for i in self._ids if i in self._rows]
