"""Training: it learns, it resumes bit for bit, and its crops are the mels they claim to be."""

from pathlib import Path

import pytest
import torch

from surco.audio.mel import LogMel, MelConfig, normalise_loudness
from surco.codec import Codec, CodecConfig
from surco.codec.mel_pool import Augment, MelPool
from surco.codec.training import (
    State,
    TrainConfig,
    draw_sizes,
    fit,
    load_state,
    save_state,
    schedule,
    train_step,
    valid_error,
)
from surco.errors import InputError

SHAPE = CodecConfig(
    size=64, rank=24, encoder_width=32, encoder_depth=1, decoder_width=32, decoder_depth=1, heads=2
)
QUIET = TrainConfig(steps=8, batch_size=4, warmup=2, smallest=8, largest=64, bf16=False, mix=0.3, bend=0.05)
PLAIN = Augment(tilt_db=0)


@pytest.fixture(scope="module")
def waves() -> list[torch.Tensor]:
    """Eight tracks of 8 s: chirps whose harmonics rise and fall."""
    t = torch.arange(8 * 22_050) / 22_050
    rng = torch.Generator().manual_seed(3)
    out = []
    for i in range(8):
        phase = torch.cumsum(150 + 40 * i + 60 * torch.sin(0.7 * (i + 1) * t), 0) * (2 * torch.pi / 22_050)
        tone = sum(torch.sin(h * phase) / h for h in range(1, 6)) * (
            0.6 + 0.4 * torch.sin(5 * t * (1 + i % 2))
        )
        out.append(0.05 * tone + 0.002 * torch.randn(len(t), generator=rng))
    return out


@pytest.fixture(scope="module")
def pool(waves: list[torch.Tensor]) -> MelPool:
    return MelPool.from_waves(waves)


def fresh(pool: MelPool) -> Codec:
    torch.manual_seed(0)
    codec = Codec(SHAPE)
    codec.fit_linear([pool.batch(16, 0, i, PLAIN, codec.mel) for i in range(3)])
    return codec


def test_a_crop_is_the_mel_of_its_wave(waves: list[torch.Tensor], pool: MelPool) -> None:
    config = MelConfig()
    for frame in (0, 100):
        piece = waves[0][frame * 256 : frame * 256 + 110_250]
        mel = LogMel(config)(normalise_loudness(piece[None], config)[0])[0]
        crop = pool.crop(torch.tensor([frame]), config)[0]
        assert (mel - crop)[
            :, 2:-2
        ].abs().max() < 0.2  # the ends differ where the clip is reflected, the track goes on


def test_a_track_of_one_clip_gives_that_clip(waves: list[torch.Tensor]) -> None:
    config = MelConfig()
    clips = [w[:110_250] for w in waves[:3]]
    pool = MelPool.from_waves(clips)
    mel = LogMel(config)(normalise_loudness(torch.stack(clips), config)[0])
    assert (pool.crop(torch.arange(3), config) - mel).abs().max() < 0.2


def test_pool_on_disk_equals_pool_in_memory(waves: list[torch.Tensor], pool: MelPool, tmp_path: Path) -> None:
    MelPool.write(tmp_path, waves)
    other = MelPool.open(tmp_path)
    for step in (0, 7):
        a, b = (p.batch(4, 3, step, Augment(bend=0.1, mix=0.5), MelConfig()) for p in (pool, other))
        assert torch.equal(a, b)


def test_batches_follow_from_seed_and_step(pool: MelPool) -> None:
    config = MelConfig()
    first = pool.batch(4, 1, 5, Augment(), config)
    assert torch.equal(first, pool.batch(4, 1, 5, Augment(), config))
    assert not torch.equal(first, pool.batch(4, 1, 6, Augment(), config))
    assert not torch.equal(first, pool.batch(4, 2, 5, Augment(), config))
    assert first.min() >= config.floor_db


def test_refuses_tracks_shorter_than_a_clip() -> None:
    with pytest.raises(InputError, match="5 s"):
        MelPool.from_waves([torch.zeros(20_000)])


def test_sizes_drawn_stay_inside_and_meet_the_protocol() -> None:
    sizes = draw_sizes(400, TrainConfig(smallest=32, largest=1024), torch.Generator().manual_seed(0))
    assert sizes.min() >= 32 and sizes.max() <= 1024
    assert (sizes == 128).sum() > 10
    one = draw_sizes(9, TrainConfig(smallest=100, largest=100), torch.Generator().manual_seed(0))
    assert (one == 100).all()


def test_schedule_rises_and_ends_at_zero() -> None:
    config = TrainConfig(steps=100, warmup=10)
    rates = [schedule(i, config) for i in range(101)]
    assert rates[0] < rates[5] < rates[10] and rates[100] == 0


def test_training_beats_the_linear_optimum_it_starts_from(pool: MelPool) -> None:
    config = TrainConfig(
        steps=50,
        batch_size=8,
        warmup=4,
        smallest=8,
        largest=8,
        bf16=False,
        tilt_db=0,
        ema=0.8,
        other_lr=6e-3,
        matrix_lr=0.03,
    )
    codec = fresh(pool)
    mel = pool.batch(32, 99, 0, PLAIN, codec.mel)
    before = valid_error(codec, mel, (8,))[8]
    state = State.start(codec, config)
    for _ in fit(state, pool, config):
        pass
    assert valid_error(state.averaged(), mel, (8,))[8] < 0.97 * before


def test_a_resumed_run_ends_in_the_same_weights(pool: MelPool, tmp_path: Path) -> None:
    straight = State.start(fresh(pool), QUIET)
    for _ in fit(straight, pool, QUIET):
        pass
    killed = State.start(fresh(pool), QUIET)
    for _ in fit(killed, pool, QUIET):
        if killed.step == 3:
            break
    save_state(killed, QUIET, tmp_path)
    resumed = load_state(Codec(SHAPE), QUIET, tmp_path)
    assert resumed.step == 3
    for _ in fit(resumed, pool, QUIET):
        pass
    for name, value in straight.codec.state_dict().items():
        assert torch.equal(value, resumed.codec.state_dict()[name]), name
    for name, value in straight.ema.items():
        assert torch.equal(value, resumed.ema[name]), name


def test_a_checkpoint_of_another_run_is_refused(pool: MelPool, tmp_path: Path) -> None:
    save_state(State.start(fresh(pool), QUIET), QUIET, tmp_path)
    with pytest.raises(InputError, match="another training run"):
        load_state(Codec(SHAPE), TrainConfig(steps=9), tmp_path)


def test_a_step_without_finite_gradient_changes_nothing(pool: MelPool) -> None:
    state = State.start(fresh(pool), QUIET)
    before = {name: p.detach().clone() for name, p in state.codec.named_parameters()}
    train_step(state, torch.full((2, 80, 431), float("nan")), QUIET)
    assert state.skipped == 1 and state.step == 1
    assert all(torch.equal(before[name], p) for name, p in state.codec.named_parameters())
