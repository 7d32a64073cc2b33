"""What a job's identity covers, and what a worker does that has not the code a job was asked of."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from jobs import closure
from jobs.closure import ROOT, data_files
from jobs.kinds import all_kinds, parse_spec
from jobs.local import FolderStore, local_context, run_local
from jobs.prepare import Spec as Prepare
from jobs.spec import job_id
from services.queue.client import Client
from services.queue.ledger import DONE, QUEUED
from services.worker import runner
from services.worker.reconciler import reconcile
from tests.private_valkey import PrivateValkey


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the two floors that decide a job's bytes."""
    root = tmp_path_factory.mktemp("tree")
    for floor in ("surco", "jobs"):
        shutil.copytree(ROOT / floor, root / floor, ignore=shutil.ignore_patterns("__pycache__"))
    return root


def codes(tree: Path) -> dict[str, str]:
    """The code version of every kind on this tree."""
    return {kind: closure.code_of(kind, tree) for kind in all_kinds()}


@pytest.fixture(scope="module")
def before(tree: Path) -> dict[str, str]:
    return codes(tree)


@pytest.mark.parametrize(
    ("file", "changed", "kept"),
    [
        ("surco/report/report.py", ["report"], ["train", "evaluate", "generate", "listen", "noop"]),
        ("surco/report/report.typ", ["report"], ["train", "evaluate", "cluster", "listen"]),
        ("surco/report/texts/es.toml", ["report"], ["train", "listen"]),
        (
            "surco/judgement/judgement.toml",
            ["summary", "report", "outside", "edits"],
            ["train", "embed", "evaluate"],
        ),
        ("surco/page/static/grid.js", ["listen"], ["train", "prepare", "generate"]),
        ("surco/page/static/style.css", ["listen"], ["train"]),
        ("surco/codec/network.py", ["train", "embed", "evaluate", "generate"], ["prepare", "noop"]),
        ("surco/weights/codec.safetensors", ["train", "evaluate"], ["prepare", "noop"]),
        ("surco/metrics/musicnn.safetensors", ["evaluate"], ["train", "embed"]),
        ("surco/datasets/demo/manifest.csv", ["prepare"], ["noop"]),
        ("surco/prior/flow.py", ["train_prior"], ["train", "evaluate", "embed"]),
        ("surco/errors.py", ["noop", "train", "report"], []),
        ("surco/weights/MODEL_CARD.md", [], ["train", "noop", "report"]),
    ],
)
def test_a_kind_is_made_anew_by_its_own_code_and_data_alone(
    tree: Path, before: dict[str, str], file: str, changed: list[str], kept: list[str]
) -> None:
    path = tree / file
    whole = path.read_bytes()
    path.write_bytes(whole + b"\n# changed\n")
    try:
        after = {kind: closure.code_of(kind, tree) for kind in (*changed, *kept)}
    finally:
        path.write_bytes(whole)
    for kind in changed:
        assert after[kind] != before[kind], kind
    for kind in kept:
        assert after[kind] == before[kind], kind


def test_the_closure_is_what_a_run_imports() -> None:
    """Modules of the floors that a real run loads are all in the closure."""
    code = (
        "import sys, tempfile, pathlib; from jobs.kinds import all_kinds; from jobs.local import run_local; "
        "from jobs.prepare import Spec; folder = pathlib.Path(tempfile.mkdtemp()); all_kinds(); "
        "known = set(sys.modules); run_local('prepare', Spec.of('demo', genres=['jazz']), folder); "
        "print('\\n'.join(m for m in sys.modules if m not in known and m.startswith(('surco', 'jobs'))))"
    )
    loaded = subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True).split()
    files = set(closure.closure("prepare"))
    assert "surco.datasets.preparation" in loaded
    for module in loaded:
        place = module.replace(".", "/")
        assert {f"{place}.py", f"{place}/__init__.py"} & files, module


def test_every_data_file_belongs_to_a_room() -> None:
    claimed = {
        path for init in ROOT.glob("surco/**/__init__.py")
        for path in data_files(".".join(init.parent.relative_to(ROOT).parts))
    }  # fmt: skip
    found = {
        path for path in (ROOT / "surco").rglob("*")
        if path.is_file() and path.suffix not in closure.NO_DATA and "__pycache__" not in path.parts
    }  # fmt: skip
    assert claimed == found
    assert list(data_files("surco")) == []


def test_where_music_lies_has_no_part_in_the_identity(tmp_path: Path) -> None:
    from surco.datasets.sources import DEMO

    for place in ("here", "there"):
        (tmp_path / place).mkdir()
        shutil.copytree(DEMO / "jazz", tmp_path / place / "jazz")
    here, there = (Prepare.of("folder", tmp_path / place) for place in ("here", "there"))
    assert here.path != there.path and job_id("prepare", here) == job_id("prepare", there)
    next((tmp_path / "there" / "jazz").glob("*.ogg")).unlink()
    assert job_id("prepare", Prepare.of("folder", tmp_path / "there")) != job_id("prepare", here)


def test_what_is_published_says_which_code_made_it(tmp_path: Path) -> None:
    job = run_local("noop", parse_spec("noop", {}), tmp_path)
    done = local_context(tmp_path, "0" * 64).done(job)
    assert done is not None and done["code"] == closure.code_version("noop")


@pytest.fixture
def client(valkey: PrivateValkey, tmp_path: Path) -> Client:
    """A client on a Valkey of its own whose objects lie in a folder."""
    found = Client.open(valkey.settings(home=tmp_path / "home"))
    found.store = FolderStore(tmp_path / "store")  # type: ignore[assignment]
    return found


def test_a_worker_without_the_code_leaves_the_job_to_one_that_has_it(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = client.submit("noop", parse_spec("noop", {"label": "ours"}))
    client.ledger.redis.delete("cpu", "gpu")
    with monkeypatch.context() as other:
        other.setattr(runner, "code_version", lambda kind: "f" * 64)
        for _ in range(5):
            assert runner.run_job(client, job.id) == "refused"
    row = client.job(job.id)
    assert (row.state, row.attempts) == (QUEUED, 0)
    assert row.reason.count(".") == 1 and row.code[:8] in row.reason and "ffffffff" in row.reason
    assert client.store.get_bytes(f"jobs/{job.id}/DONE.json") is None
    assert client.ledger.redis.llen("cpu") == 0  # refusing sends no message, so nothing spins
    assert reconcile(client, grace=1000)["notified"] == 0
    assert reconcile(client, grace=0)["notified"] == 1
    assert runner.run_job(client, job.id) == DONE
    assert client.job(job.id).reason == "" and client.job(job.id).attempts == 1


def test_a_job_asked_for_from_another_place_is_read_there(client: Client, tmp_path: Path) -> None:
    from surco.datasets.sources import DEMO

    for place in ("here", "there"):
        shutil.copytree(DEMO / "jazz", tmp_path / place / "jazz")
    first = client.submit("prepare", Prepare.of("folder", tmp_path / "here"))
    shutil.rmtree(tmp_path / "here")
    again = client.submit("prepare", Prepare.of("folder", tmp_path / "there"))
    assert again.id == first.id and again.spec["path"] == str(tmp_path / "there")
    assert runner.run_job(client, first.id) == DONE
