"""`python -m surco.warm`: compile every kernel once, so that no job waits for a compiler.

`make setup`, the worker's image and a worker's start run it; where the cache is warm it ends at once.
With `--anew` the cache is thrown away first, as a worker does after a job died in native code.
"""

import sys
import time
from importlib.util import find_spec

SECONDS = 5.0


def compile_all() -> None:
    """Run a little of everything that compiles: coding, measuring, attributes, edits' baselines, maps."""
    import numpy as np
    import torch

    from surco.codec import Codec

    rng = np.random.default_rng(0)
    t = np.arange(round(SECONDS * 22_050)) / 22_050
    beat = 0.5 + 0.5 * np.sign(np.sin(2 * np.pi * 2 * t))
    wave = (0.3 * np.sin(2 * np.pi * 220 * t) * beat + 0.02 * rng.normal(size=len(t))).astype(np.float32)
    codec = Codec.load()
    with torch.inference_mode():
        for count in (1, 2):
            waves = torch.from_numpy(np.stack([wave] * count))
            decoded = codec.decode(codec.encode(waves, 64)).numpy()
    if find_spec("librosa") is None:
        return
    from librosa.effects import pitch_shift

    from surco.latents.attributes import measure_all
    from surco.metrics.score import score

    score(wave, decoded[0])
    measure_all(decoded)
    pitch_shift(decoded[0], sr=22_050, n_steps=2)
    if find_spec("umap") is not None:
        from surco.latents.maps import draw_map

        draw_map(rng.normal(size=(60, 8)), "UMAP")


def main() -> int:
    from surco import kernel_cache

    start = time.monotonic()
    if "--anew" in sys.argv[1:]:
        kernel_cache.drop(kernel_cache.key())
    if kernel_cache.is_warm(kernel_cache.key()):
        return 0
    print(f"compiling kernels into {kernel_cache.root()} (once)", flush=True)
    if kernel_cache.warm(kernel_cache.key(), compile_all):
        print(f"kernels compiled in {time.monotonic() - start:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
