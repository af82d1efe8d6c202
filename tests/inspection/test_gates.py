"""Units that track a property, and the gates and states that are shown."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from lstmctl.errors import DataError, UsageError
from lstmctl.inspection import inspect_gates
from lstmctl.inspection.gates import correlations, tracking
from lstmctl.inspection.trace import Place
from lstmctl.results.inspection import Tracked
from tests.inspection.conftest import Runs


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_correlations_are_pearsons() -> None:
    wanted, units = random(50), random(50, 4, seed=1)
    units[:, 3] = 2.0
    expected = [np.corrcoef(wanted.numpy(), units[:, unit].numpy())[0, 1] for unit in range(3)]
    found = correlations(wanted, units).tolist()
    assert found[:3] == pytest.approx(expected, rel=1e-5)
    assert found[3] != found[3]


def test_the_first_half_chooses_and_the_second_half_counts() -> None:
    wanted = random(400)
    units = random(400, 3, seed=1)
    units[:200, 0] = wanted[:200]  # perfect where it is chosen, nothing where it counts
    units[:, 1] = wanted + random(400, seed=2)
    (found,), steps = tracking({"a": wanted.unsqueeze(1)}, {Place(0, "hidden"): units})
    assert (found.unit, found.layer, found.state, steps) == (0, 1, "hidden", 400)
    assert found.chosen == pytest.approx(1.0)
    assert found.correlation is not None
    assert abs(found.correlation) < 0.2
    assert not found.tracks


def test_the_best_of_all_layers_and_states_is_found_whatever_its_sign() -> None:
    wanted = random(400)
    groups = {Place(0, "hidden"): random(400, 3, seed=1), Place(1, "cell"): random(400, 3, seed=2)}
    groups[Place(1, "cell")][:, 2] = -wanted + 0.3 * random(400, seed=3)
    flat = {"a": wanted.unsqueeze(1), "never": torch.zeros(400, 1)}
    (found,), _ = tracking(flat, groups)
    assert (found.what, found.layer, found.state, found.unit, found.tracks) == ("a", 2, "cell", 2, True)
    assert found.chosen < -0.9


def test_several_lanes_are_read_one_after_the_other() -> None:
    wanted = random(10, 8)  # (time, batch)
    flat = wanted.t().flatten()
    (found,), steps = tracking({"a": wanted}, {Place(0, "hidden"): torch.stack([random(80, seed=4), flat], dim=1)})
    assert (found.unit, steps, found.correlation) == (1, 80, pytest.approx(1.0))


def test_half_or_more_is_called_tracking() -> None:
    tracks = [Tracked("a", 1, "hidden", 0, 0.9, value).tracks for value in (0.5, -0.5, 0.499, -0.499, None)]
    assert tracks == [True, True, False, False, False]


def test_by_default_the_beginning_of_the_held_out_text_is_shown(runs: Runs, text: str) -> None:
    run = runs("lstm")
    found = inspect_gates(run)
    begin = run.corpus().parts["test"][0]
    assert "".join(found.symbols) == text[begin : begin + 100]
    assert (found.about.source, found.tracked_in) == ("the test part", "the test part")
    assert [(panel.name, panel.kind, panel.is_share) for panel in found.panels] == [
        ("i", "gate", True),
        ("f", "gate", True),
        ("g", "gate", False),
        ("o", "gate", True),
        ("hidden", "state", False),
        ("cell", "state", False),
    ]
    assert (found.layer, found.layers, found.hidden, found.units) == (2, 2, 10, tuple(range(10)))
    assert found.candidates == 2 * 2 * 10
    assert {one.what for one in found.tracked} >= {"position in the line", "vowel", "capital letter", "inside a word"}
    assert "inside quotes" not in {one.what for one in found.tracked}  # the text has none
    assert found.examined == len(text) - begin - 1 < 1000
    assert found.notes == (
        f"Only {found.examined} steps were searched for units: correlations this large also occur by chance.",
    )


def test_units_that_vary_most_are_shown_where_not_all_can_be(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lstmctl.inspection.gates.MOST_UNITS", 3)
    found = inspect_gates(runs("gru"), layer=1, symbols=50)
    monkeypatch.undo()
    every = inspect_gates(runs("gru"), layer=1, symbols=50).panels[-1]
    spread = np.var(np.array(every.values), axis=1)
    assert found.units == tuple(sorted(np.argsort(-spread)[:3].tolist()))
    assert found.panels[-1].values == tuple(every.values[unit] for unit in found.units)


def test_a_text_given_is_read_whole_and_units_are_looked_for_in_more(runs: Runs) -> None:
    found = inspect_gates(runs("rnn"), text="Ann sees.\n", layer=1)
    assert found.symbols == tuple("Ann sees.\n")
    assert (found.about.source, found.tracked_in) == ("the text given", "the test part")
    assert found.examined > 500
    assert found.notes[0] == "This cell has no gate: every step overwrites its whole state. The state is shown."


def test_a_long_file_is_looked_through_itself(runs: Runs, tmp_path: Path, text: str) -> None:
    file = tmp_path / "more.txt"
    file.write_text(text, encoding="utf-8")
    found = inspect_gates(runs("rnn"), file=str(file))
    assert (found.about.source, found.tracked_in, found.examined) == (str(file), str(file), 5000)
    assert "".join(found.symbols) == text[:100]


def test_what_carries_nothing_says_so(runs: Runs) -> None:
    found = inspect_gates(runs("feedforward"))
    assert [panel.name for panel in found.panels] == ["output"]
    assert found.tracked == ()
    assert found.notes == ("This cell carries no state from step to step, so the output of each step is shown.",)


@pytest.mark.parametrize(
    ("wish", "kind", "message"),
    [
        ({"layer": 3}, UsageError, "layer 3 does not exist; the network has 2"),
        ({"units": [3, 10]}, UsageError, "unit 10 does not exist; the layer has 10, numbered from 0 to 9"),
        ({"text": "Ann", "split": "test"}, UsageError, "use only one of them"),
        ({"text": ""}, UsageError, "the text is empty"),
        ({"symbols": 0}, UsageError, "the number of steps to show must be 1 or more"),
        ({"file": "none.txt"}, DataError, "does not exist"),
    ],
)
def test_wishes_that_cannot_be_are_refused(
    wish: dict[str, object], kind: type[Exception], message: str, runs: Runs
) -> None:
    with pytest.raises(kind, match=message):
        inspect_gates(runs("rnn"), **wish)  # type: ignore[arg-type]
