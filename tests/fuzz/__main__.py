"""`python -m tests.fuzz --seed 1 --inputs 10000`: ends in one line, `inputs N, defects K`.

Exit code 1 where K is not 0. Each defect comes with the number of its input: `--only NUMBER` runs that again.
"""

import argparse
import faulthandler
import os
import random
import sys
import tempfile
import warnings
from collections import Counter
from pathlib import Path

from tests.fuzz import records, sounds, tensors, texts
from tests.fuzz.judge import Case, judge

CASES: dict[str, tuple[int, Case]] = {  # how often, and what
    "sound file": (20, sounds.file), "odd path": (4, sounds.path), "folder": (8, sounds.folder),
    "archive": (12, sounds.archive), "vectors": (8, tensors.vectors), "recording": (8, tensors.recording),
    "weights": (8, tensors.weights), "network": (1, tensors.network), "prior": (4, tensors.prior),
    "training state": (4, tensors.checkpoint), "data set": (8, tensors.dataset), "sweep": (10, texts.sweep),
    "options": (10, texts.options), "spec": (8, texts.spec), "settings": (8, texts.settings),
    "DONE.json": (6, records.done), "key": (4, records.key), "checkpoint": (4, records.checkpoint),
    "outbox": (4, records.outbox), "blind test": (4, records.blind_test), "command": (3, records.command),
    "listing": (4, records.listing),
}  # fmt: skip


def run(seed: int, numbers: range, sandbox: Path, *, tell: bool = True) -> Counter[str]:
    """Judge the inputs of these numbers; defects by class."""
    found: Counter[str] = Counter()
    names, weights = list(CASES), [weight for weight, _ in CASES.values()]
    for number in numbers:
        rng = random.Random(f"{seed}/{number}")
        name = rng.choices(names, weights)[0]
        defect = judge(CASES[name][1], rng, sandbox)
        if defect is not None:
            kind = f"{name}: {defect.kind}"
            found[kind] += 1
            if tell and found[kind] == 1:
                print(f"defect: {kind} (--seed {seed} --only {number})\n{defect.detail[-1500:]}", flush=True)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--only", type=int, help="the number of one input")
    asked = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    faulthandler.enable()  # a crash of native code names its input's place
    warnings.simplefilter("ignore")
    numbers = range(asked.inputs) if asked.only is None else range(asked.only, asked.only + 1)
    with tempfile.TemporaryDirectory(prefix="surco-fuzz-") as folder:
        found = run(asked.seed, numbers, Path(folder, "sandbox"))
    for kind, count in found.most_common():
        print(f"{count:6} {kind}")
    print(f"inputs {len(numbers)}, defects {found.total()}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
