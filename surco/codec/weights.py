"""Weights in one safetensors file with the configuration they belong to."""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors.torch import save
from torch import Tensor, nn

from surco.errors import InputError
from surco.files import write_bytes
from surco.tensors import all_tensors, broken_file, header, open_tensors

T = TypeVar("T")


@dataclass(frozen=True)
class WeightsFile:
    """A kind of weights file: the name and version of its format, what it holds, and what writes it."""

    format: str
    holds: str
    writer: str

    def write(self, path: str | Path, tensors: Mapping[str, Tensor], **facts: Any) -> None:
        """Write tensors and facts, whole or not at all; the same ones are the same bytes."""
        # One key: safetensors writes several in no fixed order.
        about = {"surco": json.dumps({"format": self.format, **facts}, sort_keys=True)}
        write_bytes(path, save(dict(tensors), about))

    def read(self, path: str | Path, build: Callable[[dict[str, Any], dict[str, Tensor]], T]) -> T:
        """What `build` makes of a file's facts and tensors.

        Raises InputError if there is no such file, it is of another kind, or `build` cannot use it.
        """
        path = Path(path)
        if not os.path.exists(path):
            raise InputError(f"No {self.holds} weights at {path}; give a file that {self.writer} wrote.")
        with broken_file(path, f"{self.holds} weights of this version", f"have {self.writer} write it again"):
            with open_tensors(path, "pt") as file:
                facts = header(file, "surco") if "surco" in (file.metadata() or {}) else {}
                if facts.get("format") != self.format:
                    raise InputError(
                        f"{path} holds no {self.holds} of this version; give a file that {self.writer} wrote."
                    )
                tensors = all_tensors(file)
            return build(facts, tensors)


def half(network: nn.Module) -> dict[str, Tensor]:
    """A network's weights in half precision, on the CPU."""
    state = network.state_dict()
    return {k: v.detach().to("cpu", torch.float16).contiguous() for k, v in state.items()}
