"""The rule for the smallest vector, on curves whose answer is planted."""

import numpy as np
import pytest

from surco.errors import InputError
from surco.metrics.choice import Choice, choose_smallest
from surco.metrics.scores import Heard, Scores
from surco.metrics.smallest import find_knee, smallest_vector

SIZES = (32, 64, 128, 256, 512, 1024, 2048)
TRACKS = [f"t{i // 2}" for i in range(80)]


def clips(level: float, seed: int) -> dict[str, np.ndarray]:
    """One system's per-clip measures at a level between 0 (floor) and 1 (ceiling)."""
    rng = np.random.default_rng(seed)
    hard = np.random.default_rng(99).normal(0, 0.05, 80)  # the same clips are hard for every system
    wobble = rng.normal(0, 0.02, 80)
    return {
        "zimtohrli": 1.7 + 2.8 * (level + hard + wobble),
        "chroma": 0.9 * (level + hard),
        "onset": 0.8 * (level + wobble),
        "self_similarity": np.where(rng.random(80) < 0.1, np.nan, 0.9 * level + hard),
        "style_kl": 2 * (1 - level) + rng.exponential(0.1, 80),
    }


def sweep(levels: list[float]) -> dict[int, dict[str, np.ndarray]]:
    return {size: clips(level, i) for i, (size, level) in enumerate(zip(SIZES, levels, strict=False))}


def test_finds_the_planted_plateau() -> None:
    found = smallest_vector(
        sweep([0.2, 0.45, 0.9, 0.92, 0.93, 0.935, 0.94]), clips(1, 50), clips(0, 51), TRACKS
    )
    assert found.passed and found.size == 128 and found.study == (64, 128, 256)
    assert found.losses[128]["listening"].holds and not found.losses[64]["listening"].holds
    assert "at 64" in found.reason and found.knee == 128
    assert found.to_json()["losses"]["128"]["structure"]["holds"] is True


def test_one_failing_kind_is_enough_to_fail() -> None:
    sizes = sweep([0.2, 0.45, 0.9, 0.92, 0.93, 0.935, 0.94])
    for size in (128, 256):
        sizes[size] = {**sizes[size], "chroma": np.full(80, 0.1), "onset": np.full(80, 0.1)}
    found = smallest_vector(sizes, clips(1, 50), clips(0, 51), TRACKS)
    assert found.size == 512 and "structure" in found.reason


def test_where_nothing_passes_the_knee_is_proposed_and_said() -> None:
    found = smallest_vector(
        sweep([0.05, 0.3, 0.36, 0.38, 0.39, 0.40, 0.41]), clips(1, 50), clips(0, 51), TRACKS
    )
    assert not found.passed and found.size == found.knee and found.knee in (64, 128)
    assert "No size keeps" in found.reason


def test_the_doubtful_end_of_the_interval_decides() -> None:
    levels = [0.2, 0.45, 0.82, 0.84, 0.86]
    few = [0, 2, 4, 6]  # clips of four tracks: the same means, wide intervals
    many = smallest_vector(sweep(levels), clips(1, 50), clips(0, 51), TRACKS)
    sizes = {s: {m: v[few] for m, v in c.items()} for s, c in sweep(levels).items()}
    top, bottom = ({m: v[few] for m, v in clips(level, s).items()} for level, s in ((1, 50), (0, 51)))
    little = smallest_vector(sizes, top, bottom, [TRACKS[i] for i in few])
    width = [np.ptp(r.losses[128]["meaning"].to_ceiling[1:]) for r in (many, little)]
    assert width[0] < width[1]
    assert many.size == 128


def test_a_kind_that_separates_nothing_is_left_out() -> None:
    sizes = {s: {**c, "style_kl": np.ones(80)} for s, c in sweep([0.2, 0.9, 0.95]).items()}
    top, bottom = ({**clips(level, s), "style_kl": np.ones(80)} for level, s in ((1, 50), (0, 51)))
    found = smallest_vector(sizes, top, bottom, TRACKS)
    assert set(found.losses[64]) == {"listening", "structure"} and found.size == 64
    with pytest.raises(InputError, match="separates"):
        smallest_vector({64: top}, top, top, TRACKS)


def test_same_question_same_answer_and_the_double_stays_inside() -> None:
    sizes = {2048: clips(0.9, 1)}
    a, b = (smallest_vector(sizes, clips(1, 50), clips(0, 51), TRACKS, seed=3) for _ in range(2))
    assert a == b and a.study == (1024, 2048)
    assert find_knee([32, 64], [0.1, 0.2]) is None


def heard(split: str, levels: list[float]) -> dict[int, Heard]:
    """One document a size whose clips lie at these levels."""
    named = [{"id": f"{split}-{i}", "track": t, "genre": "jazz"} for i, t in enumerate(TRACKS)]
    marks = {"ceiling": clips(1, 50), "floor": clips(0, 51)}
    return {
        size: Heard(
            split=split,
            clips=named,
            systems={
                name: {m: v.tolist() for m, v in found.items()}
                for name, found in {"decoded": one, **marks}.items()
            },
        )
        for size, one in sweep(levels).items()
    }


def scores(test: dict[int, Heard], valid: dict[int, Heard] | None) -> dict[int, Scores]:
    known = {"seed": 0, "battery": "quick", "dataset": "d", "codec": "c", "codec_job": "shipped"}
    rest = {"aggregate": {}, "sets": {}, "against_linear": {}, "lost_at_8_bits": {}}
    return {
        size: Scores(**dict(found), **known, **rest, size=size, choosing=valid[size] if valid else None)
        for size, found in test.items()
    }


def test_the_size_is_chosen_on_valid_clips_and_reported_on_test_clips() -> None:
    small = [0.2, 0.9, 0.93, 0.935, 0.94]  # 64 is enough
    large = [0.1, 0.2, 0.3, 0.92, 0.93]  # 256 is
    found = choose_smallest(scores(heard("test", large), heard("valid", small)))
    assert found.size == 64 and found.passed and found.chosen_on == "valid" and found.reported_on == "test"
    assert not found.holds  # and the report says so
    assert found.choosing[64]["listening"].holds and not found.losses[64]["listening"].holds
    assert found.losses[64]["listening"].definition[0] == pytest.approx(0.2, abs=0.05)
    again = Choice.model_validate_json(found.model_dump_json())
    assert again == found


def test_where_no_size_keeps_every_bound_the_size_that_is_studied_stands_in() -> None:
    few = scores(heard("test", [0.1, 0.2, 0.3]), None)
    found, given = choose_smallest(few), choose_smallest(few, stand_in=64)
    assert not found.passed and found.size == 128 and found.study == (64, 128, 256)
    assert not given.passed and given.size == given.champion == 64 and given.study == (32, 64, 128)
    assert given.losses == found.losses
    enough = scores(heard("test", [0.2, 0.9, 0.93, 0.935, 0.94]), None)
    assert choose_smallest(enough, stand_in=512).size == choose_smallest(enough).size


def test_without_valid_clips_the_choice_is_made_where_it_is_reported() -> None:
    found = choose_smallest(scores(heard("test", [0.2, 0.9, 0.93, 0.935, 0.94]), None))
    assert found.size == 64 and found.holds and found.chosen_on == found.reported_on == "test"
    other = scores(heard("test", [0.2, 0.9]), None)
    strange = other[64].model_copy(update={"clips": other[64].clips[::-1]})
    with pytest.raises(InputError, match="different clips"):
        choose_smallest({**other, 64: strange})
