"""The folder and zip to hand in: report, executed notebook, song, listening page and a manifest."""

import hashlib
import json
import re
import shutil
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from services.queue.client import Client
from services.queue.ledger import DONE, Job
from services.results.fetch import artifact, jobs_of
from surco.datasets.config import DatasetConfig
from surco.errors import InputError
from surco.files import disk_errors

if TYPE_CHECKING:
    from surco.prior.song_report import MadeSong

NOTEBOOK = Path(__file__).resolve().parents[2] / "notebooks" / "surco.ipynb"
EPOCH = (1980, 1, 1, 0, 0, 0)  # of every file in the zip: the same contents give the same zip
LANGUAGES = ("en", "es")


def deliver(
    client: Client, sweep: dict[str, Any], *, group: str, lang: str = "en", out: Path = Path("."),
    report: Job | None = None, progress: bool = False,
) -> Path:  # fmt: skip
    """Make `tp4-g<group>` and its zip in `out`; returns the zip.

    `report` is the report to hand in, the newest done one in that language if not given. `progress` shows
    how far the notebook is, which takes minutes, on standard error.

    Raises
    ------
    InputError : a group that is no number, an unknown language, or parts that are not there, all named
    """
    from surco.prior.song_report import Songs

    if not re.fullmatch(r"\d{1,3}", group):
        raise InputError(f"--group {group!r} is no number; write 01.")
    if lang not in LANGUAGES:
        raise InputError(f"There is no report in {lang!r}; choose {' or '.join(LANGUAGES)}.")
    found = find_parts(client, sweep, lang, report)
    name = f"tp4-g{int(group):02d}"
    with disk_errors(out), tempfile.TemporaryDirectory(prefix="surco-") as scratch:
        folder = Path(scratch) / name
        folder.mkdir()
        artifact(client, found["report"], "report.pdf", folder / f"report-{lang}.pdf")
        artifact(client, found["listen"], "listen.html", folder / "listen.html")
        listed = artifact(client, found["generate"], "songs.json", Path(scratch) / "songs.json")
        song = choose_song(Songs.load(listed).songs)
        for file in song.files:
            artifact(client, found["generate"], file, folder / "song" / Path(file).name)
        parameters = notebook_parameters(found["prepare"], found["generate"], song, client)
        run_notebook(folder / "surco.ipynb", parameters, progress=progress)
        command = f"surco deliver --group {group} --lang {lang} {sweep['id']}"
        about = {"sweep": sweep["id"], "name": sweep["name"], "spec": sweep.get("spec"), "song": song.name}
        jobs = {kind: job.id for kind, job in found.items()}
        write_manifest(folder, {**about, "jobs": jobs, "notebook": parameters, "command": command})
        return pack(folder, out)


def find_parts(client: Client, sweep: dict[str, Any], lang: str, report: Job | None = None) -> dict[str, Job]:
    """The done jobs that the hand-in is made of; refuses, naming every one that is missing."""
    found: dict[str, Job] = {}
    missing = []
    learnt = {j.spec["dataset"] for j in jobs_of(client, sweep, "embed")}  # not the music from outside
    for kind in ("prepare", "summary", "listen"):
        done = [j for j in jobs_of(client, sweep, kind) if j.state == DONE]
        done = [j for j in done if kind != "prepare" or j.id in learnt]
        if done:
            found[kind] = done[-1]
        else:
            missing.append(
                {"listen": "the listening page", "prepare": "the data", "summary": "the summary"}[kind]
            )
    report = report or find_report(client, sweep, lang)
    if report:
        found["report"] = report
    else:
        missing.append(f"the report in {lang!r} (`surco submit report {sweep['id']} --lang {lang}`)")
    made = [j for j in jobs_of(client, sweep, "generate") if j.state == DONE and j.result.get("songs")]
    if made:
        size = champion(found.get("summary"))
        found["generate"] = min(made, key=lambda j: abs(j.result["size"] - (size or j.result["size"])))
    else:
        missing.append("a generated song")
    if not NOTEBOOK.is_file():
        missing.append(f"the notebook ({NOTEBOOK})")
    elif find_spec("papermill") is None or find_spec("ipykernel") is None:
        missing.append("papermill and ipykernel, which run the notebook (`make setup`)")
    if missing:
        raise InputError(
            f"Sweep {sweep['name']} cannot be handed in yet: {', '.join(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} missing; `surco watch {sweep['id']}` waits for its jobs."
        )
    return found


def find_report(client: Client, sweep: dict[str, Any], lang: str) -> Job | None:
    """The newest done report on the sweep in a language, whether the sweep made it or someone asked."""
    readers = [i for j in jobs_of(client, sweep, "summary") for i in client.ledger.children(j.id)]
    reports = [
        j
        for j in client.ledger.many(readers)
        if j.kind == "report" and j.state == DONE and j.spec.get("language") == lang
    ]
    return max(reports, key=lambda j: j.ended, default=None)


def champion(summary: Job | None) -> int | None:
    """The size whose codec the sweep registered as its best."""
    smallest = summary.result.get("smallest") if summary else None
    return int(smallest["champion"]) if smallest else None


def choose_song(songs: "Sequence[MadeSong]") -> "MadeSong":
    """A song that was drawn and not edited, is no copy, and sounds like its style as surely as any."""

    def rank(row: "MadeSong") -> tuple[bool, bool, float]:
        return (row.drawn, not row.copies, row.style.asked if row.style else 0.0)

    return max(songs, key=rank)


def notebook_parameters(prepare: Job, generate: Job, song: "MadeSong", client: Client) -> dict[str, Any]:
    """What the notebook is run with, so that it runs on what the sweep ran on."""
    defaults = DatasetConfig().model_dump()
    cut = {name: prepare.spec.get(name, value) for name, value in defaults.items()}
    return {
        "DATASET": prepare.spec["dataset"],
        "PATH": prepare.spec.get("path"),
        "OPTIONS": {n: value for n, value in cut.items() if value != defaults[n] or n == "seed"},
        "SIZE": int(generate.result["size"]),
        "GENRE": song.genre,
        "SEED": int(generate.spec.get("seed", 0)),
        "WORK": str(Path(client.settings.home).absolute() / "notebook"),
    }


def run_notebook(out: Path, parameters: Mapping[str, Any], *, progress: bool = False) -> Path:
    """Execute the notebook with parameters into `out`, with a bar on standard error if asked."""
    import papermill

    try:
        papermill.execute_notebook(
            str(NOTEBOOK), str(out), dict(parameters), cwd=str(NOTEBOOK.parents[1]), progress_bar=progress
        )
    except papermill.PapermillExecutionError as error:
        raise InputError(
            f"The notebook stopped in its cell {error.exec_count}: {error.ename}: {error.evalue}"
        ) from None
    return out


def write_manifest(folder: Path, about: Mapping[str, Any]) -> Path:
    """`manifest.json`: what this is made from, and the SHA-256 of every file."""
    from importlib.metadata import distributions

    wanted = {
        "surco",
        "torch",
        "torchaudio",
        "numpy",
        "scikit-learn",
        "librosa",
        "typst",
        "zimtohrli",
        "papermill",
    }
    versions = {
        d.metadata["Name"]: d.version for d in distributions() if (d.metadata["Name"] or "").lower() in wanted
    }
    sums = {
        p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }
    path = folder / "manifest.json"
    text = json.dumps(
        {**about, "versions": dict(sorted(versions.items())), "sha256": sums}, indent=1, ensure_ascii=False
    )
    path.write_text(text, encoding="utf-8")
    return path


def pack(folder: Path, out: Path) -> Path:
    """Move a folder into `out` and zip it beside; what was there under its name gives way."""
    out.mkdir(parents=True, exist_ok=True)
    archive = out / f"{folder.name}.zip"
    part = archive.with_name(archive.name + ".part")
    with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as file:
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            info = zipfile.ZipInfo(f"{folder.name}/{path.relative_to(folder).as_posix()}", EPOCH)
            info.external_attr = 0o644 << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            file.writestr(info, path.read_bytes())
    target = out / folder.name
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(folder, target)
    part.replace(archive)
    return archive
