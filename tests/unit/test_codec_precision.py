"""Muon in single precision: PyTorch's own up to bfloat16's rounding, and the same checkpoints."""

import pytest
import torch

from surco.codec import precision
from surco.codec.precision import Muon, orthogonal


@pytest.fixture
def no_bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "bf16_is_fast", lambda device: False)


def stepped(kind: type[torch.optim.Muon], steps: int = 3) -> torch.Tensor:
    torch.manual_seed(0)
    p = torch.nn.Parameter(torch.zeros(24, 16))
    optimizer = kind([p], lr=0.1, weight_decay=0.1, momentum=0.9)
    for _ in range(steps):
        p.grad = torch.randn(24, 16)
        optimizer.step()
    return p.detach()


@pytest.mark.usefixtures("no_bf16")
def test_it_goes_where_pytorchs_own_goes() -> None:
    ours, theirs = stepped(Muon), stepped(torch.optim.Muon)
    assert torch.nn.functional.cosine_similarity(ours.flatten(), theirs.flatten(), 0) > 0.999
    assert (ours - theirs).abs().max() < 0.02 * theirs.abs().max()


@pytest.mark.usefixtures("no_bf16")
def test_a_checkpoint_of_either_goes_on_in_the_other() -> None:
    p = torch.nn.Parameter(torch.ones(4, 6))
    p.grad = torch.randn(4, 6, generator=torch.Generator().manual_seed(1))
    ours = Muon([p], lr=0.1)
    ours.step()
    theirs = torch.optim.Muon([p], lr=0.1)
    theirs.load_state_dict(ours.state_dict())
    assert torch.equal(theirs.state[p]["momentum_buffer"], ours.state[p]["momentum_buffer"])


@pytest.mark.usefixtures("no_bf16")
def test_a_parameter_without_a_gradient_stays_and_the_closures_loss_comes_back() -> None:
    p = torch.nn.Parameter(torch.ones(4, 6))
    assert Muon([p], lr=0.1).step(lambda: 7.0) == 7.0
    assert torch.equal(p.detach(), torch.ones(4, 6))


@pytest.mark.parametrize("shape", [(40, 8), (8, 40), (12, 12)])
def test_singular_values_come_near_one(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    found = orthogonal(torch.randn(shape), (3.4445, -4.775, 2.0315), 5, 1e-7)
    values = torch.linalg.svdvals(found)
    assert found.shape == shape and values.min() > 0.4 and values.max() < 1.3
