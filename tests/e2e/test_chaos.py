"""A short campaign of faults: `make chaos` at a size that the tests can afford."""

from pathlib import Path

import pytest

from tests.chaos.__main__ import campaign


@pytest.mark.timeout(2400)  # the campaign itself ends what takes too long
def test_a_short_campaign_breaks_no_promise(tmp_path: Path) -> None:
    faults, jobs, broken = campaign(tmp_path, seed=11, minutes=20, faults=25, trainings=1, pause=0.3)
    assert broken == []
    assert faults == 25
    assert jobs > 2  # the data set and the training, and empty jobs beside them
