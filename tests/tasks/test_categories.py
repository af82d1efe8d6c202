"""Forecasts with columns of categories."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from lstmctl import load_run, train
from lstmctl.errors import DataError
from tests.tasks.conftest import CPU, batch_of, pose

START = np.datetime64("2020-01-01T00:00:00")
LEVELS = {"red": 3.0, "green": -1.0, "blue": 1.0}


def write(path: Path, rows: int = 500, *, words: bool = True) -> None:
    """The colour of a row, drawn at random and known in advance, is all that decides its value."""
    draw = np.random.default_rng(0)
    out = ["date,y,colour"]
    for row in range(rows + 4):
        name = str(draw.choice(list(LEVELS)))
        value = f"{LEVELS[name] + draw.normal(0, 0.1):.4f}" if row < rows else ""
        out.append(f"{START + np.timedelta64(row, 'h')},{value},{name if words else list(LEVELS).index(name)}")
    path.write_text("\n".join(out) + "\n")


@pytest.fixture
def colours(series_config: Path) -> Path:
    write(series_config.parent / "small.csv")
    text = series_config.read_text().replace("split:", "known: colour, categories: colour, split:")
    series_config.write_text(text.replace("40 steps", "150 steps"))
    return series_config


@pytest.mark.parametrize("use", ["known", "past"])
@pytest.mark.parametrize("decoding", ["parallel", "recursive", "encoder-decoder"])
def test_gradients_reach_the_vectors_of_the_categories_in_a_batch(colours: Path, decoding: str, use: str) -> None:
    colours.write_text(colours.read_text().replace("known: colour", f"{use}: colour"))
    task, corpus, model = pose(colours, f"task.decoding={decoding}")
    model.train()
    task.loss(model, batch_of(task, corpus, "training"), ()).sum.backward()
    (table,) = model.categories[use].vectors
    assert table.grad is not None
    assert table.shape == (3, 2)
    assert bool((table.grad.abs().sum(1) > 0).all())


def test_without_categories_a_network_begins_as_before(series_config: Path) -> None:
    write(series_config.parent / "small.csv", words=False)
    series_config.write_text(series_config.read_text().replace("split:", "known: colour, split:"))
    _, _, model = pose(series_config)
    assert not any(name.startswith("categories") for name in model.state_dict())


def test_a_network_learns_what_each_category_means(colours: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = train(colours, quiet=True)
    found = run.evaluate()
    # A forecast that does not know the colours errs by their deviation, 1.6.
    assert found.metrics["rmse"] < 0.6
    assert found.baselines["ridge"]["rmse"] > 1.4
    (forecast,) = run.forecast()
    lines = (colours.parent / "small.csv").read_text().splitlines()
    ahead = [line.split(",")[2] for line in lines[-4:]]
    assert forecast.point == pytest.approx([LEVELS[name] for name in ahead], abs=0.9)
    # A newer table may name others.
    newer = Path("newer.csv")
    newer.write_text("\n".join([*lines[:-1], lines[-1].rsplit(",", 1)[0] + ",violet"]) + "\n")
    (other,) = load_run(run.path).forecast(newer)
    assert other.point[:2] == pytest.approx(forecast.point[:2])
    assert np.isfinite(other.point).all()
    assert "1 category of `colour` in 1 row did not occur in the training rows: `violet`" in caplog.text
    newer.write_text("\n".join(lines[:-1]) + "\n")
    with pytest.raises(DataError, match="colour must be known for 4 rows"):
        run.forecast(newer)


def test_the_vector_of_an_unseen_category_is_the_mean(colours: Path) -> None:
    task, corpus, model = pose(colours)
    batch = batch_of(task, corpus)
    assert batch.known is not None
    window, _, _ = task.predictor.window(model, batch)
    (table,) = model.categories["known"].vectors
    assert torch.allclose(window.known, table[batch.known[..., 0].long() - 1])
    batch.known[:] = 0
    window, _, _ = task.predictor.window(model, batch)
    assert torch.allclose(window.known, table.mean(0).expand_as(window.known))


def test_vectors_of_other_categories_are_taken_over_by_name(colours: Path) -> None:
    task, _, _ = pose(colours)
    path = colours.parent / "small.csv"
    path.write_text(path.read_text().replace("green", "violet"))
    other, corpus, _ = pose(colours)
    assert task.difference(other) is None  # `green` and `violet` differ, and what is shared is clear
    [name] = [name for name in task.row_names if name.startswith("categories.")]
    assert "violet" in other.row_names[name].names
    assert "violet" not in task.row_names[name].names
    part = other.part(corpus, "validation", CPU)
    assert part.known.shape[1] == 1
