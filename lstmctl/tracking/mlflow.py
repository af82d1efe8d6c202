"""MLflow: a server, a database or a folder."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from lstmctl.tracking.listening import TrackedRun

EXPERIMENT = "lstmctl"
TAG = "lstmctl.run"
STATUS = {"finished": "FINISHED", "interrupted": "KILLED", "failed": "FAILED"}
LONGEST_VALUE = 500
"""Characters of a parameter; older servers accept no more."""


class MLflow:
    """A run at the tracking URI WHERE, by default MLflow's own (`MLFLOW_TRACKING_URI`)."""

    package: ClassVar[str] = "mlflow"

    def __init__(self, where: str, run: TrackedRun) -> None:
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # the default of 7 takes minutes
        from mlflow.entities import Metric, Param
        from mlflow.tracking import MlflowClient

        self._metric = Metric
        self._client = MlflowClient(tracking_uri=where or None)
        experiment = self._client.get_experiment_by_name(EXPERIMENT)
        place = experiment.experiment_id if experiment else self._client.create_experiment(EXPERIMENT)
        found = self._client.search_runs([place], f"tags.`{TAG}` = '{run.id}'", max_results=1)
        if found:
            self._id = found[0].info.run_id
            self._client.update_run(self._id, status="RUNNING")
        else:
            self._id = self._client.create_run(place, tags={TAG: run.id}, run_name=run.name).info.run_id
            parameters = [Param(key, str(value)[:LONGEST_VALUE]) for key, value in run.described().items()]
            self._client.log_batch(self._id, params=parameters)

    def numbers(self, step: int, values: Mapping[str, float]) -> None:
        now = int(1000 * time.time())
        self._client.log_batch(
            self._id, metrics=[self._metric(name, float(value), now, step) for name, value in values.items()]
        )

    def text(self, step: int, name: str, text: str) -> None:
        self._client.log_text(self._id, text, f"{name}/step-{step}.txt")

    def plot(self, step: int, path: Path) -> None:
        self._client.log_artifact(self._id, str(path), "plots")

    def close(self, status: str) -> None:
        self._client.set_terminated(self._id, status=STATUS[status])
