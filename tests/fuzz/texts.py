"""What people write: YAML, options, settings, environment, `.env`."""

import json
import os
import random
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path

from jobs.generate import edits_of
from jobs.graph import plan, read_sweep
from jobs.kinds import all_kinds, parse_spec
from services.cli.spec_options import fields
from services.cli.submit import sweep_of
from services.settings import Settings, load_settings
from surco.edits.amounts import Amounts
from tests.fuzz.material import NAMES, NUMBERS, WORDS, mangled, spoilt, value

LINES = [
    "name: x",
    "dataset: demo",
    "sizes: [32, 64]",
    "seed: 1",
    "train: {steps: 10}",
    "sizes: 2001-12-14",
    "a: &a [b]",
    "b: *a",
    "<<: *a",
    "c: !!python/object:os.system x",
    "? [1]",
    "- 1",
    "sizes: .inf",
    "seed: 1e400",
    "\tx",
    "---",
    "...",
    'name: "\\ud800"',
    "seed: 0b1111111111",
    "1: 2",
    "null: 1",
    "path: ../../x",
    "d: !!binary x",
    "e: !!set {a}",
    "prepare: {clip_seconds: .nan}",
    "train:",
    "sections: 3",
    "name: '[/bold]'",
    "stress: maybe",
    "%TAG ! x",
    "@",
    "`",
    "outside: |\n  a\n  b",
    "f: {a: 1, a: 2}",
    "seed: 1:2:3",
    "seed: 0o17",
    "g: ~",
    "=: 1",
]


def _yaml(rng: random.Random) -> str:
    turn = rng.randrange(8)
    if turn == 0:
        return rng.choice("[{(&*!") * rng.choice([30, 5_000])
    if turn == 1:
        return f"seed: {rng.choice('19')}" + "3" * rng.choice([18, 5_000])
    if turn == 2:
        depth = rng.choice([9, 40])
        body = "".join(
            f"{chr(97 + i % 26)}{i}: &{i} [{','.join([f'*{i - 1}'] * 9)}]\n" for i in range(1, depth)
        )
        return "a0: &0 [lol]\n" + body
    if turn == 3:
        return json.dumps(value(rng))
    lines = [rng.choice(LINES) for _ in range(rng.randrange(1, 8))]
    return "\n".join(lines) if turn < 7 else ", ".join(lines)


def sweep(rng: random.Random, box: Path) -> None:
    """A sweep file, and the plan made of it."""
    path = box / "sweep.yaml"
    data = _yaml(rng).encode("utf-8", "surrogatepass")
    path.write_bytes(mangled(rng, data) if rng.random() < 0.3 else data)
    found = read_sweep(path)
    if found.path is None and found.outside is None and found.dataset == "demo":
        plan(found)


def options(rng: random.Random, box: Path) -> None:
    """Options of `surco submit`: --set, --sizes, --edit."""
    turn = rng.randrange(3)
    if turn == 0:
        kind = rng.choice(sorted(all_kinds()))
        known = sorted(all_kinds()[kind].spec.model_fields)
        text = _yaml(rng) if rng.random() < 0.5 else rng.choice(WORDS)
        given = fields(
            [f"{rng.choice([*known, *WORDS])[:200]}={text}", *([rng.choice(WORDS)] * rng.randrange(2))]
        )
        parse_spec(kind, given)
    elif turn == 1:
        sizes = rng.choice(["1,2", "64", ",", "1e3", "9" * 5_000, "-1", "٣", "64,,", *NAMES])
        sweep_of(
            None,
            sizes,
            rng.choice(NAMES),
            rng.choice(NAMES),
            None,
            rng.choice([None, *NAMES]),
            rng.choice([None, -1]),
        )
    else:
        name = rng.choice([*Amounts.model_fields, *WORDS])[:100]
        edits_of([f"{name}={rng.choice([_yaml(rng), *map(str, NUMBERS)])}", *rng.choice([[], ["noise"]])])


def spec(rng: random.Random, box: Path) -> None:
    """A spec as it stands in the store."""
    kind = rng.choice(sorted(all_kinds()))
    good: dict[str, object] = {}
    for name in all_kinds()[kind].spec.model_fields:
        if rng.random() < 0.5:
            good[name] = value(rng)
    parse_spec(kind if rng.random() < 0.95 else rng.choice(NAMES), spoilt(rng, good) if good else {})


ENV = "REDIS_PASSWORD=a\nS3_ACCESS_KEY=b\nS3_SECRET_KEY=cccccccc\nMLFLOW_PASSWORD=d\n"


def settings(rng: random.Random, box: Path) -> None:
    """Settings from the environment, settings.toml, stack.json and `.env`."""
    home = box / "home"
    (home / "stack").mkdir(parents=True)
    env: dict[str, str] = {"SURCO_HOME": str(home)}
    for _ in range(rng.randrange(3)):
        name = rng.choice([*Settings.model_fields, "nothing", "X" * 5_000]).upper()
        env[f"SURCO_{name}"] = rng.choice(WORDS).replace("\0", "").replace("\ud800", "")
    if rng.random() < 0.5:
        rows = [
            f"{rng.choice([*Settings.model_fields, 'x'])} = {json.dumps(value(rng, 2))}" for _ in range(2)
        ]
        text = "\n".join(rows).encode("utf-8", "surrogatepass")
        (home / "settings.toml").write_bytes(mangled(rng, text) if rng.random() < 0.3 else text)
    if rng.random() < 0.5:
        text = json.dumps(
            spoilt(rng, {"settings": {"redis_url": "redis://:x@127.0.0.1:1/0", "s3_region": "x"}})
        ).encode()
        (home / "stack" / "stack.json").write_bytes(mangled(rng, text) if rng.random() < 0.4 else text)
    if rng.random() < 0.5:
        env["SURCO_SERVERS"] = "compose"
        lines = [
            *ENV.splitlines(),
            rng.choice(["REDIS_PORT=x", "S3_PORT=99999999", "=", "#", "MLFLOW_PORT=-1"]),
        ]
        data = "\n".join(rng.sample(lines, rng.randrange(len(lines) + 1))).encode()
        if rng.random() < 0.9:
            (box / ".env").write_bytes(mangled(rng, data) if rng.random() < 0.5 else data)
        else:
            os.mkfifo(box / ".env")
    given = (
        {rng.choice(["home", "s3_bucket", "redis_url", "odd"]): value(rng, 1)} if rng.random() < 0.2 else {}
    )
    with _environment(env), chdir(box):
        load_settings(**{"servers": rng.random() < 0.5, **given})


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    try:
        for name in [n for n in os.environ if n.startswith("SURCO_")]:
            del os.environ[name]
        os.environ.update(values)
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
