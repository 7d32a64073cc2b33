"""Encode and decode in times real time, beside EnCodec's and DAC's own models on the same cores in one run.

    python -m benchmarks.speed

EnCodec (24 kHz) and DAC (44.1 kHz) stand at their published shape with random weights, which cost the same
time; their quantisers are left out, in their favour. Needs no corpus. Writes `benchmarks/results/speed.md`
and `speed.json`.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks import machine
from surco.codec import SAMPLES, Codec
from surco.codec.mel_pool import MelPool
from surco.codec.training import State, TrainConfig, fit
from surco.files import write_bytes

SECONDS = 5.0  # of a clip; DAC's, which are slow, are a second long

# clips by their number, their seconds, encode, decode
System = tuple[Callable[[int], Tensor], float, Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]


def surco(size: int) -> System:
    """The shipped codec at one size."""
    codec = Codec.load().eval()
    generator = torch.Generator().manual_seed(0)
    return (
        lambda batch: 0.1 * torch.randn(batch, SAMPLES, generator=generator),
        SECONDS,
        lambda wave: codec.encode(wave, size),
        codec.decode,
    )


def encodec() -> System:
    """EnCodec's 24 kHz model: causal SEANet, 32 filters, ratios 8, 5, 4, 2."""
    from encodec.modules import SEANetDecoder, SEANetEncoder

    encoder, decoder = SEANetEncoder(causal=True).eval(), SEANetDecoder(causal=True).eval()
    return lambda batch: 0.1 * torch.randn(batch, 1, int(24_000 * SECONDS)), SECONDS, encoder, decoder


def dac() -> System:
    """DAC's 44.1 kHz model."""
    from dac.model.dac import Decoder, Encoder

    encoder, decoder = Encoder(d_latent=1024).eval(), Decoder(1024, 1536, [8, 8, 4, 2]).eval()
    length = 44_100 // 512 * 512
    return lambda batch: 0.1 * torch.randn(batch, 1, length), length / 44_100, encoder, decoder


def seconds(function: Callable[[], Any], repeats: int) -> float:
    """The quickest of several runs: what the cores can do when nothing else runs in between."""
    function()
    found = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        found.append(time.perf_counter() - start)
        if sum(found) > 20:
            break
    return min(found)


def measure(system: System, batch: int, repeats: int) -> dict[str, float]:
    """Times real time of encoding and decoding a batch of clips."""
    clips, length, encode, decode = system
    with torch.inference_mode():
        wave = clips(batch)
        vector = encode(wave)
        sound = length * batch
        return {
            "encode": sound / seconds(lambda: encode(wave), repeats),
            "decode": sound / seconds(lambda: decode(vector), repeats),
        }


def training_speed(*, batch: int, steps: int) -> dict[str, float]:
    """Clips a second of training the shipped codec's shape, and the share of a step spent outside the model.

    The music is made up; a step costs the same on any.
    """
    generator = torch.Generator().manual_seed(0)
    waves = [0.1 * torch.randn(20 * 22_050, generator=generator) for _ in range(8)]  # (T,) each
    config = TrainConfig(steps=steps + 1, batch_size=batch)
    state = State.start(Codec(Codec.load().config), config)
    run = fit(state, MelPool.from_waves(waves), config)
    next(run)  # the first step also sets things up
    start, model = time.perf_counter(), 0.0
    for metrics in run:
        model += metrics["time/model_s"]
    wall = time.perf_counter() - start
    return {
        "batch": batch,
        "steps": steps,
        "clips_per_second": batch * steps / wall,
        "other_share": 1 - model / wall,
    }


def markdown(document: dict[str, Any]) -> str:
    about = document["about"]
    lines = ["# Speed", "", f"`{about['command']}`", "", f"Commit {about['commit']}; {about['machine']}.", ""]
    lines += ["Times real time, the quickest of several runs; ratios are Surco's over the other's.", ""]
    lines += [
        "| system | batch | encode | decode | encode ratio | decode ratio |",
        "|---|---|---|---|---|---|",
    ]
    for row in document["rows"]:
        ratios = [f"{row[k]:.1f} ×" if k in row else "–" for k in ("encode_ratio", "decode_ratio")]
        told = [f"{row[k]:.1f} ×" for k in ("encode", "decode")]
        lines.append(f"| {row['system']} | {row['batch']} | {' | '.join(told + ratios)} |")
    lines += [f"\nLeft out: {reason}." for reason in document["left_out"]]
    if document["training"]:
        t = document["training"]
        lines += [
            "",
            f"Training the codec, batch {t['batch']}: {t['clips_per_second']:.1f} clips/s; "
            f"{100 * t['other_share']:.1f} % of a step is not the model's own compute.",
        ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Encode, decode and train: how fast, beside EnCodec and DAC."
    )
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--train-batch", type=int, default=32)
    parser.add_argument("--corpus", help="not needed; taken so that both benchmarks accept the same words")
    parser.add_argument("--out", type=Path, default=machine.RESULTS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    rows: list[dict[str, Any]] = []
    left_out = []
    makers: dict[str, Callable[[], System]] = {
        f"surco {options.size}": lambda: surco(options.size),
        "EnCodec 24 kHz": encodec,
        "DAC 44.1 kHz": dac,
    }
    for name, make in makers.items():
        try:
            system = make()
        except ImportError as error:
            left_out.append(f"{name} ({error}; see benchmarks/peers/requirements.txt)")
            continue
        for batch in options.batches:
            rows.append({"system": name, "batch": batch, **measure(system, batch, options.repeats)})
            print({k: round(v, 2) if isinstance(v, float) else v for k, v in rows[-1].items()}, flush=True)
    ours = {row["batch"]: row for row in rows if row["system"].startswith("surco")}
    for row in rows:
        if not row["system"].startswith("surco"):
            for way in ("encode", "decode"):
                row[f"{way}_ratio"] = ours[row["batch"]][way] / row[way]
    command = f"python -m benchmarks.speed --threads {options.threads} --repeats {options.repeats}"
    command += f" --batches {' '.join(map(str, options.batches))} --train-batch {options.train_batch}"
    document = {
        "about": {"command": command, "commit": machine.commit(), "machine": machine.kind()},
        "rows": rows,
        "left_out": left_out,
        "training": training_speed(batch=options.train_batch, steps=options.repeats),
    }
    write_bytes(options.out / "speed.json", json.dumps(document, indent=1).encode())
    write_bytes(options.out / "speed.md", markdown(document).encode())
    print(markdown(document))


if __name__ == "__main__":
    main()
