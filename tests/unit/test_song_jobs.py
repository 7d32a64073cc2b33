"""The job that makes songs: specs, files, tags, pictures, names, and what it refuses."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from pydantic import ValidationError
from song_jobs import reader, song_spec

from jobs import generate, listen, train_prior
from jobs.local import local_context, run_local
from jobs.songwriting import named
from surco.codec import Codec
from surco.codec.codec import CodecConfig
from surco.errors import InputError
from surco.latents.vectors import VectorSet
from surco.prior.song_report import Songs

pytest_plugins = ["song_jobs"]
pytestmark = pytest.mark.slow

JOB = "a" * 64


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"seconds": -1}, "greater than 0"),
        ({"edit": "interpolate", "seconds": 0}, "greater than 0"),
        ({"target": "jazz"}, "'target' belongs to an edit"),
        ({"weight": 0.5}, "'weight' belongs to an edit"),
        ({"edit": "attribute"}, "needs target"),
        ({"edit": "amounts"}, "belong together"),
        ({"edit": "noise", "amounts": {"gain": 1}}, "belong together"),
        ({"amounts": {"tempo": 3}}, "lies between 0.5 and 2"),
        ({"amounts": {"speed": 3}}, "no edit 'speed'"),
        ({"edit": "reverse"}, "Input should be"),
        ({"collection": "../up"}, "String should match"),
        ({"songs_per_genre": 0}, "greater than or equal to 1"),
    ],
)
def test_impossible_specs_are_refused(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        generate.Spec(vectors=JOB, **fields)


def test_an_edit_waits_for_no_prior() -> None:
    assert "b" * 64 not in generate.Spec(vectors=JOB, prior="b" * 64, edit="average").inputs()
    assert "b" * 64 in generate.Spec(vectors=JOB, prior="b" * 64).inputs()


def test_songs_are_written_tagged_stored_and_the_same_again(
    folder: Path, prior_job: str, tmp_path: Path
) -> None:
    spec = song_spec(prior=prior_job, genres=["jazz"], seed=3)
    job = run_local("generate", spec, folder)
    context = reader(folder)
    (row,) = generate.read_songs(context, job)
    assert row.genre == "jazz" and row.seconds == 1.0 and row.nearest.clip and row.style is None
    wav, flac = (context.artifact(job, f) for f in row.files)
    wave, rate = soundfile.read(wav)
    assert rate == 22_050 and len(wave) == 22_050 and 0.001 < np.abs(wave).max() < 1
    assert row.name == "jazz-sampled-1-8-seed-3" and row.title == "Jazz no. 1, sampled"
    with soundfile.SoundFile(flac) as file:
        assert file.title == row.title and file.genre == "jazz" and row.model in file.comment
        assert f"seed {row.seed}" in file.comment
    stored = context.store.keys("songs/test/")
    files = [*row.files, row.picture or "none"]
    assert {f"songs/test/{job[:8]}/{Path(f).name}" for f in files} <= set(stored)
    assert context.artifact(job, files[-1]).read_bytes().startswith(b"\x89PNG")
    context.workdir = tmp_path
    generate.run(spec, context)
    for name in row.files:
        assert (context.out / name).read_bytes() == context.artifact(job, name).read_bytes()


def test_songs_of_bars_are_composed_tagged_and_the_same_again(folder: Path, tmp_path: Path) -> None:
    spec = song_spec(generator="bars", genres=["jazz"], seconds=12.0, songs_per_genre=1)
    job = run_local("generate", spec, folder)
    context = reader(folder)
    (row,) = generate.read_songs(context, job)
    assert row.recipe == "bars" and row.seconds == 12.0 and not row.sources and row.drawn
    assert row.tempo is not None and 48 <= row.tempo <= 192
    lengths = np.diff([*row.starts, 12.0])
    assert np.allclose(lengths[:-1], 8 * 60 / row.tempo, atol=0.01)  # eight beats each
    assert row.form.startswith("Aa") and row.title.startswith("Jazz no. 1")
    assert row.name.startswith("jazz-1-") and row.name.endswith(f"{row.tempo:.0f}-bpm-8")
    for name in row.files:
        with soundfile.SoundFile(context.artifact(job, name)) as file:
            assert file.title == row.title and f"{row.tempo:g} BPM" in file.comment
    context.workdir = tmp_path
    generate.run(spec, context)
    for name in row.files:
        assert (context.out / name).read_bytes() == context.artifact(job, name).read_bytes()


def test_a_style_of_two_clips_borrows_from_the_shipped_prior_and_copies_none(folder: Path) -> None:
    held = VectorSet.load(reader(folder).artifact("e" * 64, "vectors.safetensors"))
    genres, tracks = np.array(held.genres), np.array(held.tracks)
    jazz = np.flatnonzero((genres == "jazz") & (np.array(held.splits) == "train"))
    few = held.rows(np.r_[np.flatnonzero(genres == "folk"), jazz[:2]])
    assert len(set(tracks[jazz[:2]])) <= 2
    context = local_context(folder, "6" * 64)
    few.save(context.out / "vectors.safetensors")
    context.publish({})
    made = local_context(folder, "8" * 64)
    spec = generate.Spec(
        **{**song_spec(generator="bars", genres=["jazz"], seconds=6.0).model_dump(), "vectors": "6" * 64}
    )
    result = generate.run(spec, made)
    (song,) = Songs.load(made.out / "songs.json").songs
    assert song.recipe == "bars" and result["copies"] == 0


def test_a_remix_tells_its_sources_everywhere_and_passes_for_nothing_drawn(
    folder: Path, tmp_path: Path
) -> None:
    spec = song_spec(generator="remix", genres=["folk"], seconds=12.0)
    job = run_local("generate", spec, folder)
    context = reader(folder)
    (row,) = generate.read_songs(context, job)
    assert row.recipe == "remix" and not row.drawn and row.sources and row.form.startswith("Aa")
    assert row.title.startswith("Folk remix no. 1") and row.name.startswith("folk-remix-1-")
    assert all(clip in row.told for clip in row.sources) and context.result(job)["copies"] == 0
    for name in row.files:
        with soundfile.SoundFile(context.artifact(job, name)) as file:
            assert "remix" in file.title and all(clip in file.comment for clip in row.sources)
    songs, _, edits, _ = listen.read_songs(context, [job], row.size)
    assert not edits and songs[0].recipe == "remix" and list(songs[0].sources) == row.sources
    assert songs[0].picture is not None and songs[0].picture.is_file()
    context.workdir = tmp_path
    generate.run(spec, context)
    assert (context.out / row.wav).read_bytes() == context.artifact(job, row.wav).read_bytes()


def test_a_picture_that_fails_costs_no_song(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(wave: np.ndarray, path: Path, **_: Any) -> None:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"half a pict")
        raise RuntimeError("no ink")

    monkeypatch.setattr("surco.prior.song_picture.draw_song", broken)
    monkeypatch.setattr("surco.plots.theme.spectrogram_row", broken)
    context = local_context(folder, "7" * 64)
    told: list[str] = []
    context.log = told.append
    generate.run(song_spec(genres=["jazz"]), context)
    (song,) = Songs.load(context.out / "songs.json").songs
    assert song.picture is None and (context.out / song.wav).is_file()
    assert not list(context.out.rglob("*.png"))
    assert sum("could not be drawn" in line for line in told) == 2


def test_two_genres_that_no_file_name_tells_apart_keep_their_songs(folder: Path) -> None:
    job = run_local("generate", song_spec(genres=["jazz"], songs_per_genre=2), folder)
    first, second = generate.read_songs(reader(folder), job)
    assert [first.name, second.name] == ["jazz-gaussian-1-8", "jazz-gaussian-2-8"]
    again = named(first, 1, 0, taken=[first.name])
    assert again.name == f"jazz-gaussian-1-8-{first.seed}" and again.wav == f"songs/{again.name}.wav"
    other = first.model_copy(update={"genre": "R&B / soul", "key": "C# minor", "tempo": 99.6})
    assert named(other, 3, 0).name == "R_B_soul-gaussian-3-c-sharp-minor-100-bpm-8"


def test_an_edit_needs_no_prior_and_its_source_counts_as_no_copy(folder: Path) -> None:
    spec = song_spec(edit="interpolate", genres=["folk"])
    job = run_local("generate", spec, folder)
    (row,) = generate.read_songs(reader(folder), job)
    assert row.recipe == "interpolate" and len(row.sources) == 2
    assert reader(folder).result(job)["copies"] == 0


def test_amounts_make_songs_that_say_what_was_done(folder: Path) -> None:
    spec = song_spec(amounts={"tempo": 0.8, "gain": 3, "timbre": 1}, genres=["folk"]).model_copy(
        update={"seconds": 9.5}
    )
    assert spec.edit == "amounts"
    job = run_local("generate", spec, folder)
    (row,) = generate.read_songs(reader(folder), job)
    assert row.recipe == "amounts" and "tempo 0.8" in row.told and len(row.sources) == 2
    assert row.starts == [0, 4.75] and row.seconds == pytest.approx(4.75 + 6.25, abs=0.01)
    wave, _ = soundfile.read(reader(folder).artifact(job, row.files[0]))
    first, last = listen._steps(wave, row.starts, 2)
    assert len(first) == round(4.75 * 22_050) and len(first) + len(last) == len(wave)


def test_jobs_refuse_vectors_of_another_codec_and_unknown_genres(folder: Path, prior_job: str) -> None:
    context = local_context(folder, "9" * 64)
    Codec(
        CodecConfig(size=8, rank=8, encoder_width=16, encoder_depth=1, decoder_width=16, decoder_depth=1)
    ).save(context.out / "codec.safetensors")
    context.publish({})
    other = {"vectors": "e" * 64, "codec": "9" * 64}
    with pytest.raises(InputError, match="were made by codec"):
        generate.run(generate.Spec(**other), reader(folder))
    with pytest.raises(InputError, match="were made by codec"):
        train_prior.run(train_prior.Spec(**other), reader(folder))
    with pytest.raises(InputError, match="Unknown genre 'polka'"):
        generate.run(song_spec(prior=prior_job, genres=["polka"]), reader(folder))
