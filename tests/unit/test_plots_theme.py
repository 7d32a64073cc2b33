"""The house style: what keeps figures readable in grey and apart for colour-blind eyes."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from surco.plots import theme


def test_first_colours_differ_in_grey() -> None:
    grey = [np.dot(to_rgb(c), (0.299, 0.587, 0.114)) for c in theme.PALETTE[:4]]
    assert min(abs(a - b) for i, a in enumerate(grey) for b in grey[:i]) > 0.08


def test_every_genre_has_a_look_of_its_own() -> None:
    looks = theme.genre_styles([f"g{i}" for i in range(20)])
    assert len({(v["color"], v["marker"]) for v in looks.values()}) == 20


def test_genre_look_does_not_depend_on_order() -> None:
    assert theme.genre_styles(["rock", "jazz"]) == theme.genre_styles(["jazz", "rock", "jazz"])


@pytest.mark.parametrize("suffix", ["png", "pdf", "svg"])
def test_same_figure_same_bytes(tmp_path, suffix) -> None:
    data = []
    for i in range(2):
        mel = np.linspace(-80, 0, 80 * 431).reshape(80, 431)
        fig = theme.spectrogram_pair(mel, mel - 3)
        data.append(theme.save(fig, tmp_path / f"{i}.{suffix}").read_bytes())
    assert data[0] == data[1]


def test_mel_ticks_stand_where_their_frequency_is() -> None:
    import librosa

    rows, names = theme.mel_ticks()
    centres = librosa.mel_frequencies(n_mels=82, fmax=11_025)[1:-1]
    for row, name in zip(rows, names, strict=True):
        assert np.interp(row, np.arange(80), centres) == pytest.approx(1000 * float(name), rel=0.02)


def test_size_axis_names_the_sizes() -> None:
    fig, ax = theme.figure()
    ax.plot([32, 64, 128], [3, 2, 1], **theme.series(0))
    theme.size_axis(ax, [32, 64, 128])
    fig.canvas.draw()
    assert [t.get_text() for t in ax.get_xticklabels()] == ["32", "64", "128"]
