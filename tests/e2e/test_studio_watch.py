"""The studio on a running stack, in Chromium: jobs, progress, log, result, cancel, retry, MLflow."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jobs.kinds import parse_spec
from services.queue.client import Client
from services.queue.ledger import CANCELLED, DONE, RUNNING, Job
from services.settings import Settings
from services.stack import Stack
from tests.e2e.studio_browser import Server, needs_browser, tabs, until
from tests.e2e.worker_process import Worker
from tests.e2e.worker_process import until as until_job

pytest_plugins = ["tests.e2e.studio_browser"]


@contextmanager
def watching(browser: Any, settings: Settings, folder: Path, *options: str) -> Iterator[Any]:
    """A tab on the jobs of a studio that knows of the servers."""
    variables = {
        "SURCO_HOME": str(settings.home), "SURCO_REDIS_URL": settings.redis_url,
        "SURCO_S3_ENDPOINT": settings.s3_endpoint, "SURCO_S3_ACCESS_KEY": settings.s3_access_key,
        "SURCO_S3_SECRET_KEY": settings.s3_secret_key.get_secret_value(),
        "SURCO_S3_BUCKET": settings.s3_bucket, "SURCO_MLFLOW_URL": settings.mlflow_url,
    }  # fmt: skip
    folder.mkdir()
    server = Server(folder, ["--workers", "1", *options], variables)
    try:
        with tabs(browser, server) as open_tab:
            page = open_tab()
            page.click("#tab-watch")
            yield page
    finally:
        server.end()


def submit(client: Client, label: str, **fields: Any) -> Job:
    return client.submit("noop", parse_spec("noop", {"label": label, **fields}), label=label)


def row(label: str) -> str:
    """The row of a job, as an expression."""
    return f"[...document.querySelectorAll('.jobs tbody tr')].find((r) => r.textContent.includes('{label}'))"


@needs_browser
def test_jobs_run_are_cancelled_and_run_again_in_the_page(
    browser: Any,
    mlflow_stack: Stack,
    settings: Settings,
    client: Client,
    worker: Callable[..., Worker],
    tmp_path: Path,
) -> None:
    settings = settings.model_copy(update={"mlflow_url": mlflow_stack.settings().mlflow_url})
    long, quick = submit(client, "long", seconds=600), submit(client, "quick")
    with watching(browser, settings, tmp_path / "studio") as page:
        until(page, f"{row('long')}?.textContent.includes('queued')")
        worker()
        until_job(client, long, RUNNING)
        until(page, f"{row('long')}?.querySelector('progress')?.value > 0")
        until_job(client, quick, DONE)
        until(page, f"{row('quick')}?.className === 'state-done'")
        page.locator(f'[data-job="{quick.id}"]').click()
        until(page, "document.querySelector('.log')?.textContent.includes('\"label\": \"quick\"')")
        link = page.locator("#watch a")
        assert link.get_attribute("href").startswith(settings.mlflow_url) and link.is_visible()
        page.locator('button[aria-label="Cancel noop long"]').click()
        assert until_job(client, long, CANCELLED).state == CANCELLED
        until(page, f"{row('long')}?.className === 'state-cancelled'")
        page.locator('button[aria-label="Run again noop long"]').click()
        until_job(client, long, RUNNING)
        until(page, f"{row('long')}?.className === 'state-running'")
        client.cancel(client.job(long.id))


@needs_browser
def test_a_studio_that_only_watches_has_no_buttons_for_jobs(
    browser: Any, settings: Settings, client: Client, tmp_path: Path
) -> None:
    job = submit(client, "waits")
    with watching(browser, settings, tmp_path / "studio", "--read-only") as page:
        until(page, f"{row('waits')} !== undefined")
        page.wait_for_timeout(2500)  # the view draws itself anew
        assert page.locator(".jobs td button").count() == 0
        refused = page.evaluate(
            """async (job) => (await fetch(`api/watch/jobs/${job}/cancel`, {
              method: "POST", headers: { "x-surco-session": "new" } })).json()""",
            job.id,
        )
        assert "only watches" in refused["error"]
    assert client.job(job.id).state != CANCELLED
