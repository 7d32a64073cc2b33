"""The mel filters, held to librosa's and torchaudio's."""

import librosa
import numpy as np
import pytest
from torchaudio.functional import melscale_fbanks

from surco.audio.mel import mel_filters


@pytest.mark.parametrize(
    ("bins", "rate", "n_mels"), [(513, 22_050, 80), (8193, 22_050, 80), (257, 16_000, 96)]
)
def test_filters_are_those_of_the_field(bins: int, rate: int, n_mels: int) -> None:
    ours = mel_filters(bins, rate, n_mels).numpy()
    theirs = librosa.filters.mel(sr=rate, n_fft=2 * (bins - 1), n_mels=n_mels, norm=None, htk=False)
    assert np.abs(ours - theirs).max() < 1e-6
    torchs = melscale_fbanks(bins, 0.0, rate / 2, n_mels, rate, norm=None, mel_scale="slaney")
    assert np.abs(ours - torchs.numpy().T).max() < 1e-4  # which computes in single precision


def test_filters_below_a_kilohertz_are_linear() -> None:
    assert np.allclose(np.diff(mel_filters(501, 1000, 4).numpy().argmax(1)), 100)
