"""A sweep over vector sizes from Python, without servers: python examples/sweep.py [FOLDER]

`plan` gives a sweep's jobs, each after those it reads; here those that make codecs run one after the other,
and tell what a size costs. `surco submit sweep` hands all of them to workers. Needs a checkout.
"""

import sys
from pathlib import Path

from jobs.graph import parse_sweep, plan
from jobs.local import local_context, run_local

home = Path("runs")
where = {"dataset": "folder", "path": sys.argv[1]} if len(sys.argv) > 1 else {"dataset": "demo"}
sweep = parse_sweep({"name": "sizes", "sizes": [32, 128, 512], **where, "train": {"steps": 0}})
for node in plan(sweep):
    if node.kind in ("prepare", "train"):
        job = run_local(node.kind, node.spec, home)
        if node.kind == "train":
            error = local_context(home, job).result(job)["best_l1_db"]
            print(f"{node.label} dimensions: {error:.2f} dB on valid clips")
