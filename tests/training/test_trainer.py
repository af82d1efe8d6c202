"""The loop: exact continuation, micro-batches, order, divergence."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from lstmctl.cells.cell import Cell
from lstmctl.config import from_mapping
from lstmctl.config.schema import Settings
from lstmctl.data.vocabulary import TextEncoding
from lstmctl.errors import ConfigError, DivergedError, RunError
from lstmctl.events import Evaluated, Event, Finished, Sampled, SavePoint, Started, Stepped
from lstmctl.registry import CELLS, resolve
from lstmctl.runs.checkpoint_files import Snapshot
from lstmctl.tasks import language_model
from lstmctl.tasks.language_model import LanguageModel
from lstmctl.training.trainer import Trainer

TEXT = "the cat sat on the mat. a bird sang in the tall tree, and the cat looked up at it. " * 12
CELL_NAMES = ["rnn", "lstm", "gru", "feedforward"]


def settings_of(cell: str = "lstm", model: dict[str, object] | None = None, **training: object) -> Settings:
    return from_mapping(
        {
            "task": {"type": "language-model", "shape": training.pop("shape", "many-to-many")},
            "data": {"text": "unused.txt"},
            "model": {"cell": cell, "hidden": 10, "layers": 2, "embedding": 6, "dropout": 0.2, **(model or {})},
            "training": {
                "batch": 4,
                "window": 12,
                "learning_rate": 0.01,
                "average": 0.9,
                "evaluate_every": 9,
                "save_every": 5,
                "sample_every": 15,
                **training,
            },
        }
    )


def trainer_of(settings: Settings, steps: int = 25) -> Trainer:
    encoding = TextEncoding.of(TEXT)
    task = LanguageModel(settings.task, encoding, settings.training.window)
    numbers = torch.from_numpy(encoding.encode(TEXT))
    split = 800
    cell = resolve(settings.model.cell, CELLS, Cell)
    model = task.model(settings.model, cell, torch.Generator().manual_seed(settings.seed))
    return Trainer(
        model,
        task,
        task.training_order(numbers[:split], settings.training, settings.seed),
        lambda: task.progress(numbers[split:]),
        settings.training,
        steps=steps,
        precision="float32",
        seed=settings.seed,
    )


def comparable(events: list[Event]) -> list[Event]:
    """Events without wall-clock time."""
    return [replace(event, seconds=0.0) if isinstance(event, Stepped) else event for event in events]


def same(a: Snapshot, b: Snapshot) -> bool:
    tensors = [(a.weights, b.weights), (a.averaged or {}, b.averaged or {}), (a.state, b.state)]
    return {**a.progress, "seconds": 0} == {**b.progress, "seconds": 0} and all(
        x.keys() == y.keys() and all(torch.equal(x[key], y[key]) for key in x) for x, y in tensors
    )


@pytest.mark.parametrize("cell", CELL_NAMES)
@pytest.mark.parametrize(
    ("shape", "optimizer"),
    [("many-to-many", "adamw"), ("many-to-many", "soap"), ("many-to-many", "sgd"), ("many-to-one", "adamw")],
)
def test_resumed_equals_uninterrupted(cell: str, shape: str, optimizer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(language_model, "PREVIEW_LENGTH", 20)  # each symbol is a window to read
    require_exact_resume(settings_of(cell, shape=shape, optimizer=optimizer))


@pytest.mark.parametrize("cell", ["slstm", "mlstm", "lru", "transformer", "tcn"])
def test_states_of_other_shapes_are_resumed_too(cell: str) -> None:
    options = {"transformer": {"context": 20}, "mlstm": {"heads": 2}}.get(cell, {})
    require_exact_resume(settings_of(cell, model={"hidden": 8, "options": options}))


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru", "feedforward", "slstm", "mingru", "transformer"])
@pytest.mark.parametrize("frozen", ["recurrence", "recurrence.forward_cells.0", "input_map", "head.bias"])
def test_frozen_weights_stay_and_all_others_move(cell: str, frozen: str) -> None:
    options = {"transformer": {"context": 20}}.get(cell, {})
    settings = settings_of(cell, model={"hidden": 8, "options": options}, freeze=[frozen], weight_decay=0.1)
    trainer = trainer_of(settings, steps=3)
    before = {name: weight.detach().clone() for name, weight in trainer.model.named_parameters()}
    trainer.make_steps(3)
    stayed = {name for name, weight in trainer.model.named_parameters() if torch.equal(weight, before[name])}
    assert stayed == {name for name in before if name.startswith(frozen)} != set()


def test_the_rest_is_trained_as_if_nothing_were_frozen() -> None:
    """The first step of a weight depends only on its own gradient, so it is the same with and without frozen ones."""
    free, partly = (
        trainer_of(settings_of(freeze=names, clip=None), steps=1) for names in ((), ("recurrence.forward_cells.1",))
    )
    for trainer in (free, partly):
        trainer.make_steps(1)
    others = dict(partly.model.named_parameters())
    for name, weight in free.model.named_parameters():
        assert torch.equal(weight, others[name]) != name.startswith("recurrence.forward_cells.1")


@pytest.mark.parametrize("optimizer", ["adamw", "soap", "sgd"])
def test_a_run_with_frozen_weights_is_resumed_exactly(optimizer: str) -> None:
    require_exact_resume(settings_of(optimizer=optimizer, freeze=["recurrence.forward_cells.0", "input_map"]))


def test_names_to_freeze_must_be_known_and_leave_some() -> None:
    with pytest.raises(ConfigError) as unknown:
        trainer_of(settings_of(freeze=["recurrence.layer.0"]))
    assert str(unknown.value) == "training.freeze — the network has no weight recurrence.layer.0"
    assert unknown.value.hint == "its weights are in input_map, recurrence, head"
    with pytest.raises(ConfigError, match="freeze leaves no weight to train"):
        trainer_of(settings_of(freeze=["input_map", "recurrence", "head"]))


def require_exact_resume(settings: Settings) -> None:
    """Check that a run continued from any checkpoint equals the uninterrupted one, bit for bit."""
    whole = trainer_of(settings)
    snapshots, expected = [], []
    for event in whole.events():
        expected.append(event)
        if isinstance(event, SavePoint):
            snapshots.append((len(expected), whole.snapshot()))
    assert len(snapshots) > 5
    for seen, snapshot in [snapshots[0], snapshots[3], snapshots[-2]]:
        resumed = trainer_of(settings)
        resumed.load(snapshot)
        torch.manual_seed(123)  # whatever else draws from the global generator must not matter
        rest = [
            event for event in resumed.events() if not (isinstance(event, SavePoint) and event.step == snapshot.step)
        ]
        assert comparable(rest)[1:] == comparable(expected)[seen:]
        assert same(resumed.snapshot(), whole.snapshot())


def interrupted_at(step: int, settings: Settings) -> Snapshot:
    trainer = trainer_of(settings)
    for event in trainer.events(lambda: trainer.progress.step >= step):
        if isinstance(event, Finished):
            assert event.reason == "interrupted"
    return trainer.snapshot()


def without(prefix: str) -> Callable[[Snapshot], Snapshot]:
    return lambda s: replace(s, state={key: value for key, value in s.state.items() if not key.startswith(prefix)})


def zeroed(key: str) -> Callable[[Snapshot], Snapshot]:
    return lambda s: replace(s, state={**s.state, key: torch.zeros_like(s.state[key])})


def progress_reset(key: str, value: object) -> Callable[[Snapshot], Snapshot]:
    return lambda s: replace(s, progress={**s.progress, key: value})


@pytest.mark.parametrize(
    ("what", "damage"),
    [
        ("optimizer moments", without("optimizer/")),
        ("one weight's moments", zeroed("optimizer/2/exp_avg_sq")),
        ("carried state", without("carried/")),
        ("the second layer's state", without("carried/1/")),
        ("averaged weights", lambda s: replace(s, averaged=s.weights)),
        ("count of averages", progress_reset("average_updates", 0)),
        ("sum of losses", progress_reset("loss_sum", 0.0)),
        ("count of losses", progress_reset("loss_count", 0)),
        ("units", progress_reset("units", 0)),
        ("best figure", progress_reset("best", None)),
        ("step of the best", progress_reset("best_step", 0)),
        ("patience", progress_reset("evaluations_since_best", 7)),
        ("step", lambda s: replace(s, step=s.step - 1)),
    ],
)
def test_leaving_out_any_item_of_state_shows(
    what: str, damage: Callable[[Snapshot], Snapshot], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control: a test of resuming that would pass without this item would be blind to it."""
    # Reports every 7 steps, so that the interruption falls between two; a high final rate, so the best is not the last.
    monkeypatch.setattr("lstmctl.training.trainer.REPORTS", 6)
    settings = settings_of(learning_rate=0.3, schedule="constant", patience=50)
    whole = trainer_of(settings, steps=45)
    expected = comparable(list(whole.events()))
    snapshot = interrupted_at(23, settings_of(learning_rate=0.3, schedule="constant", patience=50))
    resumed = trainer_of(settings, steps=45)
    differs = False
    try:
        resumed.load(damage(snapshot))
        rest = comparable(list(resumed.events()))[1:]
        differs = rest != expected[-len(rest) :] or not same(resumed.snapshot(), whole.snapshot())
    except (KeyError, RuntimeError, ValueError, ZeroDivisionError):
        differs = True
    assert differs, what


def test_the_undamaged_snapshot_of_the_negative_control_continues_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lstmctl.training.trainer.REPORTS", 6)
    settings = settings_of(learning_rate=0.3, schedule="constant", patience=50)
    whole = trainer_of(settings, steps=45)
    list(whole.events())
    partly = trainer_of(settings, steps=45)
    for _ in partly.events(lambda: partly.progress.step >= 23):
        pass
    resumed = trainer_of(settings, steps=45)
    resumed.load(partly.snapshot())
    list(resumed.events())
    assert same(resumed.snapshot(), whole.snapshot())


def test_micro_batches_give_the_gradient_of_the_whole_batch() -> None:
    model = {"dropout": 0.0}
    one, four = trainer_of(settings_of(model=model)), trainer_of(settings_of(model=model, accumulate=4))
    for _ in range(3):
        one.make_steps(1)
        four.make_steps(1)
    for a, b in zip(one.parameters, four.parameters, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)
    for ours, theirs in zip(one.carried or (), four.carried or (), strict=True):
        for a, b in zip(ours, theirs, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_the_budget_is_kept_and_events_come_in_order() -> None:
    events = list(trainer_of(settings_of(), steps=20).events())
    assert isinstance(events[0], Started)
    assert events[0].units_per_step == 4 * 12
    assert events[-1] == Finished(20, "budget")
    last_report = [event for event in events if isinstance(event, Stepped)][-1]
    assert (last_report.step, last_report.units) == (20, 20 * 48)
    assert [event.step for event in events if isinstance(event, Evaluated)] == [9, 18, 20]
    assert [event.step for event in events if isinstance(event, Sampled)] == [15, 20]
    assert {0, 5, 10, 15, 20} <= {event.step for event in events if isinstance(event, SavePoint)}


def test_evaluation_and_samples_do_not_disturb_training() -> None:
    often = trainer_of(settings_of(evaluate_every=1, sample_every=1, save_every=1))
    never = trainer_of(settings_of(evaluate_every=1000, sample_every=1000, save_every=1000))
    list(often.events())
    list(never.events())
    assert all(torch.equal(a, b) for a, b in zip(often.parameters, never.parameters, strict=True))


def test_training_leaves_the_global_generator_alone() -> None:
    trainer = trainer_of(settings_of())
    torch.manual_seed(9)
    expected = torch.rand(3)
    torch.manual_seed(9)
    trainer.make_steps(3)
    assert torch.equal(torch.rand(3), expected)


def test_patience_stops_and_stays_stopped() -> None:
    settings = settings_of(learning_rate=3.0, evaluate_every=2, patience=2, clip=None, average=None)
    trainer = trainer_of(settings, steps=500)
    events = list(trainer.events())
    assert isinstance(events[-1], Finished)
    assert events[-1].reason == "patience"
    assert trainer.progress.step < 500
    again = trainer_of(settings, steps=500)
    again.load(trainer.snapshot())
    assert [type(event) for event in again.events()] == [Started, Finished]


def test_divergence_stops_before_the_step_and_names_it() -> None:
    trainer = trainer_of(settings_of())
    trainer.make_steps(4)
    with torch.no_grad():
        trainer.parameters[0][:] = math.inf
    before = [parameter.clone() for parameter in trainer.parameters[1:]]
    with pytest.raises(DivergedError, match="training diverged at step 5: loss nan"):
        list(trainer.events())
    assert all(torch.equal(a, b) for a, b in zip(before, trainer.parameters[1:], strict=True))


def test_weights_of_another_architecture_are_refused() -> None:
    snapshot = trainer_of(settings_of("gru")).snapshot()
    with pytest.raises(RunError, match=r"kernel.weight_ih_l0 has shape \(30, 6\), the model's \(40, 6\)"):
        trainer_of(settings_of("lstm")).load(snapshot)
    with pytest.raises(RunError, match="another architecture"):
        trainer_of(settings_of("feedforward")).load(snapshot)


@pytest.mark.parametrize("optimizer", ["adamw", "soap", "adam", "sgd", "rmsprop"])
@pytest.mark.parametrize("schedule", ["linear", "cosine", "constant"])
def test_every_optimizer_and_schedule_learns(optimizer: str, schedule: str) -> None:
    rate = 0.1 if optimizer == "sgd" else 0.003
    settings = settings_of(optimizer=optimizer, schedule=schedule, learning_rate=rate, average=None)
    figures = [e.metrics["nats_per_character"] for e in trainer_of(settings, 60).events() if isinstance(e, Evaluated)]
    assert figures[-1] < figures[0] - 0.1


def test_the_loss_of_a_budget_without_measure_is_reported_from_the_first_step() -> None:
    trainer = trainer_of(settings_of(learning_rate=1e-4, evaluate_every=10**9, sample_every=10**9), steps=10**14)
    reports = [
        event.step for event in trainer.events(lambda: trainer.progress.step >= 40) if isinstance(event, Stepped)
    ]
    assert reports == [1, 2, 4, 8, 16, 32]


def test_reports_are_never_far_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lstmctl.training.trainer.MOST_STEPS_BETWEEN_REPORTS", 10)
    trainer = trainer_of(settings_of(learning_rate=1e-4, evaluate_every=10**9, sample_every=10**9), steps=10**14)
    reports = [
        event.step for event in trainer.events(lambda: trainer.progress.step >= 40) if isinstance(event, Stepped)
    ]
    assert reports == [1, 2, 4, 8, 10, 16, 20, 30, 32, 40]
