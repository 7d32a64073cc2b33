from pathlib import Path

import pytest
import torch

from surco.audio.mel import MelConfig
from surco.codec import Codec, Texture
from surco.codec.linear import to_patches
from surco.codec.texture import TextureConfig
from surco.codec.vector_layout import mel_size, places
from surco.errors import InputError

SMALL = TextureConfig(dim=16, depth=1)


def rng(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_strength_zero_changes_nothing() -> None:
    decoded = -60 + 10 * torch.rand(2, 80, 20, generator=rng(0))
    torch.testing.assert_close(Texture.load()(decoded, 128, strength=0), decoded)


def test_a_seed_is_a_texture() -> None:
    texture, decoded = Texture.load(), torch.full((1, 80, 40), -40.0)
    one, again, other = (texture(decoded, 128, seed=s) for s in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.allclose(one, other)


def test_without_a_strength_each_range_of_bands_has_its_share() -> None:
    texture, decoded = Texture.load(), torch.full((1, 80, 20), -40.0)
    whole, chosen = (texture(decoded, 128, strength=s) - decoded for s in (1.0, None))
    low, middle, high = texture.config.shares
    torch.testing.assert_close(chosen[:, :24], low * whole[:, :24], atol=1e-4, rtol=0)
    torch.testing.assert_close(chosen[:, 24:52], middle * whole[:, 24:52], atol=1e-4, rtol=0)
    torch.testing.assert_close(chosen[:, 52:], high * whole[:, 52:], atol=1e-4, rtol=0)


def test_a_clip_does_not_hang_on_its_batch() -> None:
    decoded = -60 + 10 * torch.rand(3, 80, 20, generator=rng(0))
    texture = Texture.load()
    torch.testing.assert_close(texture(decoded, 64)[1:2], texture(decoded[1:2], 64), atol=1e-3, rtol=0)


def test_silence_stays_silent() -> None:
    silence = torch.full((1, 80, 20), -80.0)
    assert torch.equal(Texture.load()(silence, 256), silence)


def test_an_untrained_one_changes_nothing() -> None:
    decoded = -60 + 10 * torch.rand(2, 80, 20, generator=rng(0))
    assert torch.equal(Texture(SMALL).eval()(decoded, 64), decoded)


def test_it_learns_how_loud_a_grain_is_from_sorted_values_alone() -> None:
    """Where true log-mels have a grain of 3 dB, at unknown places, so do drawn ones after training."""
    torch.manual_seed(0)
    texture = Texture(SMALL, MelConfig(n_mels=4))
    optimiser = torch.optim.Adam(texture.parameters(), 1e-2)
    decoded, sizes = torch.full((8, 4, 32), -40.0), torch.full((8,), 64.0)
    for step in range(150):
        true = decoded + 3 * torch.randn(decoded.shape, generator=rng(step))
        made = decoded + texture.change(decoded, sizes, texture.noise(rng(1000 + step), 32, 8))
        loss = (made.sort(-1)[0] - true.sort(-1)[0]).abs().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    drawn = texture.eval()(decoded, 64, strength=1)
    assert 2 < drawn.std() < 4
    assert (drawn.mean() + 40).abs() < 1


def test_a_texture_leaves_what_the_vector_knows() -> None:
    """The linear coefficients of a change that `Codec.unseen` lets through are nearly zero."""
    codec, size = Codec.load(), 256
    vector = codec.encode(0.1 * torch.randn(1, 110_250, generator=rng(0)), size)
    plain = codec.decode_mel(vector)
    change = codec.unseen(torch.randn(plain.shape, generator=rng(1)), torch.tensor([float(size)]))
    seen = codec.linear.analyse(to_patches(change) @ codec.linear.basis)[0]  # (K,)
    # the frame that fills the last patch is cut off again, and with it a little of what was taken out
    assert seen[: mel_size(size) - 1].square().mean() < 0.01 * seen[mel_size(size) - 1 :].square().mean()
    texture = Texture.load()
    free = texture(plain, size)
    kept = codec.textured(plain, size, texture)
    moved, still = (
        (codec.encode_mel(m)[:, : mel_size(size) - 1] - vector[:, places(size)[0][1:]]).norm()
        for m in (free, kept)
    )
    assert still < moved


def test_saved_and_loaded_it_draws_the_same(tmp_path: Path) -> None:
    texture = Texture(SMALL).half().float()
    torch.nn.init.normal_(texture.last.weight)
    texture.half().float().save(tmp_path / "t.safetensors")
    again = Texture.load(tmp_path / "t.safetensors")
    decoded = torch.full((1, 80, 8), -40.0)
    assert torch.equal(again(decoded, 64), texture.eval()(decoded, 64))


def test_the_codec_decodes_with_it() -> None:
    codec = Codec.load()
    vector = codec.encode(0.1 * torch.randn(1, 110_250, generator=rng(0)), 64)
    plain, drawn = codec.decode(vector), codec.decode(vector, texture=Texture.load())
    assert drawn.shape == plain.shape
    assert not torch.allclose(drawn, plain, atol=1e-3)


def test_bad_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No texture weights"):
        Texture.load(tmp_path / "none.safetensors")
    bad = tmp_path / "bad.safetensors"
    bad.write_bytes(b"nothing")
    with pytest.raises(InputError, match="damaged"):
        Texture.load(bad)
    with pytest.raises(InputError, match="between 0 and 2"):
        Texture(SMALL)(torch.zeros(1, 80, 8), 64, strength=3)
