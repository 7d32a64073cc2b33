"""MLflow's real tracking store on SQLite, in this process, behind a client whose requests can be lost.

A request is lost before MLflow sees it, or its answer is lost after MLflow did what it asked: both raise
what MLflow's HTTP client raises. A hook runs in the middle of a call, to force what another process does
at that moment.
"""

import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

Hook = Callable[[], object]


@cache
def _template() -> tuple[tempfile.TemporaryDirectory[str], Path]:
    """An empty store; making its tables takes seconds, copying it none."""
    from mlflow import MlflowClient

    folder = tempfile.TemporaryDirectory(prefix="mlflow-")
    path = Path(folder.name) / "mlflow.db"
    MlflowClient(f"sqlite:///{path}").search_experiments()
    return folder, path


class FaultyClient:
    """An `MlflowClient` on a store of its own (or on another client's), with forced faults."""

    def __init__(self, folder: Path, *, same_as: "FaultyClient | None" = None):
        from mlflow import MlflowClient

        path = folder / "mlflow.db" if same_as is None else same_as.path
        if same_as is None:
            shutil.copy(_template()[1], path)
        self.path = path
        self.real = MlflowClient(f"sqlite:///{path}")
        self.calls: Counter[str] = Counter()
        self._plan: list[tuple[str, str, Any]] = []

    def lose_request(self, method: str, when: Callable[..., bool] = lambda *a, **k: True) -> None:
        self._plan.append((method, "before", when))

    def lose_answer(self, method: str, when: Callable[..., bool] = lambda *a, **k: True) -> None:
        self._plan.append((method, "after", when))

    def meanwhile(self, method: str, hook: Hook, when: Callable[..., bool] = lambda *a, **k: True) -> None:
        """Run `hook` just before the next call of a method."""
        self._plan.append((method, "hook", (hook, when)))

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.real, name)
        if not callable(found):
            return found

        def call(*args: Any, **kwargs: Any) -> Any:
            self.calls[name] += 1
            how, hook = self._next(name, args, kwargs)
            if how == "hook":
                hook()
                return call(*args, **kwargs)
            if how == "before":
                raise _lost()
            answer = found(*args, **kwargs)
            if how == "after":
                raise _lost()
            return answer

        return call

    def _next(self, name: str, args: Any, kwargs: Any) -> tuple[str, Any]:
        for i, (method, how, what) in enumerate(self._plan):
            hook, when = what if how == "hook" else (None, what)
            if method == name and when(*args, **kwargs):
                del self._plan[i]
                return how, hook
        return "", None

    # -- what a test asks ------------------------------------------------------------------------

    def runs(self, query: str = "") -> list[Any]:
        """Active runs of experiment "surco"."""
        experiment = self.real.get_experiment_by_name("surco")
        if experiment is None:
            return []
        return list(self.real.search_runs([experiment.experiment_id], query, max_results=1000))

    def deleted(self) -> int:
        """How many runs of experiment "surco" were made and deleted."""
        from mlflow.entities import ViewType

        experiment = self.real.get_experiment_by_name("surco")
        return len(self.real.search_runs([experiment.experiment_id], run_view_type=ViewType.DELETED_ONLY))

    def points(self, run: Any, key: str) -> Iterator[tuple[int, float]]:
        for metric in self.real.get_metric_history(run.info.run_id, key):
            yield metric.step, metric.value


def with_metrics(*args: Any, **kwargs: Any) -> bool:
    return bool(kwargs.get("metrics"))


def _lost() -> Exception:
    from mlflow.exceptions import MlflowException

    return MlflowException("API request failed with exception ('Connection aborted.', ConnectionResetError)")
