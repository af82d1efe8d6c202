"""A forecaster from its training to its use: forecasts, paths, backtests, resume."""

from __future__ import annotations

import datetime
import json
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import polars
import pytest
import torch

import lstmctl
from lstmctl.api import Run, load_run, resume, train
from lstmctl.config import derive
from lstmctl.data.forecast_table import as_csv, write_forecast_table
from lstmctl.errors import DataError, LstmctlError, RunError, UsageError
from lstmctl.events import Event, Started, Stepped
from lstmctl.results.forecasts import SeriesForecast
from tests.conftest import Command, Trained, write_waves

QUICK = ["training.budget=20 steps"]


@pytest.fixture
def run(trained: Trained) -> Run:
    return trained("waves", *QUICK)


def refused(kind: type[LstmctlError], attempt: object, *arguments: object, **settings: object) -> LstmctlError:
    with pytest.raises(kind) as caught:
        attempt(*arguments, **settings)  # type: ignore[operator]
    return caught.value


def plain(forecasts: list[SeriesForecast]) -> list[tuple[object, ...]]:
    return [(one.series, one.times, one.point, dict(one.intervals)) for one in forecasts]


def test_a_forecast_continues_after_the_last_row_in_the_tables_units(run: Run, series_config: Path) -> None:
    forecasts = run.forecast()
    assert [one.series for one in forecasts] == ["a", "b"]
    after = datetime.datetime(2020, 1, 1) + datetime.timedelta(hours=400)
    assert forecasts[0].times == tuple(str(after + datetime.timedelta(hours=hour)) for hour in range(4))
    table = polars.read_csv(series_config.parent / "small.csv")
    for one in forecasts:
        values = table[one.series].to_list()
        assert one.history == pytest.approx(values[-12:], abs=1e-9)
        assert one.history_times[-1] == str(after - datetime.timedelta(hours=1))
        assert min(values) - 3 < min(one.point) <= max(one.point) < max(values) + 3
        low, high = one.intervals[80]
        assert all(below <= value <= above for below, value, above in zip(low, one.point, high, strict=True))
        assert one.actual == ()


def test_it_needs_neither_its_data_nor_its_place(series_config: Path, tmp_path: Path) -> None:
    run = train(series_config, QUICK)
    before = plain(run.forecast())
    shutil.copytree(run.path, tmp_path / "far/away")
    shutil.rmtree(run.path)
    (tmp_path / "small.csv").unlink()
    assert plain(load_run(tmp_path / "far/away").forecast()) == before


def test_it_continues_from_a_newer_table(run: Run, tmp_path: Path) -> None:
    newer = write_waves(tmp_path / "newer.csv", 500)
    forecasts = run.forecast(newer)
    after = datetime.datetime(2020, 1, 1) + datetime.timedelta(hours=500)
    assert forecasts[0].times[0] == str(after)
    # Rows beyond the last target need no value.
    with newer.open("a") as file:
        for hour in range(3):
            file.write(f"{after + datetime.timedelta(hours=hour)},,\n")
    assert plain(run.forecast(newer)) == plain(forecasts)
    short = write_waves(tmp_path / "short.csv", 11)
    error = refused(DataError, run.forecast, short)
    assert str(error) == f"{short}: the table has 11 rows; a forecast is made from task.lookback=12"


def with_known(path: Path, rows: int, ahead: int) -> None:
    """Add a column that is known in advance, for this many rows beyond the last target."""
    write_waves(path, rows)
    lines = path.read_text().splitlines()
    lines = [f"{lines[0]},open", *(f"{line},{row % 6}" for row, line in enumerate(lines[1:]))]
    start = datetime.datetime(2020, 1, 1)
    lines += [f"{start + datetime.timedelta(hours=row)},,,{row % 6}" for row in range(rows, rows + ahead)]
    path.write_text("\n".join(lines) + "\n")


def test_what_is_known_in_advance_must_reach_far_enough(series_config: Path, tmp_path: Path) -> None:
    with_known(tmp_path / "small.csv", 400, 4)
    run = train(series_config, [*QUICK, "data.known=open"])
    whole = run.forecast()
    assert len(whole[0].point) == 4
    with_known(tmp_path / "newer.csv", 400, 3)
    error = refused(DataError, run.forecast, tmp_path / "newer.csv")
    assert str(error) == (
        f"open must be known for 4 rows after the last a, b of {tmp_path / 'newer.csv'}, but ends 3 rows after it, "
        "at 2020-01-17 18:00:00"
    )
    assert error.hint == "append rows with these columns alone, or train without data.known"
    lines = (tmp_path / "small.csv").read_text().splitlines()
    (tmp_path / "newer.csv").write_text("\n".join([*lines[:-1], lines[-1][:-1] + "0"]) + "\n")
    changed = run.forecast(tmp_path / "newer.csv")
    assert changed[0].point != whole[0].point


def test_the_table_of_a_forecast(run: Run, tmp_path: Path) -> None:
    forecasts = run.forecast()
    lines = as_csv(forecasts, "gru").splitlines()
    assert lines[0] == "unique_id,ds,gru,gru-lo-80,gru-hi-80"
    assert len(lines) == 1 + 2 * 4
    assert lines[1].split(",")[:2] == ["a", forecasts[0].times[0]]
    assert float(lines[1].split(",")[2]) == forecasts[0].point[0]
    write_forecast_table(tmp_path / "out.parquet", forecasts, "gru")
    frame = polars.read_parquet(tmp_path / "out.parquet")
    assert frame["ds"].dtype == polars.Datetime
    assert frame["gru-hi-80"].to_list() == [*forecasts[0].intervals[80][1], *forecasts[1].intervals[80][1]]
    error = refused(UsageError, write_forecast_table, tmp_path / "out.xlsx", forecasts, "gru")
    assert "unsupported file extension; use .csv or .parquet" in str(error)


def test_a_run_holds_its_metrics_next_to_the_baselines(run: Run) -> None:
    kept = json.loads((run.path / "evaluation.json").read_text())
    assert kept["split"] == "test"
    assert kept["primary"] == "mse_scaled"
    assert list(kept["baselines"]) == [
        "last value",
        "seasonal naive",
        "drift",
        "theta",
        "ETS",
        "ridge",
    ]
    assert kept["metrics"] == run.metrics["test"]
    evaluation = run.evaluate("test")
    assert dict(evaluation.metrics) == kept["metrics"]
    assert {name: dict(figures) for name, figures in evaluation.baselines.items()} == kept["baselines"]
    assert kept["windows"] == evaluation.windows == 77
    assert list(evaluation.by_channel["run"]) == ["a", "b"]
    assert len(evaluation.by_step["ridge"]) == 4
    example = kept["examples"][0]
    assert len(example["actual"]) == len(example["point"]) == 4
    assert run.info["data"]["windows"] == {"training": 225, "validation": 77, "test": 77}


def test_another_table_is_scored_whole(run: Run, tmp_path: Path) -> None:
    evaluation = run.evaluate(file=write_waves(tmp_path / "newer.csv", 100))
    assert evaluation.windows == 100 - 12 - 4 + 1
    assert list(evaluation.baselines) == ["last value", "seasonal naive", "drift", "theta", "ETS"]


def test_sample_paths_are_for_those_who_have_them(run: Run, series_config: Path) -> None:
    error = refused(UsageError, run.sample_paths, count=2)
    assert "has no joint distribution to draw from" in str(error)
    assert "task.decoding=recursive" in str(error.hint)
    error = refused(UsageError, run.generate, "x")
    assert "does not generate text: its task is forecast" in str(error)
    drawing = train(series_config, [*QUICK, "task.decoding=recursive", "task.loss=student-t"])
    one, other = drawing.sample_paths(count=3, seed=1), drawing.sample_paths(count=3, seed=1)
    assert [forecast.paths for forecast in one] == [forecast.paths for forecast in other]
    assert len(one[0].paths) == 3
    assert drawing.sample_paths(count=3, seed=2)[0].paths != one[0].paths
    lines = as_csv(one, "gru").splitlines()
    assert lines[0].endswith("gru-path-1,gru-path-2,gru-path-3")


@pytest.mark.parametrize("cell", [pytest.param("rnn", marks=pytest.mark.drawn), "lstm"])
@pytest.mark.parametrize(
    "overrides",
    [
        ["task.shape=many-to-one", "task.horizon=1"],
        ["task.shape=many-to-one"],
        ["task.decoding=recursive", "task.loss=huber"],
        ["task.decoding=encoder-decoder", "task.loss=quantile", "task.channels=joint"],
        ["task.loss=quantile", "task.normalisation=window", "model.linear=true", "model.ensemble=2"],
        ["task.segment=1", "task.normalisation=none", "data.targets=a", "data.past=b", "data.calendar=[hour,weekday]"],
    ],
)
def test_every_shape_trains_and_forecasts(series_config: Path, cell: str, overrides: list[str]) -> None:
    run = train(series_config, ["training.budget=4 steps", f"model.cell={cell}", *overrides])
    forecasts = run.forecast()
    assert all(np.isfinite(one.point).all() and np.isfinite(one.intervals[80]).all() for one in forecasts)
    assert run.metrics["test"] is not None
    assert run.status == "finished"


def test_a_run_stopped_by_a_signal_continues_to_the_same_bits(series_config: Path) -> None:
    whole = train(series_config, ["task.loss=quantile"])

    def stop(event: Event) -> None:
        if isinstance(event, Stepped) and event.step == 23:
            os.kill(os.getpid(), signal.SIGINT)

    half = train(series_config, ["task.loss=quantile"], observe=stop)
    assert half.status == "interrupted"
    done = resume(half.name)
    for name in ("best.safetensors", "last.safetensors", "calibration.json", "evaluation.json"):
        assert (done.path / name).read_bytes() == (whole.path / name).read_bytes(), name
    assert done.metrics == whole.metrics


def test_changed_rows_stop_a_resume(series_config: Path, tmp_path: Path) -> None:
    def stop(event: Event) -> None:
        if isinstance(event, Stepped) and event.step == 9:
            os.kill(os.getpid(), signal.SIGINT)

    half = train(series_config, observe=stop)
    write_waves(tmp_path / "small.csv", 401)
    assert "changed since the run began" in str(refused(RunError, resume, half.name))


STILL = ["training.budget=1 steps", "training.learning_rate=1e-12", "training.average=null", "task.final_fit=none"]


def with_columns(path: Path) -> list[str]:
    """Add covariates to the table: `p`, `x` and `z` are numbers, `k` is a name; return settings that read them."""
    table = polars.read_csv(path)
    draw = np.random.default_rng(4)
    for name in ("p", "x", "z"):
        table = table.with_columns(polars.Series(name, draw.normal(size=len(table))))
    table.with_columns(polars.Series("k", draw.choice(["low", "mid", "high"], len(table)))).write_csv(path)
    return [
        "data.targets=[a,b]",
        "data.past=p",
        "data.known=[x,k]",
        "data.categories=k",
        "data.calendar=[hour,weekday]",
    ]


@pytest.mark.parametrize("channels", ["independent", "joint"])
@pytest.mark.parametrize(
    "decoding", ["shape=many-to-one", "decoding=parallel", "decoding=recursive", "decoding=encoder-decoder"]
)
def test_weights_go_to_other_columns_by_name(
    series_config: Path, tmp_path: Path, decoding: str, channels: str, caplog: pytest.LogCaptureFixture
) -> None:
    """In another order, and with new columns, the forecasts are the same until the new ones are learned."""
    settings = [*with_columns(tmp_path / "small.csv"), f"task.{decoding}", f"task.channels={channels}"]
    first = train(series_config, [*settings, "training.budget=20 steps", "task.loss=quantile"])
    caplog.clear()
    others = [
        "data.targets=[b,a]",
        "data.known=[k,z,x]",
        "data.calendar=[weekday,day-of-year,hour]",
        "task.loss=quantile",
    ]
    second = train(series_config, [*settings, *STILL, *others], init_from=first.name)
    expected = {one.series: one for one in first.backtest(windows=2).forecasts}
    for one in second.backtest(windows=2).forecasts:
        if one.times == expected[one.series].times:
            assert one.point == pytest.approx(expected[one.series].point, abs=1e-4)
    inputs = 2 if channels == "joint" else 1
    said = (
        f"{inputs + 8} of {inputs + 11} inputs carried over from {first.name}; starting from 0: `z`, `day-of-year 1`, "
        "`day-of-year 2`"
    )
    assert said in caplog.messages


def test_static_columns_and_categories_are_taken_over_by_name(series_config: Path, tmp_path: Path) -> None:
    start = datetime.datetime(2020, 1, 1)
    rows = [
        f"{name},{start + datetime.timedelta(hours=hour)},{np.sin(hour / 3) * size:.4f},{size},{kind},{7 * size}"
        for name, size, kind in (("one", 1, "river"), ("two", 2, "lake"), ("six", 6, "river"))
        for hour in range(200)
    ]
    (tmp_path / "small.csv").write_text("\n".join(["unique_id,ds,y,size,kind,height", *rows]) + "\n")
    settings = ["data.static=[size,kind]", "data.categories=kind"]
    first = train(series_config, [*settings, *QUICK])
    text = (tmp_path / "small.csv").read_text().replace(",lake,", ",canal,")
    second = train(series_config, [*settings, *STILL, "data.static=[height,kind,size]"], init_from=first.name)
    for one, other in zip(first.forecast(), second.forecast(), strict=True):
        assert first.info["final_fit"] is not None
        assert len(one.point) == len(other.point)
    for one, other in zip(first.backtest().forecasts, second.backtest().forecasts, strict=True):
        assert one.point == pytest.approx(other.point, abs=1e-4)
    (tmp_path / "small.csv").write_text(text)
    third = train(series_config, [*settings, *STILL], init_from=first.name)
    vectors = [one.model.state_dict()["categories.static.vectors.0"] for one in (first, third)]
    known = [one.task.encoding.categories["kind"] for one in (first, third)]
    assert known == [("river", "lake"), ("river", "canal")]
    assert torch.equal(vectors[0][0], vectors[1][0])
    assert not torch.equal(vectors[0][1], vectors[1][1])
    error = refused(RunError, train, series_config, ["data.static=size", *QUICK], init_from=first.name)
    assert str(error) == f"{first.name} has other static columns of categories than this data: kind, not none"


def test_vectors_of_channels_are_taken_over_by_name(run: Run, series_config: Path) -> None:
    other = train(series_config, [*STILL, "data.targets=[b,a]"], init_from=run.name)
    own, theirs = (one.model.state_dict()["members.0.channel"] for one in (other, run))
    assert torch.equal(own, theirs.flip(0))
    single = train(series_config, [*STILL, "data.targets=a"], init_from=run.name)
    assert "members.0.channel" not in single.model.state_dict()
    segments = refused(RunError, train, series_config, [*STILL, "task.segment=1"], init_from=run.name)
    assert "task.segment" in str(segments)


def test_a_backtest_rolls_through_the_test_rows(run: Run) -> None:
    result = run.backtest()
    assert (result.split, result.stride, result.refit) == ("test", 4, False)
    assert result.origins == 20  # 77 windows, every fourth, the last one among them
    assert result.cutoffs[-1] == str(datetime.datetime(2020, 1, 1) + datetime.timedelta(hours=395))
    assert len(result.forecasts) == 40
    # All windows, one row apart: the point forecasts are the ones that `evaluate` scores.
    every = run.backtest(stride=1)
    assert every.origins == 77
    evaluation = run.evaluate("test")
    for name in ("mse_scaled", "mase", "coverage_80"):
        assert every.scores["calibrated"].metrics[name] == pytest.approx(evaluation.metrics[name], rel=1e-6)
    assert 0 < every.scores["adaptive"].metrics["coverage_80"] < 1
    assert len(run.backtest(windows=3).forecasts) == 6


def test_what_comes_later_moves_no_earlier_interval(series_config: Path, tmp_path: Path) -> None:
    """The second half of the test rows is replaced; what was forecast of the first stays as it was."""
    run = train(series_config, QUICK)
    lines = (tmp_path / "small.csv").read_text().splitlines()
    before = run.backtest(stride=1).forecasts
    draw = np.random.default_rng(1)
    moved = [f"{line.split(',')[0]},{draw.normal(0, 50):.3f},{draw.normal(0, 50):.3f}" for line in lines[361:]]
    (tmp_path / "small.csv").write_text("\n".join([*lines[:361], *moved]) + "\n")
    again = train(series_config, QUICK)
    after = again.backtest(stride=1).forecasts
    assert run.metrics["validation"] == again.metrics["validation"]
    # Windows come one a row, each as two forecasts; the last whose rows all lie before row 360 is that of row 356.
    same = 2 * (360 - 320)
    assert plain(list(before[:same])) == plain(list(after[:same]))
    assert plain(list(before[same + 8 :])) != plain(list(after[same + 8 :]))


def test_refitting_trains_anew_on_what_came_before(run: Run) -> None:
    steps: list[int] = []
    result = run.backtest(windows=2, refit=True, observe=lambda event: steps.append(getattr(event, "step", -1)))
    assert result.refit
    assert result.origins == 2
    assert len(result.forecasts) == 4
    assert max(steps) == 20
    assert plain(list(result.forecasts)) != plain(list(run.backtest(windows=2).forecasts))


def test_refitting_can_go_on_from_the_last_weights(run: Run) -> None:
    """The run made 20 steps for its 225 training windows, so 56 new ones are worth 5 steps and 20 more 2."""
    budgets: list[int] = []

    def heard(event: Event) -> None:
        if isinstance(event, Started):
            budgets.append(event.steps)

    result = run.backtest(windows=2, stride=20, refit="continue", observe=heard)
    assert budgets == [5, 2]
    assert (result.refit, result.continued, result.origins) == (True, True, 2)
    assert not run.backtest(windows=1, refit="anew").continued
    budgets.clear()
    run.backtest(windows=1, stride=20, refit="anew", observe=heard)
    assert budgets == [20]
    assert str(refused(UsageError, run.backtest, refit="again")) == "refit must be anew or continue, not again"


def test_a_continued_refit_begins_with_the_runs_weights(series_config: Path) -> None:
    """Without scales and at a rate of nearly 0, it forecasts like the run; a refit from the beginning knows nothing."""
    run = train(series_config, ["training.budget=60 steps", "data.scaler=none", "task.calibration=none"])
    own = [one.point for one in run.backtest(windows=3).forecasts]
    run.settings = derive(run.settings, ["training.learning_rate=1e-12", "training.average=null"])
    found = {how: run.backtest(windows=3, refit=how).forecasts for how in ("continue", "anew")}
    for number, point in enumerate(own):
        assert found["continue"][number].point == pytest.approx(point, abs=1e-4)
        assert found["anew"][number].point != pytest.approx(point, abs=0.1)


def test_refits_and_final_fits_begin_where_the_run_began(series_config: Path) -> None:
    """A run that was started from another's weights, and learned nothing itself, still forecasts like the other."""
    first = train(series_config, ["training.budget=60 steps", "data.scaler=none", "task.final_fit=none"])
    still = ["training.budget=5 steps", "data.scaler=none", "training.learning_rate=1e-12", "training.average=null"]
    second = train(series_config, still, init_from=first.name)
    for how in ("continue", "anew"):
        assert second.info["final_fit"]["how"] == "anew"
        points = [one.point for one in second.backtest(windows=2, refit=how).forecasts]
        for point, one in zip(points, first.backtest(windows=2).forecasts, strict=True):
            assert point == pytest.approx(one.point, abs=1e-4)
    for one, other in zip(second.forecast(), first.forecast(), strict=True):
        assert one.point == pytest.approx(other.point, abs=1e-4)


def test_backtests_of_what_is_not_there(run: Run, series_config: Path) -> None:
    assert "the network was trained on the training part" in str(refused(UsageError, run.backtest, split="training"))
    assert "must be 1 or more" in str(refused(UsageError, run.backtest, stride=-1))
    assert "must be 1 or more" in str(refused(UsageError, run.backtest, stride=0))
    assert "must be 1 or more" in str(refused(UsageError, run.backtest, windows=0))


def test_a_text_model_does_not_forecast(small_config: Path) -> None:
    run = lstmctl.train(small_config, ["training.budget=2 steps"])
    error = refused(UsageError, run.forecast)
    assert str(error) == f"{run.name} does not forecast: its task is language-model"


def test_the_newest_forecaster_is_meant_where_none_is_named(run: Run, small_config: Path) -> None:
    text = lstmctl.train(small_config, ["training.budget=2 steps"])
    assert load_run().name == text.name
    assert load_run(task="forecast").name == run.name
    assert load_run(task="language-model").name == text.name
    assert load_run("latest", task="forecast").name == text.name


@pytest.mark.parametrize("decoding", ["parallel", "refined", "recursive", "encoder-decoder"])
def test_doubles_train_too(series_config: Path, decoding: str) -> None:
    overrides = ["training.budget=2 steps", "training.precision=float64", f"task.decoding={decoding}"]
    run = train(series_config, [*overrides, "task.loss=quantile"])
    assert run.info["precision"] == "float64"
    assert run.status == "finished"


def test_a_refined_run_resumes_exactly_with_everything_beside_it(series_config: Path) -> None:
    settings = [
        *QUICK, "task.decoding=refined", "task.symmetry=odd", "task.loss=quantile", "model.cell=slstm",
        "model.dropout=0.2", "model.linear=true", "model.ridge=auto", "model.ensemble=2", "training.shorten=0.5",
    ]  # fmt: skip
    whole = train(series_config, settings)

    def stop(event: Event) -> None:
        if isinstance(event, Stepped) and event.step == 9:
            os.kill(os.getpid(), signal.SIGINT)

    stopped = train(series_config, settings, observe=stop)
    assert stopped.status == "interrupted"
    again = resume(stopped.path)
    for name, weight in whole.model.state_dict().items():
        assert torch.equal(again.model.state_dict()[name], weight), name
    assert any(name.startswith("members.1.refinement.") for name in again.model.state_dict())
    assert again.metrics == whole.metrics


def test_a_series_shorter_than_the_lookback_is_forecast_from_its_rows(series_config: Path, tmp_path: Path) -> None:
    start = datetime.datetime(2020, 1, 1)
    rows = [f"long,{start + datetime.timedelta(hours=row)},{row % 6}" for row in range(200)]
    rows += [f"short,{start + datetime.timedelta(hours=row)},{row % 6}" for row in range(8)]
    (tmp_path / "small.csv").write_text("\n".join(["unique_id,ds,y", *rows]) + "\n")
    run = train(series_config, QUICK)
    long, short = run.forecast()
    assert (long.series, short.series) == ("long", "short")
    assert short.times[0] == "2020-01-01 08:00:00"
    assert all(-3 < value < 8 for value in short.point)


def test_a_backtest_trained_anew_sees_the_rows_before_alone(
    series_config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each fold's training and validation rows end where its forecast begins, future rows or not."""
    from lstmctl.api import backtesting

    with_known(tmp_path / "small.csv", 400, 6)
    run = train(series_config, [*QUICK, "data.known=open"])
    seen: list[dict[str, int]] = []
    assemble = backtesting.assemble

    def noted(*arguments: object, **settings: object) -> object:
        assembled = assemble(*arguments, **settings)  # type: ignore[arg-type]
        seen.append({name: int(rows[0, 1]) for name, rows in assembled.corpus.parts.items()})  # type: ignore[attr-defined]
        return assembled

    monkeypatch.setattr(backtesting, "assemble", noted)
    result = run.backtest(windows=2, refit=True)
    assert result.origins == 2
    assert seen == [
        {"training": 392 - 80, "validation": 392, "test": 400},
        {"training": 396 - 80, "validation": 396, "test": 400},
    ]


def test_a_backtest_of_validation_rows_calibrates_on_earlier_ones(run: Run) -> None:
    result = run.backtest(split="validation", stride=1)
    assert result.origins == 40 - 4 + 1
    assert result.cutoffs[0] == str(datetime.datetime(2020, 1, 1) + datetime.timedelta(hours=279))
    assert run.info["data"]["windows"]["validation"] == 77


def test_uncalibrated_quantiles_are_scored_as_they_are(series_config: Path) -> None:
    run = train(series_config, [*QUICK, "task.loss=quantile", "task.calibration=none"])
    assert "coverage_80" in run.backtest().scores["calibrated"].metrics


def test_a_missing_or_invalid_calibration_is_reported(run: Run) -> None:
    path = run.path / "calibration.json"
    kept = json.loads(path.read_text())
    kept["offsets"][0][0][0] = None
    path.write_text(json.dumps(kept))
    error = refused(RunError, load_run(run.name).forecast)
    assert str(error) == "calibration.json is damaged: its offsets are not finite numbers"
    path.unlink()
    error = refused(RunError, load_run(run.name).forecast)
    assert "calibration.json is missing" in str(error)


def test_a_file_with_learned_rows_is_reported(run: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run.evaluate(file=write_waves(tmp_path / "newer.csv", 500))
    assert "Rows up to 2020-01-17 15:00:00 are in the run's training table" in caplog.text


def test_notes_say_what_the_rows_have_seen(run: Run) -> None:
    calibration, own, final_fit = run.evaluate("test").notes
    assert own == (
        "Each series has its own intervals: 50 of its calibration windows weigh as much as those of all series "
        "together."
    )
    assert calibration == (
        "The intervals were calibrated on the second half of the validation part; the first half chose the weights."
    )
    assert final_fit.startswith("Forecasts use weights that were trained anew, in ")
    assert "steps, on all rows (task.final_fit); the scores are from the weights before that" in final_fit
    assert any("choices were made on" in note for note in run.evaluate("validation").notes)


@pytest.mark.parametrize("how", ["continue", "anew"])
def test_the_final_fit_changes_forecasts_and_no_bit_of_what_is_scored(series_config: Path, how: str) -> None:
    settings = [*QUICK, "model.ridge=0.5", "task.calibration=shared"]
    without, fitted = (train(series_config, [*settings, f"task.final_fit={fit}"]) for fit in ("none", how))
    assert without.info.get("final_fit") is None
    assert fitted.info["final_fit"]["how"] == how
    assert fitted.metrics == without.metrics
    for file in ("best.safetensors", "last.safetensors", "calibration.json"):
        assert (fitted.path / file).read_bytes() == (without.path / file).read_bytes()
    assert fitted.evaluate("test").metrics == without.evaluate("test").metrics
    assert plain(list(fitted.backtest(windows=3).forecasts)) == plain(list(without.backtest(windows=3).forecasts))
    assert plain(fitted.forecast()) != plain(without.forecast())


def test_the_final_fit_has_learned_the_rows_that_were_scored(series_config: Path, tmp_path: Path) -> None:
    """Other test rows give other weights to forecast with, and the same ones to score."""
    found = []
    for shift in (0.0, 5.0):
        lines = write_waves(tmp_path / "small.csv").read_text().splitlines()
        for row in range(330, 380):  # in the test part, and before the window that is forecast from
            date, a, b = lines[row].split(",")
            lines[row] = f"{date},{float(a) + shift},{b}"
        (tmp_path / "small.csv").write_text("\n".join(lines) + "\n")
        run = train(series_config, [*QUICK, "task.final_fit=continue"])
        found.append((run.metrics["validation"], (run.path / "best.safetensors").read_bytes(), plain(run.forecast())))
    one, other = found
    assert one[:2] == other[:2]
    assert one[2] != other[2]


@pytest.mark.parametrize(("how", "rows"), [("continue", 160), ("anew", 385)])
def test_the_final_fit_makes_as_many_steps_per_row_as_the_weights_took(trained: Trained, how: str, rows: int) -> None:
    """Of 400 rows, 240 train: 225 windows of 12 and 4 rows. All rows have 385, of which 160 are new."""
    run = trained("waves", *QUICK, f"task.final_fit={how}")
    assert run.model is not None  # reads the chosen weights, and their step
    assert run.step
    assert run.info["final_fit"]["steps"] == round(run.step * rows / 225)


# ── adaptive intervals beyond a table ──

ADAPTIVE = ["training.budget=20 steps", "task.final_fit=none", "task.loss=quantile"]


def test_adaptive_intervals_know_what_a_backtest_knows(series_config: Path, tmp_path: Path) -> None:
    """From a table that ends inside the test part, they are those of the backtest at the same origin."""
    run = train(series_config, ADAPTIVE)
    result = run.backtest(stride=1)
    lines = (tmp_path / "small.csv").read_text().splitlines()
    for end in (360, 390):
        (tmp_path / "earlier.csv").write_text("\n".join(lines[: 1 + end]) + "\n")
        found = {one.series: one for one in run.forecast(tmp_path / "earlier.csv", intervals="adaptive")}
        for one in result.forecasts:
            if one.times[0] == found["a"].times[0]:
                for mine, theirs in zip(found[one.series].intervals[80], one.intervals[80], strict=True):
                    assert mine == pytest.approx(theirs, abs=1e-5)
                    assert found[one.series].point == pytest.approx(one.point, abs=1e-5)


def test_adaptive_intervals_widen_after_large_errors(series_config: Path, tmp_path: Path) -> None:
    """Column `b` is restless in its test rows, or in newer ones; `a` is as before."""
    path = tmp_path / "small.csv"
    lines = path.read_text().splitlines()
    draw = np.random.default_rng(0)
    restless = [
        f"{line.rpartition(',')[0]},{float(line.rpartition(',')[2]) + draw.normal(0, 20):.4f}" for line in lines[321:]
    ]
    path.write_text("\n".join([*lines[:321], *restless]) + "\n")
    run = train(series_config, ADAPTIVE)
    kinds = [run.forecast(), run.forecast(intervals="adaptive")]

    def width(forecasts: list[SeriesForecast], series: int) -> float:
        low, high = forecasts[series].intervals[80]
        return float(np.mean(np.subtract(high, low)))

    assert width(kinds[1], 1) > 3 * width(kinds[0], 1)
    assert 0.5 < width(kinds[1], 0) / width(kinds[0], 0) < 2


def test_newer_rows_reveal_their_errors(series_config: Path, tmp_path: Path) -> None:
    path = tmp_path / "small.csv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[:361]) + "\n")
    run = train(series_config, ADAPTIVE)
    (tmp_path / "same.csv").write_text("\n".join(lines[:361]) + "\n")
    own, same = (run.forecast(file, intervals="adaptive") for file in (None, tmp_path / "same.csv"))
    assert [one.intervals for one in own] == [one.intervals for one in same]
    draw = np.random.default_rng(0)
    restless = [
        f"{line.rpartition(',')[0]},{float(line.rpartition(',')[2]) + draw.normal(0, 20):.4f}" for line in lines[361:]
    ]
    widths = []
    for rows in (lines[361:], restless):
        # The newer table begins with the last rows of the run's.
        (tmp_path / "newer.csv").write_text("\n".join([lines[0], *lines[300:361], *rows]) + "\n")
        low, high = run.forecast(tmp_path / "newer.csv", intervals="adaptive")[1].intervals[80]
        widths.append(float(np.mean(np.subtract(high, low))))
    assert widths[1] > 2 * widths[0]


def test_other_intervals_are_refused(trained: Trained, lstmctl: Command) -> None:
    run = trained("waves", "training.budget=20 steps")
    refused = lstmctl("forecast", run.name, "--intervals", "wide")
    assert refused.code == 2
    assert "intervals must be calibrated or adaptive, not wide" in refused.err
    told = json.loads(lstmctl("forecast", run.name, "--intervals", "adaptive", "--json").out)
    assert told["intervals"] == "adaptive"
