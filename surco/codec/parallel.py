"""Clips side by side on a CPU, each on a thread of its own.

PyTorch's threads share every single operation and wait for each other, spinning, thousands of times in a
clip. On a machine that has other work, each of those waits lasts until the other thread is let on again:
70 s of music took 86 s to decode where a thread a clip took 0.9 s. Nor does a clip's sound then hang on
the batch it came in.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor


def clip_by_clip(function: Callable[[Tensor], Tensor], clips: Tensor, at_once: int = 1) -> Tensor:
    """`function` of clips (B, ...), `at_once` of them a call; on a GPU, all of them in one call.

    Uses as many threads as `torch.get_num_threads()` says, and leaves that number as it was.
    """
    if clips.device.type != "cpu":
        return function(clips)
    threads, parts = torch.get_num_threads(), clips.split(at_once)
    try:
        with ThreadPoolExecutor(
            min(threads, len(parts)), "clip", initializer=torch.set_num_threads, initargs=(1,)
        ) as pool:
            return torch.cat(list(pool.map(function, parts)))
    finally:
        torch.set_num_threads(threads)
