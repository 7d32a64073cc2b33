"""Fine-tune the codec without queue or servers: python examples/fine_tune.py [FOLDER OF MUSIC] [STEPS]

Jobs run in this process and keep what they make under runs/; run it again and what is done is found.
Needs a checkout, where `jobs` lies.
"""

import sys
from pathlib import Path

from jobs import prepare, train
from jobs.local import local_context, run_local
from surco import Codec

home = Path("runs")
source = ("folder", sys.argv[1]) if len(sys.argv) > 1 else ("demo",)
steps = int(sys.argv[2]) if len(sys.argv) > 2 else 48

data = run_local("prepare", prepare.Spec.of(*source), home)
spec = train.Spec.model_validate({"dataset": data, "size": 128, "steps": steps, "render": False})
job = run_local("train", spec, home)

reader = local_context(home, job)
result = reader.result(job)
codec = Codec.load(reader.artifact(job, "codec.safetensors"))
print(
    f"codec {codec.fingerprint}: {result['best_l1_db']:.2f} dB on valid clips at step {result['best_step']}"
)
