"""A sweep's model for the studio: its codec, and the vectors of the clips that it was trained on."""

from pathlib import Path

from services.queue.client import Client
from services.queue.ledger import DONE
from services.results.fetch import artifact, jobs_of
from services.settings import load_settings
from surco.errors import InputError


def fetch(sweep: str, folder: Path) -> tuple[Path, Path]:
    """Fetch codec and vectors of a sweep, NAME or NAME:SIZE, into a folder; of the largest size done."""
    name, _, size = sweep.partition(":")
    if size and not size.isdigit():
        raise InputError(f"The size after the colon of {sweep!r} is a whole number; write NAME:512.")
    client = Client.open(load_settings())
    return fetch_model(client, name, int(size) if size else None, folder)


def fetch_model(client: Client, name: str, size: int | None, folder: Path) -> tuple[Path, Path]:
    """The same, of an open client."""
    found = client.sweep(name)
    embedded = [j for j in jobs_of(client, found, "embed") if j.state == DONE]
    if size is not None:
        embedded = [j for j in embedded if j.result.get("size") == size]
    if not embedded:
        which = "" if size is None else f" at size {size}"
        raise InputError(f"Sweep {name} has no model{which} that is done; `surco watch {name}` waits for it.")
    job = max(embedded, key=lambda j: int(j.result["size"]))
    codec = artifact(
        client, client.job(job.result["codec_job"]), "codec.safetensors", folder / "codec.safetensors"
    )
    return codec, artifact(client, job, "vectors.safetensors", folder / "vectors.safetensors")
