"""The notebook, as it is handed in: clean in the repository, and running top to bottom on the demo."""

import json
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "surco.ipynb"


def test_notebook_is_committed_without_outputs_and_with_one_parameters_cell() -> None:
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    code = [c for c in cells if c["cell_type"] == "code"]
    assert all(c["outputs"] == [] and c["execution_count"] is None for c in code)
    tagged = [c for c in cells if "parameters" in c["metadata"].get("tags", [])]
    assert tagged == [code[0]]


@pytest.mark.timeout(1200)
def test_notebook_runs_top_to_bottom_on_the_demo(tmp_path: Path) -> None:
    import papermill

    parameters = {"WORK": str(tmp_path / "work"), "STEPS": 2, "PRIOR_STEPS": 40, "SECONDS": 9.0}
    out = tmp_path / "out.ipynb"
    papermill.execute_notebook(
        str(NOTEBOOK), str(out), parameters, cwd=str(NOTEBOOK.parents[1]), progress_bar=False
    )
    cells = json.loads(out.read_text(encoding="utf-8"))["cells"]
    shown = [output for c in cells for output in c.get("outputs", [])]
    assert not [o for o in shown if o["output_type"] == "error"]
    html = "".join("".join(o.get("data", {}).get("text/html", "")) for o in shown)
    assert html.count("<audio") >= 5  # original, decoded, outside, its decoding, the new song
    assert sum("image/png" in o.get("data", {}) for o in shown) >= 5  # spectrograms and the study's figures
    assert (tmp_path / "work" / "winner-256.safetensors").stat().st_size > 100_000
