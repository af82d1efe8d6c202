"""A run's metrics next to its baselines': the best is marked, and a run worse than a baseline is reported."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lstmctl.reporting.evaluation_tables import beats, beats_all, evaluation_in_words, evaluation_tables, verdict
from lstmctl.reporting.stored_evaluation import read_evaluation
from lstmctl.reporting.terminal import show
from lstmctl.results.evaluation import Evaluation, Lead

NewScreen = Callable[..., Any]


@pytest.fixture
def evaluation(tmp_path: Path, stored_evaluation: dict[str, Any]) -> Evaluation:
    (tmp_path / "evaluation.json").write_text(json.dumps(stored_evaluation))
    stored = read_evaluation(tmp_path)
    assert stored is not None
    return stored.evaluation


def with_run(evaluation: Evaluation, **metrics: float) -> Evaluation:
    return dataclasses.replace(evaluation, metrics={**evaluation.metrics, **metrics})


def test_every_metric_is_shown_next_to_the_baselines(evaluation: Evaluation) -> None:
    table = evaluation_tables(evaluation)[0]
    assert table.columns == ("", "run", "last value", "seasonal naive", "drift", "ridge")
    assert table.title == "on test, 2,785 windows"
    rows = {row[0]: row[1:] for row in table.rows}
    assert rows["MSE, scaled"] == ("* 0.3690", "1.1439", "0.5055", "3.4317", "0.3985")
    assert rows["sMAPE"] == ("* 46.20", "143.22", "63.29", "429.66", "49.90")
    # A wide interval is neither better nor worse, and equal coverage is not a competition.
    assert rows["coverage of 80 %"] == ("0.793",) * 5
    assert rows["width of 80 %, scaled"] == ("1.310",) * 5
    assert len(rows) == 11


def test_the_primary_metric_is_first(evaluation: Evaluation) -> None:
    tables = evaluation_tables(dataclasses.replace(evaluation, primary="pinball_scaled"))
    assert tables[0].rows[0][:2] == ("pinball, scaled", "* 0.1240")
    assert tables[1].columns[2] == "pinball, scaled"
    assert tables[2].title == "pinball, scaled by step of the horizon"


def test_each_channel_has_the_run_and_its_best_baseline(evaluation: Evaluation) -> None:
    others = dict(evaluation.by_channel)
    others["last value"] = {**others["last value"], "OT": {**others["last value"]["OT"], "mse_scaled": 0.1}}
    table = evaluation_tables(dataclasses.replace(evaluation, by_channel=others))[1]
    assert table.columns == ("channel", "", "MSE, scaled", "MAE", "MASE", "coverage of 80 %")
    assert [row[:3] for row in table.rows] == [
        ("HUFL", "run", "* 0.2952"),
        ("", "ridge", "0.3188"),
        ("OT", "run", "0.4428"),
        ("", "last value", "* 0.1000"),
    ]
    # In its own unit a channel has its own digits.
    assert [row[3] for row in table.rows] == ["2.088", "2.255", "3,132", "9,709"]


def test_of_many_channels_the_first_are_shown_and_the_others_counted(evaluation: Evaluation) -> None:
    figures = evaluation.by_channel["run"]["OT"]
    many = {name: {f"c{number}": figures for number in range(321)} for name in ("run", "ridge")}
    table = evaluation_tables(dataclasses.replace(evaluation, by_channel=many))[1]
    assert [row[0] for row in table.rows][::2] == [f"c{number}" for number in range(12)]
    assert table.notes == ("and 309 more channels, in --json",)
    one = dataclasses.replace(evaluation, by_channel={"run": {"OT": figures}})
    assert [table.name for table in evaluation_tables(one)] == ["overall", "steps"]


def test_steps_are_spread_from_the_first_to_the_last(evaluation: Evaluation) -> None:
    steps = {name: tuple({"mse_scaled": 1.0 + step} for step in range(96)) for name in ("run", "ridge")}
    table = evaluation_tables(dataclasses.replace(evaluation, by_step=steps))[-1]
    assert [row[0] for row in table.rows] == ["1", "20", "39", "58", "77", "96"]
    assert table.columns == ("step", "run", "ridge")
    assert table.rows[0] == ("1", "* 1.000", "* 1.000")
    short = evaluation_tables(evaluation)[-1]
    assert [row[0] for row in short.rows] == ["1", "2", "3", "4"]
    single = dataclasses.replace(evaluation, by_step={"run": ({"mse_scaled": 1.0},)})
    assert [table.name for table in evaluation_tables(single)] == ["overall", "channels"]


def test_what_is_not_known_is_empty_and_what_is_not_a_number_is_never_the_best(evaluation: Evaluation) -> None:
    broken = dataclasses.replace(
        with_run(evaluation, mse_scaled=math.nan),
        baselines={"ridge": {"mse_scaled": 0.4}, "drift": {"mse_scaled": 0.5}, "order": {}},
    )
    row = evaluation_tables(broken)[0].rows[0]
    assert row == ("MSE, scaled", "nan", "* 0.4000", "0.5000", "")
    assert beats(broken) == (
        "It does not beat ridge (0.4000 MSE, scaled, the run nan): prefer the baseline, or train longer."
    )
    assert evaluation_tables(dataclasses.replace(broken, metrics={}))[0].name != "overall"


def test_a_run_shows_whether_it_beats_the_best_baseline(evaluation: Evaluation) -> None:
    assert beats(evaluation) == ("It beats every baseline: 0.3690 MSE, scaled, the best of them 0.3985 (ridge).")
    assert beats(with_run(evaluation, mse_scaled=0.41)) == (
        "It does not beat ridge (0.3985 MSE, scaled, the run 0.4100): prefer the baseline, or train longer."
    )
    equal = with_run(evaluation, mse_scaled=evaluation.baselines["ridge"]["mse_scaled"])
    assert not beats_all(equal)
    assert beats(dataclasses.replace(evaluation, baselines={})) is None
    assert beats(dataclasses.replace(evaluation, primary="accuracy")) is None


def test_where_more_is_better_the_highest_is_the_best(evaluation: Evaluation) -> None:
    scores = dataclasses.replace(
        evaluation,
        metrics={"accuracy": 0.8},
        primary="accuracy",
        baselines={"majority": {"accuracy": 0.6}, "trees": {"accuracy": 0.9}},
    )
    table = evaluation_tables(scores)[0]
    assert table.rows[0] == ("accuracy", "0.8000", "0.6000", "* 0.9000")
    verdict = beats(scores)
    assert verdict is not None
    assert verdict.startswith("It does not beat trees (0.9000 accuracy")


def test_the_tables_are_printed_with_notes_and_the_verdict_within_80_columns(
    evaluation: Evaluation, new_screen: NewScreen
) -> None:
    screen = new_screen()
    show(evaluation_in_words(evaluation), stream=screen)
    lines = screen.text.splitlines()
    assert lines[0].endswith(" on test, 2,785 windows")
    assert lines[2] == "MSE, scaled            * 0.3690      1.1439          0.5055  3.4317  0.3985"
    assert max(map(len, lines)) <= 80
    assert lines[-3:] == [
        "* the best of its row; by channel or series, the better of the two",
        "The rows that chose the weights calibrated the intervals.",
        "It beats every baseline: 0.3690 MSE, scaled, the best of them 0.3985 (ridge).",
    ]


def test_a_terminal_keeps_the_values_whole(evaluation: Evaluation, new_screen: NewScreen) -> None:
    screen = new_screen(terminal=True)
    show(evaluation_in_words(evaluation), stream=screen)
    for figure in ("* 0.3690", "1.1439", "0.5055", "3.4317", "0.3985", "429.66", "* 3,132"):
        assert (figure in screen.text) == (figure != "* 3,132")
    assert "3,132" in screen.text


def test_names_cannot_drive_a_terminal(evaluation: Evaluation, new_screen: NewScreen) -> None:
    evil = "a\x1b[2J\nb"
    named = dataclasses.replace(
        evaluation,
        run=evil,
        notes=(evil,),
        baselines={evil: evaluation.baselines["ridge"]},
        by_channel={"run": {evil: evaluation.metrics, "OT": evaluation.metrics}},
    )
    for terminal in (False, True):
        screen = new_screen(terminal=terminal)
        show(evaluation_in_words(named), stream=screen)
        assert "\x1b[2J" not in screen.text
        assert screen.text.count("a\\x1b[2J\\nb") >= 5


LABELLED = Evaluation(
    run="runs/intents-lstm-001",
    split="test",
    metrics={"accuracy": 0.75, "macro_f1": 0.6, "nats_per_sequence": 0.5},
    baselines={"majority": {"accuracy": 0.5, "macro_f1": 0.3}},
    windows=40,
    by_label={
        "off": {"precision": 0.5, "recall": 1.0, "f1": 2 / 3, "count": 10.0},
        "on": {"precision": 1.0, "recall": 2 / 3, "f1": 0.8, "count": 30.0},
    },
    confusion=((10, 0), (10, 20)),
    counted="sequences",
    primary="accuracy",
)


def test_labels_have_a_table_with_the_frequent_ones_first() -> None:
    overall, labels = evaluation_tables(LABELLED)
    assert overall.title == "on test, 40 sequences"
    assert overall.rows[0] == ("accuracy", "* 0.7500", "0.5000")
    assert labels.columns == ("label", "precision", "recall", "F1", "cases")
    assert labels.rows == (("on", "1.000", "0.667", "0.800", "30"), ("off", "0.500", "1.000", "0.667", "10"))


def test_a_test_of_long_memory_is_solved_or_not() -> None:
    levels = {"chance": {"mse": 0.167}, "solved": {"mse": 0.01}}
    for value, solved in ((0.004, "Solved"), (0.01, "Solved"), (0.0101, "Not solved"), (math.nan, "Not solved")):
        evaluation = dataclasses.replace(LABELLED, metrics={"mse": value}, baselines=levels, primary="mse")
        said = beats(evaluation)
        assert said is not None
        assert said.startswith(f"{solved}: ")
        assert said.endswith(" or better is solved.")


SPAM = Evaluation(
    run="spam-lstm-001",
    split="test",
    metrics={"accuracy": 0.97},
    baselines={"majority": {"accuracy": 0.87}, "n-gram regression": {"accuracy": 0.96}},
    windows=600,
    counted="sequences",
    primary="accuracy",
    leads={"majority": Lead(0.1, 0.07, 0.13), "n-gram regression": Lead(0.01, 0.002, 0.018)},
)


def with_lead(lead: Lead) -> Evaluation:
    return dataclasses.replace(SPAM, leads={**SPAM.leads, "n-gram regression": lead})


def test_leads_have_their_interval_and_what_it_shows() -> None:
    table = evaluation_tables(with_lead(Lead(0.01, -0.005, 0.02)))[1]
    assert table.title == "lead over the baselines in accuracy, 95 % interval"
    assert table.rows == (
        ("majority", "+0.1000", "+0.0700 to +0.1300", "ahead"),
        ("n-gram regression", "+0.0100", "-0.0050 to +0.0200", "no difference shown"),
    )
    assert "600 sequences" in table.about


def test_the_interval_of_the_lead_chooses_the_words() -> None:
    assert beats(SPAM) == (
        "It beats every baseline: 0.9700 accuracy, the best of them 0.9600 (n-gram regression); lead 0.0100, "
        "95 % interval 0.0020 to 0.0180."
    )
    unclear = with_lead(Lead(0.01, -0.005, 0.02))
    assert beats(unclear) == (
        "No difference shown from n-gram regression (0.9600 accuracy, the run 0.9700; lead 0.0100, 95 % interval "
        "-0.0050 to 0.0200): score more sequences to tell them apart."
    )
    assert not beats_all(unclear)
    behind = with_lead(Lead(-0.02, -0.03, -0.01))
    assert str(beats(behind)).startswith("It does not beat n-gram regression (")
    assert str(beats(behind)).endswith("interval -0.0300 to -0.0100): prefer the baseline, or train longer.")


def test_what_speaks_against_the_scores_is_part_of_the_verdict() -> None:
    found = verdict(dataclasses.replace(SPAM, warnings=("the test part lacks 1 of 3 labels: `z`",)))
    assert found is not None
    assert found.tone == "warning"
    assert found.text.startswith("It beats every baseline: ")
    assert found.text.endswith(". But these scores may mislead. The test part lacks 1 of 3 labels: `z`.")


def test_leads_and_warnings_are_stored(tmp_path: Path) -> None:
    facts = {"format": 1, **dataclasses.asdict(dataclasses.replace(SPAM, warnings=("why",)))}
    facts["leads"]["odd"] = {"lead": 0.1, "low": None, "high": 1}
    (tmp_path / "evaluation.json").write_text(json.dumps(facts))
    stored = read_evaluation(tmp_path)
    assert stored is not None
    assert stored.evaluation.leads == SPAM.leads
    assert stored.evaluation.warnings == ("why",)
