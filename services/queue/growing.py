"""A sweep's second round: jobs that are added once the first has said which sizes they are about.

A sweep that grows is noted in Redis with the job that it grows by. The worker that ends that job adds the
second round; where it dies before, the reconciler of any worker does. Adding it twice adds nothing: the jobs
follow from the sweep's record in S3 and the sizes in the job's result, and so do their ids.
"""

import json
import logging
from typing import TYPE_CHECKING

from jobs.graph import parse_sweep, second_round
from jobs.spec import canonical
from services.errors import ServerDown
from services.queue.job import DONE, ENDED
from services.queue.rebuild import SweepRecord
from surco.errors import InputError
from surco.metrics.choice import Rounds

if TYPE_CHECKING:
    from services.queue.client import Client

log = logging.getLogger("surco.queue")


def grow_ready(client: "Client") -> int:
    """Add the second round of every sweep whose sizes are known; returns how many grew.

    A sweep whose job of the sizes ended badly has ended too, until that job is retried. Raises what Redis
    raises; where S3 is away, the next look does it.
    """
    grown = 0
    for identity, job_id in client.ledger.growing().items():
        job = client.ledger.get(job_id)
        try:
            if job is None:
                client.ledger.stop_growing(identity)
                client.ledger.join(identity, [])
            elif job.state == DONE:
                found = Rounds.model_validate(job.result)
                grown += grow(client, identity, list(found.studied), job.priority)
            elif job.state in ENDED:
                client.ledger.join(identity, [])
        except ServerDown as down:
            log.info("Sweep %s grows once S3 answers: %s", identity, down)
            break
        except (InputError, ValueError, KeyError, TypeError) as error:
            log.error("The second round of sweep %s cannot be made: %s", identity, error)
    return grown


def grow(client: "Client", identity: str, study: list[int], priority: int = 0) -> bool:
    """Add the jobs of the second round at the sizes `study`; False of a sweep that S3 does not have."""
    data = client.store.get_bytes(f"sweeps/{identity}.json")
    if data is None:
        return False
    record = SweepRecord.model_validate(json.loads(data))
    nodes, _ = second_round(parse_sweep(record.spec), record.made, study)
    client.enter_nodes(nodes, identity, priority)
    ids = list(dict.fromkeys([*record.jobs, *(node.id for node in nodes)]))
    whole = record.model_copy(update={"jobs": ids, "grown": True})
    # After the jobs: a record that says they are there is right, however this ends.
    client.store.put_bytes(f"sweeps/{identity}.json", canonical(whole.model_dump(mode="json")))
    client.ledger.add_sweep(identity, whole.name, whole.spec, ids)
    client.ledger.join(identity, ids)
    client.ledger.stop_growing(identity)
    return True
