from pathlib import Path

import pytest
import torch

from surco.codec.vocoder import VocoderConfig
from surco.codec.vocoder_training import (
    VocoderTrainConfig,
    batch,
    learning_rate,
    load_state,
    new_state,
    save_state,
    tones,
    train_step,
)
from surco.errors import InputError

CONFIG = VocoderTrainConfig(
    model=VocoderConfig(dim=32, depth=1, turned_bins=64),
    steps=30,
    batch_size=4,
    crop_frames=16,
    lr=5e-3,
    warmup=2,
    ema=0.9,
    tones_share=0.25,
    bf16=False,
)


def waves() -> torch.Tensor:
    """Six clips (6, T) int16 of a few partials each."""
    random = torch.Generator().manual_seed(3)
    t = torch.arange(12_000) / 22_050
    pitch = 100 + 900 * torch.rand(6, 4, 1, generator=random)
    tones = torch.sin(2 * torch.pi * pitch * t).mean(1) + 0.02 * torch.randn(6, 12_000, generator=random)
    return (tones * 8_000).to(torch.int16)


def test_batches_follow_from_seed_and_step() -> None:
    one, again, other = (batch(waves(), CONFIG, step) for step in (5, 5, 6))
    assert one.wave.shape == (4, 16 * 256) and one.log_mel.shape == (4, 80, 17)
    assert torch.equal(one.wave, again.wave)
    assert not torch.equal(one.wave, other.wave)
    loud = one.wave.pow(2).mean(1).sqrt().log10() * 20
    assert ((loud > -25) & (loud < -15)).all()


def test_spoilt_share_is_spoilt_and_aligned() -> None:
    clean = batch(waves(), CONFIG, 1)
    same = batch(waves(), CONFIG, 1, lambda mel, random: mel)
    worse = batch(waves(), CONFIG, 1, lambda mel, random: mel - 7.0)
    inner = slice(3, -3)  # a crop's own edges are reflected, a whole clip's are not
    assert torch.allclose(same.log_mel[..., inner], clean.log_mel[..., inner], atol=1e-2)
    assert torch.allclose(worse.log_mel[0, :, inner], clean.log_mel[0, :, inner] - 7, atol=1e-2)
    assert torch.equal(worse.log_mel[1:], clean.log_mel[1:])  # 0.4 of 4 crops


def test_tones_are_notes_at_the_fixed_loudness() -> None:
    made = tones(3, 22_050, torch.Generator().manual_seed(0))
    assert torch.allclose(made.pow(2).mean(1).sqrt(), torch.tensor(0.1), rtol=1e-3)
    spectrum = torch.fft.rfft(made).abs().square()  # (3, F)
    strongest = spectrum.topk(100, dim=1).values.sum(1) / spectrum.sum(1)
    assert (strongest > 0.8).all()  # a hundredth of the bins holds most of the power


def test_short_clips_are_refused() -> None:
    with pytest.raises(InputError, match="crop_frames"):
        batch(torch.zeros(2, 1000), CONFIG, 0)


def test_learning_lowers_every_part_of_the_loss() -> None:
    state, data = new_state(CONFIG), batch(waves(), CONFIG, 0)
    first = train_step(state, data, CONFIG)
    for _ in range(1, CONFIG.steps):
        last = train_step(state, data, CONFIG)
    for part in ("magnitude", "advance", "delay"):
        assert last[part] < 0.95 * first[part]


def test_resumed_run_is_the_same_bit_for_bit(tmp_path: Path) -> None:
    whole = new_state(CONFIG)
    for step in range(4):
        train_step(whole, batch(waves(), CONFIG, step), CONFIG)
    part = new_state(CONFIG)
    for step in range(2):
        train_step(part, batch(waves(), CONFIG, step), CONFIG)
    save_state(part, CONFIG, tmp_path)
    part = load_state(CONFIG, tmp_path)
    assert part.step == 2
    for step in range(2, 4):
        train_step(part, batch(waves(), CONFIG, step), CONFIG)
    for name in ("model", "ema"):
        ours, theirs = getattr(part, name).state_dict(), getattr(whole, name).state_dict()
        assert all(torch.equal(ours[key], theirs[key]) for key in theirs)


def test_a_step_without_a_finite_gradient_changes_nothing() -> None:
    state = new_state(CONFIG)
    before = [p.clone() for p in state.model.parameters()]
    data = batch(waves(), CONFIG, 0)
    data.wave[0, 0] = float("nan")
    train_step(state, data, CONFIG)
    assert state.skipped == 1 and state.step == 1
    assert all(torch.equal(a, b) for a, b in zip(before, state.model.parameters(), strict=True))


def test_another_shape_cannot_be_started_from() -> None:
    other = new_state(VocoderTrainConfig(model=VocoderConfig(dim=16, depth=1, turned_bins=64))).model
    with pytest.raises(InputError, match="another shape"):
        new_state(CONFIG, init=other)


def test_learning_rate_rises_then_falls() -> None:
    rates = [learning_rate(CONFIG, step) for step in range(CONFIG.steps + 1)]
    assert max(rates) == pytest.approx(CONFIG.lr) and rates.index(max(rates)) <= 2
    assert rates[-1] == pytest.approx(0.02 * CONFIG.lr)
