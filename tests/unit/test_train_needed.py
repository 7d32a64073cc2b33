"""Which clips a training takes log-mels of."""

from types import SimpleNamespace
from typing import Any

from jobs.train import WATCHED, Spec, needed

CLIPS: Any = SimpleNamespace(clips=[SimpleNamespace(track=f"{i // 6}") for i in range(6000)])


def of(split: str, **asked: Any) -> list[int]:
    return needed(Spec(dataset="0" * 64, size=64, **asked), CLIPS, split)


def test_a_short_training_reads_twice_what_it_draws_one_clip_a_track_first() -> None:
    taken = of("train", steps=48, batch_size=16)
    assert len(taken) == 2 * 48 * 16 and taken == sorted(set(taken))
    assert len({CLIPS.clips[i].track for i in taken}) == 1000
    assert taken == of("train", steps=48, batch_size=16) != of("train", steps=48, batch_size=16, seed=1)


def test_a_training_to_its_end_and_one_from_scratch_read_every_clip() -> None:
    assert of("train") == of("train", steps=48, init="scratch") == list(range(6000))


def test_of_valid_clips_those_are_read_that_are_watched() -> None:
    assert len(of("valid")) == WATCHED
    assert len(of("train", steps=1)) == WATCHED
