"""The inspected recurrence of a forecaster is the one it forecasts with."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from lstmctl import train
from lstmctl.models.forecaster import Ensemble
from lstmctl.tasks.forecast import Forecast


@pytest.mark.parametrize(
    "settings",
    [
        ["task.decoding=parallel"],
        ["task.decoding=refined"],
        ["task.decoding=recursive", "task.channels=joint"],
        ["task.decoding=encoder-decoder"],
        ["task.shape=many-to-one", "task.channels=joint", "data.calendar=[hour]"],
    ],
)
def test_the_losses_of_its_lanes_add_up_to_the_loss_of_training(settings: list[str], series_config: Path) -> None:
    run = train(series_config, ["training.budget=3 steps", *settings])
    task, model = run.task, run.model
    assert isinstance(task, Forecast)
    assert isinstance(model, Ensemble)
    part = task.part(run.corpus(), "test", run.device)
    shown = task.inspection_input(model, part, steps=6, lanes=10)
    joint = "task.channels=joint" in settings
    windows = 10 if joint else 5  # a window of two independent channels is two lanes
    assert shown.input.shape[:2] == (6, 10)
    with torch.no_grad():
        output, state = shown.recurrence(shown.input, shown.recurrence.initial_state(10, shown.input))
        losses = shown.loss(output, state)
        batch = part.windows(torch.linspace(0, len(part) - 1, windows).long())
        expected = task.loss(model, batch, ()).sum
    assert losses.shape == (10,)
    torch.testing.assert_close(losses.sum() / (1 if joint else 2), expected)
    properties = shown.properties()
    names = {"a, mean of the segment", "b, mean of the segment"} if joint else {"its channel, mean of the segment"}
    names |= {"hour, sine", "hour, cosine"} if "data.calendar=[hour]" in settings else set()
    assert set(properties) == {*names, "position in the window"}
    assert all(values.shape == (6, 10) for values in properties.values())
    assert properties["position in the window"][:, 3].tolist() == [0, 1, 2, 3, 4, 5]
    if joint:
        window = task.predictor.window(model, batch)[0]
        means = window.values[2:4].mean(0)  # the second segment of two rows
        torch.testing.assert_close(properties["b, mean of the segment"][1], means[:, 1])
