"""Edits by name: one list with ranges, applied to songs and to sound files; impossible ones in a sentence."""

import inspect
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

import surco
from surco.audio.io import read_audio
from surco.codec import Codec
from surco.edits.amounts import NEUTRAL, Amounts, apply
from surco.edits.command import edit
from surco.edits.parts import Parts
from surco.edits.record import edit_recording
from surco.errors import InputError

DEMO = Path(surco.__file__).parent / "datasets" / "demo"
SONG, OTHER = sorted(DEMO.glob("rock/*.ogg"))[0], sorted(DEMO.glob("jazz/*.ogg"))[0]


@pytest.fixture(scope="module")
def codec() -> Codec:
    return Codec.load()


@pytest.fixture(scope="module")
def song(codec: Codec) -> np.ndarray:
    import torch

    return codec.encode_long(torch.from_numpy(read_audio(SONG)).repeat(2), 512).numpy()


def test_amounts_that_ask_for_nothing_change_nothing(codec: Codec, song: np.ndarray) -> None:
    made, pose = apply(codec, song, Amounts())
    assert made.tobytes() == song.tobytes() and not pose
    assert Amounts().asked == {} and Amounts().told() == "unchanged"


@settings(deadline=None, max_examples=40, derandomize=True)
@given(st.sampled_from(sorted(Amounts.model_fields)), st.floats(-1e3, 1e3))
def test_every_amount_has_a_range_that_is_kept(name: str, value: float) -> None:
    low, high = Amounts.limits(name)
    assert low <= NEUTRAL.get(name, 0.0) <= high
    if low <= value <= high:
        assert getattr(Amounts.of({name: value}), name) == value
    else:
        with pytest.raises(InputError, match=f"^{name} .* lies between {low:g} and {high:g}, not") as refused:
            Amounts.of({name: value})
        assert len(str(refused.value)) < 300


def test_every_amount_is_an_option_of_the_command() -> None:
    options = set(inspect.signature(edit).parameters)
    assert set(Amounts.model_fields) <= options


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"loudness": 1}, "no edit 'loudness'; choose from tempo, pitch"),
        ({"tempo": "fast"}, "tempo .* lies between 0.5 and 2, not fast"),
        ({"pitch": float("nan")}, "pitch .* lies between -12 and 12, not nan"),
    ],
)
def test_unknown_and_impossible_amounts_are_refused(values: dict[str, object], says: str) -> None:
    with pytest.raises(InputError, match=says):
        Amounts.of(values)


def test_parts_of_others_need_them_and_vectors_that_hold_them(codec: Codec, song: np.ndarray) -> None:
    with pytest.raises(InputError, match="rhythm of another song is asked for, and no"):
        apply(codec, song, Amounts(rhythm=1))
    with pytest.raises(InputError, match="hold no rhythm; use 32"):
        apply(codec, song[:, :16], Amounts(rhythm=1), {"rhythm": song[:, :16]})
    with pytest.raises(InputError, match="512 and 64 dimensions do not mix"):
        apply(codec, song, Amounts(timbre=1), {"timbre": song[:, :64]})


def test_a_shorter_song_gives_its_harmony_again_and_again(codec: Codec, song: np.ndarray) -> None:
    other = song[:1] + np.float32(1)
    made, _ = apply(codec, song, Amounts(harmony=1), {"harmony": other})
    parts = Parts(codec, 512)
    wanted = np.repeat(parts.part(other, "harmony"), len(song), 0)
    np.testing.assert_allclose(parts.part(made, "harmony"), wanted, atol=1e-3)


def test_gain_and_fades_are_told_of_the_whole_song(codec: Codec, song: np.ndarray) -> None:
    louder, _ = apply(codec, song, Amounts(gain=6))
    np.testing.assert_allclose(louder[:, 0], song[:, 0] + 6)
    assert louder[:, 1:].tobytes() == song[:, 1:].tobytes()
    faded, _ = apply(codec, song, Amounts(fade_out=4))
    np.testing.assert_allclose(faded[0], song[0], atol=1e-3)  # the fade lies in the last clip
    assert faded[-1, 0] < song[-1, 0]


def test_a_file_is_edited_into_a_file(codec: Codec, tmp_path: Path) -> None:
    out = tmp_path / "new.wav"
    amounts = {"tempo": 1.25, "pitch": -3.0, "brightness": 4.0}
    done = edit_recording(SONG, out, amounts, {"harmony": OTHER, "rhythm": OTHER}, size=256, codec=codec)
    wave, rate = soundfile.read(out)
    assert rate == 22_050 and len(wave) == pytest.approx(len(read_audio(SONG)) / 1.25, abs=2)
    assert 0.01 < np.abs(wave).max() < 1
    assert done["edits"] == {**amounts, "harmony": 1.0, "rhythm": 1.0}
    assert done["seconds"] == pytest.approx(len(wave) / rate)


@pytest.mark.parametrize(
    ("amounts", "others", "out", "says"),
    [
        ({"tempo": 4.0}, {}, "new.wav", "tempo .* lies between"),
        ({"rhythm": 1.0}, {}, "new.wav", "rhythm_of"),
        ({}, {"melody": OTHER}, "new.wav", "no 'melody' to give"),
        ({}, {}, "new.mp3", "written as WAV"),
        ({}, {}, "nowhere/new.wav", "There is no folder"),
        ({}, {"timbre": Path("absent.ogg")}, "new.wav", "no such file"),
    ],
)
def test_what_cannot_be_edited_leaves_no_file(  # type: ignore[no-untyped-def]
    codec: Codec, tmp_path: Path, amounts, others, out: str, says: str
) -> None:
    with pytest.raises(InputError, match=says) as refused:
        edit_recording(SONG, tmp_path / out, amounts, others, size=64, codec=codec)
    assert len(str(refused.value)) < 300
    assert not list(tmp_path.rglob("*.*"))


def test_the_command_edits_and_says_what_it_did(tmp_path: Path) -> None:
    import typer

    app = typer.Typer()
    app.command()(edit)
    out = tmp_path / "new.wav"
    result = CliRunner().invoke(app, [str(SONG), "--pitch", "-3", "--size", "64", "-o", str(out)])
    assert result.exit_code == 0, result.output
    assert "pitch -3" in result.output and out.is_file()


def test_submit_takes_a_kind_or_amounts() -> None:
    from jobs.generate import edits_of

    assert edits_of([]) == {"edit": None}
    assert edits_of(["interpolate"]) == {"edit": "interpolate"}
    asked = edits_of(["tempo=1.2", "fade-out=3", "rhythm=1"])
    assert asked == {"edit": "amounts", "amounts": {"tempo": 1.2, "fade_out": 3, "rhythm": 1}}
    with pytest.raises(InputError, match="not both"):
        edits_of(["interpolate", "tempo=1.2"])
    with pytest.raises(InputError, match="no edit 'speed'"):
        edits_of(["speed=1.2"])
