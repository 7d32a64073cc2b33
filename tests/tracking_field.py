"""A ledger, a tracking store and machines with outboxes: what the tests of the sender share."""

from pathlib import Path
from typing import Any

from services.queue.ledger import RUNNING, Ledger
from services.settings import Settings
from services.tracking.outbox import Outbox
from services.tracking.sender import Sender
from tests.mlflow_store import FaultyClient
from tests.private_valkey import PrivateValkey

SWEEP = "5" * 64


class Field:
    """A ledger, a store and machines, each with a home and a sender of its own."""

    def __init__(self, folder: Path, valkey: PrivateValkey):
        self.folder, self.valkey = folder, valkey
        self.redis: Any = valkey.client()
        self.mlflow = FaultyClient(folder)

    def settings(self, machine: str = "a") -> Settings:
        return self.valkey.settings(home=self.folder / machine)

    def sender(self, machine: str = "a", client: FaultyClient | None = None) -> Sender:
        return Sender(self.settings(machine), client=client or self.mlflow, connection=self.valkey.client())

    def job(self, job: str, state: str = RUNNING, *, sweep: str = "") -> None:
        ledger = Ledger(self.redis, lambda messages: None)
        fields = {"kind": "train", "queue": "cpu", "spec": {}, "required": [], "optional": []}
        ledger.add(job, **fields, sweep=sweep, label="32")
        self.state(job, state)
        if sweep:
            known = ledger.sweep(sweep) or {"jobs": []}
            ledger.add_sweep(sweep, "mine", {}, [*known["jobs"], job])

    def state(self, job: str, state: str) -> None:
        self.redis.hset(f"surco:job:{job}", "state", state)

    def outbox(self, job: str, machine: str = "a", **head: Any) -> Outbox:
        known = {"job": job, "kind": "train", "sweep": "", "label": "32", "sweep_name": "mine"}
        return Outbox(self.settings(machine).outbox / job, {**known, "on_sweep": False, **head})

    def left(self, machine: str = "a") -> list[Path]:
        return [p for p in self.settings(machine).outbox.rglob("*") if p.is_file()]

    def run(self, job: str) -> Any:
        (run,) = self.mlflow.runs(f"tags.job_id = '{job}'")
        return run


def steps(outbox: Outbox, *numbers: int, value: float = 1.0) -> None:
    for number in numbers:
        outbox.append(metrics={"loss": value}, step=number)


def logged(field: Field, job: str = "j") -> list[int]:
    return sorted(step for step, _ in field.mlflow.points(field.run(job), "loss"))
