"""The studio's Watch view: sweeps, jobs and their logs, and the two things that can be done to a job."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import redis
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from services.errors import ServerDown
from services.queue.client import Client
from services.queue.job import Job
from services.queue.ledger import DONE, ENDED, RUNNING
from services.results.fetch import artifact, files_of
from services.settings import Settings, load_settings
from services.tracking.addresses import runs_page
from surco.errors import InputError, sentence
from surco.files import safe_join
from surco.studio.app import Extension

SWEEPS, JOBS, LINES = 20, 300, 400  # newest sweeps, jobs of one, last lines of a log
SHOWN = {
    ".wav": "audio/wav", ".flac": "audio/flac", ".mp3": "audio/mpeg", ".json": "application/json",
    ".csv": "text/csv", ".png": "image/png", ".pdf": "application/pdf", ".html": "application/octet-stream",
}  # fmt: skip
AWAY = "The servers do not answer; start them with `surco stack up`, or see `surco doctor`."


def extension(*, read_only: bool = False, mlflow: str = "") -> Extension | None:
    """The view, where this machine knows of servers; None where it knows of none.

    mlflow : the address at which browsers reach MLflow, where it is another than the server's own
    """
    try:
        settings = load_settings()
    except InputError:
        return None
    watch = Watch(lambda: Client.open(settings), settings, read_only=read_only, mlflow=mlflow)
    return Extension("watch", watch.routes(), Path(__file__).parent / "static", "watch.js")


class Watch:
    """The view's answers. A client is opened when something is first asked, and kept."""

    def __init__(
        self,
        open_client: Callable[[], Client],
        settings: Settings,
        *,
        read_only: bool = False,
        mlflow: str = "",
    ):
        self._open, self.settings, self.read_only = open_client, settings, read_only
        self._mlflow = mlflow.rstrip("/")
        self._client: Client | None = None
        self._links: dict[str, str] = {}  # where MLflow shows each sweep

    @property
    def client(self) -> Client:
        if self._client is None:
            self._client = self._open()
        return self._client

    def routes(self) -> list[Route]:
        """Everything below `api/watch`."""
        return [
            Route("/sweeps", self._answering(lambda request: self.sweeps())),
            Route(
                "/sweeps/{sweep}", self._answering(lambda request: self.jobs(request.path_params["sweep"]))
            ),
            Route("/jobs/{job}", self._answering(lambda request: self.job(request.path_params["job"]))),
            Route("/jobs/{job}/files/{name:path}", self._file),
            Route("/jobs/{job}/cancel", self._changing(Client.cancel), methods=["POST"]),
            Route("/jobs/{job}/retry", self._changing(Client.retry), methods=["POST"]),
        ]

    def sweeps(self) -> dict[str, Any]:
        """The newest sweeps, by state how many jobs each has; without one, the newest jobs."""
        found = []
        for identity, name in self.client.ledger.sweep_names()[:SWEEPS]:
            sweep = self.client.ledger.sweep(identity)
            if sweep is not None:
                states = list(self.client.ledger.states(sweep["jobs"]).values())
                counts = {state: states.count(state) for state in sorted(set(states))}
                found.append({"id": identity, "name": name, "created": sweep["created"], "states": counts})
        return {"sweeps": found, "read_only": self.read_only}

    def jobs(self, sweep: str) -> dict[str, Any]:
        """The jobs of a sweep ("-": the newest of all), and where MLflow shows it."""
        ledger = self.client.ledger
        found = ledger.recent(JOBS) if sweep == "-" else ledger.many(self.client.sweep(sweep)["jobs"][:JOBS])
        now = ledger.now()
        return {
            "jobs": [_row(job, now) for job in found],
            "mlflow": self._link("" if sweep == "-" else sweep),
        }

    def _link(self, sweep: str) -> str:
        if self.settings.mlflow_url and sweep not in self._links:
            page = runs_page(self.settings, sweep)
            self._links[sweep] = (self._mlflow or self.settings.mlflow_url) + page.removeprefix(
                self.settings.mlflow_url
            )
        return self._links.get(sweep, "")

    def job(self, identity: str) -> dict[str, Any]:
        """A job with its spec, its result and the end of its log."""
        job = self.client.job(identity)
        lines = list(self.client.ledger.log_lines(job.id))
        files = files_of(self.client, job) if job.state == DONE else []
        told = {
            "spec": job.spec, "result": job.result, "log": lines[-LINES:],
            "cost": {"cpu": float(job.cost.get("cpu", 0)), "memory": int(job.cost.get("memory", 0))},
            "files": [name for name in files if Path(name).suffix in SHOWN],
        }  # fmt: skip
        return {**_row(job, self.client.ledger.now()), **told}

    async def _file(self, request: Request) -> Response:
        """What a job published, to keep or to hear: a file that goes when it has been sent."""
        folder = Path(tempfile.mkdtemp(prefix="surco-file-"))
        gone = BackgroundTask(shutil.rmtree, folder, ignore_errors=True)

        def fetched() -> Path:
            job, name = self.client.job(request.path_params["job"]), request.path_params["name"]
            if Path(name).suffix not in SHOWN:
                raise InputError("The studio shows sound, tables and pages of a job; see `surco songs`.")
            return artifact(self.client, job, name, safe_join(folder, Path(name).name, "file"))

        try:
            path = await run_in_threadpool(fetched)
        except (redis.RedisError, ServerDown) as error:
            await gone()
            self._client = None
            return JSONResponse({"error": AWAY, "why": sentence(str(error))}, 503)
        except BaseException:
            await gone()
            raise
        media = SHOWN[path.suffix]  # never as a page of this server's own
        return FileResponse(path, media_type=media, filename=path.name, background=gone)

    def _answering(self, answer: Callable[[Request], dict[str, Any]]) -> Callable[..., Any]:
        async def endpoint(request: Request) -> Response:
            try:
                return JSONResponse(await run_in_threadpool(answer, request))
            except (redis.RedisError, ServerDown) as error:
                self._client = None
                return JSONResponse({"error": AWAY, "why": sentence(str(error))}, 503)

        return endpoint

    def _changing(self, change: Callable[[Client, Job], bool]) -> Callable[..., Any]:
        def answer(request: Request) -> dict[str, Any]:
            if self.read_only:
                raise InputError("This studio only watches; start it without --read-only to change jobs.")
            if request.headers.get("x-surco-session") is None:
                raise InputError("Jobs are changed by the studio's own page.")
            return {"changed": change(self.client, self.client.job(request.path_params["job"]))}

        return self._answering(answer)


def _row(job: Job, now: float) -> dict[str, Any]:
    """A job as the page lists it; `left` are the seconds that it may still take, where that can be told."""
    done, total = float(job.progress.get("done", 0)), float(job.progress.get("total", 0) or 0)
    share = 1.0 if job.state in ENDED else min(1.0, done / total) if total and job.state == RUNNING else 0.0
    ran = max(0.0, now - job.started) if job.state == RUNNING else job.seconds
    left = ran * (1 - share) / share if job.state == RUNNING and share > 0.03 and ran > 3 else None
    return {
        "id": job.id, "kind": job.kind, "label": job.label, "state": job.state, "share": share,
        "seconds": ran,
        "left": left, "note": str(job.progress.get("note", ""))[:200], "reason": job.reason[:500],
        "attempts": job.attempts, "created": job.created,
    }  # fmt: skip
