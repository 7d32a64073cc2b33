"""Outboxes carried to a real MLflow server, through a network that loses answers."""

import os
from pathlib import Path
from typing import Any

from services.queue.client import Client
from services.settings import Settings
from services.stack import Stack
from services.tracking.addresses import run_page, runs_page
from services.tracking.mlflow_client import open_client
from services.tracking.model_registry import load_codec
from services.tracking.outbox import Outbox
from services.tracking.sender import Sender
from surco.codec import Codec
from tests.chaos.proxy import Proxy

SWEEP = "5" * 64


class Unlucky:
    """An MLflow client: the answer to the next call of each of these methods is lost on its way."""

    def __init__(self, client: Any, proxy: Proxy, methods: list[str]):
        self.client, self.proxy, self.open = client, proxy, list(methods)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.client, name)
        if name not in self.open:
            return found

        def call(*args: Any, **kwargs: Any) -> Any:
            self.open.remove(name)
            self.proxy.swallow = 1
            return found(*args, **kwargs)

        return call


def test_lost_answers_of_a_real_server_lose_and_double_nothing(
    mlflow_stack: Stack, client: Client, settings: Settings, tmp_path: Path, monkeypatch: Any
) -> None:
    from mlflow import MlflowClient

    fields = {"kind": "summary", "queue": "cpu", "spec": {}, "required": [], "optional": [], "sweep": SWEEP}
    for job, kind in (("s", "summary"), ("g", "generate")):
        client.ledger.add(job, **{**fields, "kind": kind})
        client.ledger.redis.hset(f"surco:job:{job}", "state", "done")
    client.ledger.add_sweep(SWEEP, "mine", {}, ["s", "g"])
    Codec.load().truncated(32).save(tmp_path / "codec.safetensors")
    (tmp_path / "one.wav").write_bytes(b"sound")
    (tmp_path / "listen.html").write_text("<p>page</p>")
    head = {"sweep": SWEEP, "sweep_name": "mine", "label": "32"}
    told = Outbox(settings.outbox / "s", {**head, "job": "s", "kind": "summary", "on_sweep": True})
    made = Outbox(settings.outbox / "g", {**head, "job": "g", "kind": "generate", "on_sweep": False})
    for step in range(50):
        told.append(metrics={"loss": 1.0 / (step + 1)}, step=step)
    facts = {"size": 32, "score": 0.5, "keeps_bounds": True}
    told.append(model=told.keep(tmp_path / "codec.safetensors"), name="tracking-codec", facts=facts)
    told.append(artifact=told.keep(tmp_path / "listen.html"), folder="")
    made.append(artifact=made.keep(tmp_path / "one.wav"), folder="songs")
    for outbox in (told, made):
        outbox.append(end="FINISHED")
        outbox.close()

    address = settings.mlflow_url.removeprefix("http://")
    proxy = Proxy(int(address.rpartition(":")[2]), host_header=True)
    through = settings.model_copy(update={"mlflow_url": f"http://{proxy.address}"})
    methods = ["create_experiment", "create_run", "create_run", "log_batch", "create_registered_model"]
    methods += [
        "create_model_version",
        "set_registered_model_alias",
        "set_terminated",
        "log_artifact",
        "set_tag",
    ]
    unlucky = Unlucky(open_client(through), proxy, methods)
    sender = Sender(through, client=unlucky)
    for _ in range(3 * len(methods)):
        if any(settings.outbox.glob("*")):
            sender.send_all()
    proxy.close()
    assert unlucky.open in ([], ["create_experiment"])  # which an earlier test may have made
    assert not any(settings.outbox.glob("*"))

    mlflow = MlflowClient(settings.mlflow_url)
    experiment = mlflow.get_experiment_by_name(settings.mlflow_experiment)
    assert experiment is not None
    number = experiment.experiment_id
    (parent,) = mlflow.search_runs([number], f"tags.sweep_id = '{SWEEP}' AND tags.surco_kind = 'sweep'")
    (child,) = mlflow.search_runs([number], f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'")
    assert parent.info.status == child.info.status == "FINISHED"
    points = mlflow.get_metric_history(parent.info.run_id, "loss")
    assert sorted(p.step for p in points) == list(range(50))
    own, songs = parent.info.run_id, child.info.run_id
    assert runs_page(settings, SWEEP) == run_page(settings.mlflow_url, number, own)
    assert parent.data.tags["mlflow.note.content"].splitlines() == [
        f"- [Listening page]({run_page('', number, own, 'listen.html')[1:]})",
        f"- [Songs, 32]({run_page('', number, songs, 'songs')[1:]})",
    ]
    (version,) = mlflow.search_model_versions("name = 'tracking-codec'")
    assert mlflow.get_model_version_by_alias("tracking-codec", "champion").version == version.version
    monkeypatch.setenv("SURCO_REDIS_URL", settings.redis_url)
    monkeypatch.setenv("SURCO_S3_ENDPOINT", settings.s3_endpoint)
    monkeypatch.setenv("SURCO_MLFLOW_URL", settings.mlflow_url)
    assert load_codec("models:/tracking-codec@champion").size == 32
    assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "0"
