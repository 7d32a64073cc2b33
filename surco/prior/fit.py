"""Fit a prior to a set of vectors: whiten, pair neighbours, train, keep the best average."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch

from surco.errors import InputError
from surco.latents.vectors import VectorSet
from surco.prior.flow import DEEP_FROM, Data, FlowConfig, State, new_state, train_step, valid_loss
from surco.prior.prior import Prior
from surco.prior.prior_report import Curve
from surco.prior.sequence import Neighbours, find_neighbours, step_correlation
from surco.prior.whiten import Whitener, fit_whitener

EVERY = 100  # steps between two looks at the valid split


@dataclass
class Fitting:
    """A fit under way: what is known in closed form, the data, and the state to step on."""

    whitener: Whitener
    neighbours: Neighbours
    train: Data
    valid: Data
    config: FlowConfig
    codec: str
    dataset: str
    state: State

    @property
    def weight(self) -> torch.Tensor:
        return torch.from_numpy(self.whitener.weight).to(self.train.z)  # (D,)


def as_data(vectors: VectorSet, whitener: Whitener, neighbours: Neighbours, device: str = "cpu") -> Data:
    """Whitened tensors of a set."""
    return Data(
        torch.from_numpy(whitener.forward(vectors.vectors)).to(device),  # (N, D)
        torch.tensor([whitener.label(g) for g in vectors.genres], dtype=torch.long, device=device),  # (N,)
        torch.from_numpy(neighbours.previous.astype(np.int64)).to(device),  # (N,)
    )


def prepare_fit(
    vectors: VectorSet, config: FlowConfig, starts: dict[str, float] | None = None, *, device: str = "cpu"
) -> Fitting:
    """Everything before the first step. `starts` gives where in its track each clip begins, in seconds."""
    train, valid = vectors.take(split="train"), vectors.take(split="valid")
    if config.depth is None:
        config = replace(config, depth=3 if len(train) >= DEEP_FROM else 0)
    whitener = fit_whitener(train.vectors, train.genres, train.tracks)
    unknown = sorted(set(valid.genres) - set(whitener.genres))
    if unknown:
        raise InputError(
            f"Genre '{unknown[0]}' has valid clips and no training clip; prepare the data again."
        )

    def pairs(part: VectorSet) -> Neighbours:
        where = [starts[c] for c in part.clips] if starts is not None else None
        return find_neighbours(part.tracks, where)

    known = pairs(train)
    held = pairs(valid)
    if known.kind == "none" or held.kind != known.kind:
        held = replace(held, previous=np.full(len(valid), -1))
    data, unseen = as_data(train, whitener, known, device), as_data(valid, whitener, held, device)
    labels = data.genre.cpu().numpy()
    memory = step_correlation(data.z.cpu().numpy(), whitener.centres, labels, known.previous)
    state = new_state(vectors.size, whitener.centres, memory, config, device=device)
    return Fitting(whitener, known, data, unseen, config, vectors.codec, vectors.dataset, state)


def train_prior(
    fitting: Fitting,
    *,
    curve: Curve | None = None,
    on_look: Callable[[State, Curve], None] = lambda state, curve: None,
) -> tuple[Prior, Curve]:
    """Train to the last step and return the average weights that were best on valid.

    `on_look` is called every 100 steps, with what a checkpoint must hold: the state and the curve. A
    resumed fit passes both back (`fitting.state` and `curve`) and ends where an undisturbed one would.
    """
    config, state = fitting.config, fitting.state
    curve = curve or Curve(step=[0], train=[1.0], valid=[_held(fitting, state)])
    losses: list[float] = []
    while state.step < config.steps and state.step - curve.best_step < config.patience:
        state, loss = train_step(state, fitting.train, fitting.weight, config)
        losses.append(loss)
        if state.step % EVERY == 0 or state.step == config.steps:
            held = _held(fitting, state)
            if held < min(curve.valid):
                state.best.load_state_dict(state.ema.state_dict())
                curve.best_step = state.step
            curve.step.append(state.step)
            curve.train.append(float(np.mean(losses)))
            curve.valid.append(held)
            losses = []
            on_look(state, curve)
    fitting.state = state
    kind = fitting.neighbours.kind
    best = state.best.cpu().eval()
    return Prior(fitting.whitener, best, fitting.codec, fitting.dataset, kind), curve


def _held(fitting: Fitting, state: State) -> float:
    return valid_loss(state.ema, fitting.valid, fitting.weight, seed=fitting.config.seed)
