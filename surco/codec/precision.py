"""Where matrices are multiplied in bfloat16, and Muon in single precision where they are not."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def bf16_is_fast(device: torch.device) -> bool:
    """Whether matrices multiply faster in bfloat16: on GPUs, and on CPUs with instructions for it."""
    asked = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    return device.type == "cuda" or (device.type == "cpu" and asked())


class Muon(torch.optim.Muon):
    """`torch.optim.Muon`, in single precision on devices that are slow at bfloat16.

    PyTorch's own orthogonalises in bfloat16 everywhere, and a CPU without instructions for that multiplies
    number by number: most of a training step was spent so.
    Source: Jordan and others, Muon (2024), https://kellerjordan.github.io/posts/muon/
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step, as `torch.optim.Muon.step`; checkpoints of either are the other's."""
        if bf16_is_fast(self.param_groups[0]["params"][0].device):
            return super().step(closure)  # type: ignore[no-untyped-call]
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for p in group["params"]:  # (N, M)
                if p.grad is None:
                    continue
                state = self.state[p]
                if "momentum_buffer" not in state:
                    state["momentum_buffer"] = torch.zeros_like(p.grad)
                buffer = state["momentum_buffer"].lerp_(p.grad, 1 - group["momentum"])  # (N, M)
                update = p.grad.lerp(buffer, group["momentum"]) if group["nesterov"] else buffer
                rate = group["lr"] * max(1.0, p.shape[0] / p.shape[1]) ** 0.5
                p.mul_(1 - group["lr"] * group["weight_decay"])
                turned = orthogonal(update, group["ns_coefficients"], group["ns_steps"], group["eps"])
                p.add_(turned, alpha=-rate)
        return loss


def orthogonal(update: Tensor, coefficients: tuple[float, float, float], steps: int, eps: float) -> Tensor:
    """A matrix (N, M) with its singular values brought near 1, by Newton and Schulz's iteration."""
    a, b, c = coefficients
    wide = update.T if update.shape[0] > update.shape[1] else update
    x = wide / wide.norm().clamp(min=eps)  # (n, m), n <= m
    for _ in range(steps):
        gram = x @ x.T  # (n, n)
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if update.shape[0] > update.shape[1] else x
