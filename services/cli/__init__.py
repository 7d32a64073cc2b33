"""The verbs of the services. Every command is short; what it does stands in the module it calls."""

import sys

from surco.cli import application, main
from surco.cli.verbs import Verb
from surco.errors import sentence

__all__ = ["MODEL", "STUDIO", "VERBS", "application", "explain", "main"]

JOBS, RESULTS, SERVERS = "Jobs", "Results", "Servers"
VERBS = (
    Verb("submit", "services.cli.submit:app", "Hand in a job or a sweep.", JOBS),
    Verb("watch", "services.cli.jobs:watch", "Follow a sweep until its last job has ended.", JOBS),
    Verb("jobs", "services.cli.jobs:jobs", "List jobs, newest first.", JOBS),
    Verb("sweeps", "services.cli.jobs:sweeps", "List sweeps, newest first.", JOBS),
    Verb("show", "services.cli.jobs:show",
         "Show a job: how it stands, what it was asked, read, found and published.", JOBS),
    Verb("logs", "services.cli.jobs:logs", "Print what a job logged.", JOBS),
    Verb("cancel", "services.cli.jobs:cancel",
         "Cancel a job, or what is left of a sweep; what needs it is skipped.", JOBS),
    Verb("retry", "services.cli.jobs:retry", "Run a dead, cancelled or skipped job again.", JOBS),
    Verb("dead", "services.cli.jobs:dead", "The dead list: list, replay, drop.", JOBS),
    Verb("rebuild", "services.cli.jobs:rebuild",
         "Write the ledger anew from S3, after Redis was wiped.", JOBS),
    Verb("songs", "services.cli.results:songs", "List and pull the songs of a job or sweep.", RESULTS),
    Verb("listen", "services.cli.results:listen",
         "Open a sweep's listening page, or score blind tests made on it.", RESULTS),
    Verb("compare", "services.cli.compare:compare",
         "Compare two sweeps, measure by measure, and hear the same clips of both.", RESULTS),
    Verb("deliver", "services.cli.results:deliver", "Make the folder and zip to hand in.", RESULTS),
    Verb("cut", "services.cli.results:cut", "Cut a folder of long songs to pieces of N seconds.", RESULTS),
    Verb("demo", "services.cli.results:demo",
         "Start the servers, run the demo sweep, show what came out.", RESULTS),
    Verb("stack", "services.cli.servers:stack",
         "The embedded servers: up, down, status, logs, repair.", SERVERS),
    Verb("worker", "services.cli.servers:worker", "Run jobs until told to stop.", SERVERS),
    Verb("drain", "services.cli.drain:drain",
         "Let a worker end after its current jobs; it takes no new ones.", SERVERS),
    Verb("usage", "services.cli.disk:usage",
         "Disk by sweep: on S3, in this machine's caches, in MLflow's artifacts.", SERVERS),
    Verb("gc", "services.cli.disk:gc",
         "Take away what killed attempts left, old logs and checkpoints of done jobs, and whole sweeps.",
         SERVERS),
    Verb("doctor", "services.cli.servers:doctor",
         "Check servers, GPU, disk and versions, and say the remedy.", SERVERS),
)  # fmt: skip
MODEL = "services.studio.models:fetch"  # what the studio opens of a sweep
STUDIO = "services.studio.watch:extension"  # what the studio shows of a running stack


def explain(error: Exception) -> str | None:
    """The sentence for a server that does not answer or takes nothing; None for any other error."""
    redis, ours = sys.modules.get("redis"), sys.modules.get("services.errors")
    if ours and isinstance(error, ours.ServerDown):
        return sentence(str(error))
    if redis and isinstance(error, redis.exceptions.OutOfMemoryError):
        return (
            "Redis is at its memory limit and takes nothing new; make room with `surco gc`, or raise its "
            "maxmemory. `surco doctor` says how full it is."
        )
    if redis and isinstance(error, redis.TimeoutError):
        return f"Redis did not answer in time ({error}); see `surco doctor`."
    if redis and isinstance(error, redis.ConnectionError):
        return sentence(f"Redis went away ({error}); see `surco doctor`.")
    return None
