"""The linear optimum: orthonormal, exact where it must be, and the protocol's Linear without rotation."""

import torch

from surco.codec.linear import TOKENS, LinearTransform, dct_matrix, from_patches, to_patches


def mels(count: int, seed: int = 0) -> torch.Tensor:
    """Log-mels (count, 10, 431) of a few slow and fast components, and noise."""
    rng = torch.Generator().manual_seed(seed)
    t = torch.arange(431) / 431
    shapes = torch.randn(6, 10, 1, generator=torch.Generator().manual_seed(9))
    waves = torch.stack([torch.cos(torch.pi * k * t) for k in (1, 2, 3, 10, 25, 40)])[:, None]
    weights = torch.randn(count, 6, 1, 1, generator=rng) * torch.tensor([9, 7, 5, 4, 3, 2])[:, None, None]
    return -40 + (weights * shapes * waves).sum(1) + 0.3 * torch.randn(count, 10, 431, generator=rng)


def test_patches_round_trip() -> None:
    mel = mels(3)
    assert to_patches(mel).shape == (3, TOKENS, 80)
    assert torch.equal(from_patches(to_patches(mel)), mel)


def test_dct_is_orthonormal() -> None:
    dct = dct_matrix(TOKENS)
    assert torch.allclose(dct.T @ dct, torch.eye(TOKENS), atol=1e-5)


def test_all_coefficients_give_the_clip_back() -> None:
    mel = mels(40)
    linear = LinearTransform(80, 80, 80 * TOKENS).fit([mel])
    coordinates = linear.coordinates(to_patches(mel))
    back = linear.patches(linear.synthesise(linear.analyse(coordinates)))
    assert torch.allclose(from_patches(back), mel, atol=1e-2)


def test_distance_between_coefficients_is_distance_between_log_mels() -> None:
    mel = mels(40)
    linear = LinearTransform(80, 80, 80 * TOKENS).fit([mel])
    z = linear.analyse(linear.coordinates(to_patches(mel)))
    patches = to_patches(mel).flatten(1)
    assert torch.allclose(torch.cdist(z[:4], z[4:8]), torch.cdist(patches[:4], patches[4:8]), rtol=1e-3)


def test_coefficients_are_ordered_by_spread_and_the_prefix_is_a_projection() -> None:
    mel = mels(60)
    linear = LinearTransform(80, 40, 200).fit([mel])
    z = linear.analyse(linear.coordinates(to_patches(mel)))
    assert (linear.spread.diff() <= 1e-6).all()
    again = linear.analyse(linear.synthesise(z[:, :50]))
    assert torch.allclose(again[:, :50], z[:, :50], atol=1e-3)
    assert again[:, 50:].abs().max() < 1e-3


def test_rotation_gathers_more_in_fewer_dimensions_on_unseen_clips() -> None:
    train, unseen = mels(400), mels(60, seed=5)
    errors = []
    for rotate in (False, True):
        linear = LinearTransform(80, 40, 60).fit([train[:200], train[200:]], rotate=rotate)
        x = linear.coordinates(to_patches(unseen))
        decoded = from_patches(linear.patches(linear.synthesise(linear.analyse(x)[:, :12])))
        errors.append(float((decoded - unseen).pow(2).mean()))
    assert errors[1] < 0.8 * errors[0]


def test_without_rotation_it_is_the_protocols_linear() -> None:
    train = mels(50)
    linear = LinearTransform(80, 80, 64).fit([train], rotate=False)
    patches = to_patches(train)
    mean = patches.mean((0, 1))
    flat = (patches - mean).flatten(0, 1).double()
    basis = torch.linalg.eigh(flat.T @ flat)[1].flip(1).float()  # (80, 80)
    grid = torch.einsum("btp,pr,tk->bkr", patches - mean, basis, dct_matrix(TOKENS))
    order = grid.pow(2).mean(0).flatten().argsort(descending=True)[:64]
    reference = torch.zeros_like(grid).flatten(1)
    reference[:, order] = grid.flatten(1)[:, order]
    decoded = (
        torch.einsum("bkr,pr,tk->btp", reference.unflatten(1, (TOKENS, -1)), basis, dct_matrix(TOKENS)) + mean
    )
    ours = linear.patches(linear.synthesise(linear.analyse(linear.coordinates(patches))))
    assert torch.allclose(ours, decoded, atol=1e-2)
