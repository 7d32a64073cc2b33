"""Training state: the running average, and a run on disk (safetensors and JSON), continued bit for bit.

The trainers of codec, vocoder, texture and prior share this; what a state holds stays with each of them.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor
from torch.optim import Optimizer

from surco.errors import InputError
from surco.files import regular_file, write_bytes
from surco.tensors import all_tensors, broken_file, open_tensors


def save_training_state(
    folder: Path,
    groups: Mapping[str, Mapping[str, Tensor]],
    optimisers: Mapping[str, Optimizer],
    facts: Mapping[str, Any],
) -> None:
    """Write `state.safetensors` and `state.json`.

    Parameters
    ----------
    folder : made if it is not there
    groups : by name, tensors by name, such as a network's `state_dict`
    optimisers : by name; of each the moments are kept, not the settings
    facts : step, configuration and whatever else is plain data
    """
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {f"{group}/{name}": value for group, found in groups.items() for name, value in found.items()}
    for label, optimiser in optimisers.items():
        for index, slots in optimiser.state_dict()["state"].items():
            tensors |= {f"{label}/{index}/{name}": torch.as_tensor(v) for name, v in slots.items()}
    tensors = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    write_bytes(folder / "state.safetensors", save(tensors))
    write_bytes(folder / "state.json", json.dumps(dict(facts)).encode())


@torch.no_grad()
def update_average(averages: Iterable[Tensor], weights: Iterable[Tensor], *, decay: float, step: int) -> None:
    """Move running averages of weights towards them, in place: by 1 - decay, further in the first steps.

    `step` counts from 1.
    """
    keep = min(decay, step / (step + 10))
    torch._foreach_lerp_(list(averages), list(weights), 1 - keep)


class TrainingState:
    """What `save_training_state` wrote.

    Attributes
    ----------
    facts : as they were given
    """

    def __init__(self, folder: Path, *, config: Mapping[str, Any] | None = None):
        """Read it; with `config`, an InputError where it is of a run of another configuration."""
        remedy = "start without it"
        with broken_file(folder, "a checkpoint", remedy):
            text = regular_file(folder / "state.json").read_text(encoding="utf-8")
            self.facts: dict[str, Any] = dict(json.loads(text))
            known = self.facts["config"] if config is not None else {}
            if config is not None and {n: known.get(n) for n in config} != json.loads(
                json.dumps(dict(config))
            ):
                raise InputError(f"The checkpoint in {folder} is of another training run; {remedy}.")
            with open_tensors(folder / "state.safetensors", "pt") as file:
                self._tensors: dict[str, Tensor] = all_tensors(file)

    def group(self, name: str, device: str | torch.device = "cpu") -> dict[str, Tensor]:
        """The tensors of a group, by name."""
        return {
            key.removeprefix(f"{name}/"): value.to(device)
            for key, value in self._tensors.items()
            if key.startswith(f"{name}/")
        }

    def restore(self, name: str, optimiser: Optimizer) -> None:
        """Give an optimiser its moments back; torch puts them where its parameters lie."""
        slots: dict[int, dict[str, Tensor]] = {}
        for key, value in self.group(name).items():
            index, slot = key.split("/", 1)
            slots.setdefault(int(index), {})[slot] = value
        if slots:
            optimiser.load_state_dict({**optimiser.state_dict(), "state": slots})
