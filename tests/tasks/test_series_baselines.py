"""Baselines of series, beside a network on the same windows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.tasks.conftest import CPU, pose


def test_baselines_stand_beside_on_the_same_windows(series_config: Path) -> None:
    task, corpus, _ = pose(series_config)
    found = task.references(corpus, "test")
    assert list(found) == ["last value", "seasonal naive", "drift", "ridge"]
    assert {score.windows for score in found.values()} == {77}
    assert all("coverage_80" in score.metrics and len(score.by_step) == 4 for score in found.values())
    # The season is what these series are made of.
    assert found["ridge"].metrics["mse_scaled"] < found["seasonal naive"].metrics["mse_scaled"]
    assert found["seasonal naive"].metrics["mse_scaled"] < found["last value"].metrics["mse_scaled"] / 3
    longer, corpus, _ = pose(series_config, "task.season=24")
    assert "seasonal naive" not in longer.references(corpus, "test")
    assert any("longer than the lookback" in note for note in longer.notes("test", chosen=True))


def test_the_ridge_beside_a_network_is_the_ridge_baseline_where_values_are_missing_too(series_config: Path) -> None:
    lines = (series_config.parent / "small.csv").read_text().splitlines()
    draw = np.random.default_rng(0)
    for row in draw.choice(np.arange(20, 400), 40, replace=False):
        date, a, _ = lines[row + 1].split(",")
        lines[row + 1] = f"{date},{a},"
    (series_config.parent / "small.csv").write_text("\n".join(lines) + "\n")
    task, corpus, model = pose(series_config, "model.ridge=1.0", "data.missing=mask")
    task.prepare(model, *(task.part(corpus, name, CPU) for name in ("training", "validation")))
    score = task.evaluate(model, task.part(corpus, "test", CPU))
    assert score.metrics["mse_scaled"] == pytest.approx(
        task.references(corpus, "test")["ridge"].metrics["mse_scaled"], rel=1e-4
    )
