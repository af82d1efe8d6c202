"""Baselines of other packages. Those packages are optional, so some tests are skipped without them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lstmctl import compare, registry
from lstmctl.baselines.chronos import chronos
from lstmctl.baselines.packages import Forecaster, series_of
from lstmctl.baselines.statsforecast import auto_arima, auto_ets
from lstmctl.errors import UsageError
from tests.conftest import Trained

FEW = "training.budget=3 steps"
NAN = np.nan
Floats = NDArray[np.float64]


def repeated(path: str | None) -> Forecaster:
    """A baseline as another package could give it: the last value of each series."""

    def forecast(history: Floats, horizon: int, season: int) -> Floats:
        assert path in (None, "somewhere")
        return (
            np.stack([np.repeat(values[-1], horizon) for values in series_of(history)])
            .reshape(history.shape[0], history.shape[2], horizon)
            .swapaxes(1, 2)
        )

    return forecast


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "BASELINES", {**registry.BASELINES, "repeated": f"{__name__}:repeated"})


def test_series_begin_with_their_first_known_value() -> None:
    history = np.array([[[NAN, 1], [2, NAN], [3, 4]], [[NAN, 5], [NAN, 6], [NAN, NAN]]])
    assert [values.tolist() for values in series_of(history)] == [[2, 3], [1, 1, 4], [0], [5, 6, 6]]


@pytest.mark.parametrize(("make", "name"), [(auto_ets, "AutoETS"), (auto_arima, "AutoARIMA")])
def test_statsforecast(make: Any, name: str) -> None:
    models = pytest.importorskip("statsforecast.models", reason="needs lstmctl[baselines]")
    generator = np.random.default_rng(0)
    rows = np.arange(48)
    values = 20 + 0.2 * rows + 4 * np.sin(rows * np.pi / 2) + generator.normal(0, 0.3, (2, 48))
    history = np.stack([values[0], values[1]], axis=1)[np.newaxis]
    history[0, :8, 1] = NAN
    found = make(None)(history, 6, 4)
    assert found.shape == (1, 6, 2)
    for channel, own in enumerate((values[0], values[1, 8:])):
        expected = getattr(models, name)(season_length=4).forecast(y=own, h=6)["mean"]
        assert found[0, :, channel] == pytest.approx(expected)
    short = make(None)(history[:, -5:], 3, 4)
    assert short[0, :, 0].tolist() == [values[0, -1]] * 3


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "statsforecast", None)
    with pytest.raises(UsageError, match="--baseline AutoETS needs the package statsforecast") as missing:
        auto_ets(None)
    assert missing.value.hint == "pip install 'lstmctl[baselines]'"
    monkeypatch.setitem(sys.modules, "chronos", None)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UsageError, match="--baseline chronos needs the package chronos") as missing:
        chronos(str(tmp_path))
    assert missing.value.hint == "pip install 'lstmctl[chronos]'"


def test_paths_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="AutoARIMA is fitted to the data and takes no path"):
        auto_arima("weights")
    with pytest.raises(UsageError, match=r"needs a folder with weights$"):
        chronos(None)
    with pytest.raises(UsageError, match=r"has no config\.json"):
        chronos(str(tmp_path))


def test_chronos_reads_weights_from_a_folder(tmp_path: Path) -> None:
    """A Chronos-Bolt with drawn weights, so that only the way through it is tested."""
    package = pytest.importorskip("chronos", reason="needs lstmctl[chronos]")
    bolt = pytest.importorskip("chronos.chronos_bolt")
    transformers = pytest.importorskip("transformers")
    torch = pytest.importorskip("torch")
    sizes = {"d_model": 16, "d_kv": 8, "d_ff": 16, "num_layers": 1, "num_decoder_layers": 1, "num_heads": 2}
    settings = transformers.T5Config(
        **sizes, vocab_size=2, pad_token_id=0, decoder_start_token_id=0, feed_forward_proj="relu"
    )
    settings.architectures = ["ChronosBoltModelForForecasting"]
    patches = {"context_length": 64, "prediction_length": 8, "input_patch_size": 4, "input_patch_stride": 4}
    settings.chronos_config = {**patches, "quantiles": [0.1, 0.5, 0.9], "use_reg_token": True}
    settings.chronos_pipeline_class = "ChronosBoltPipeline"
    bolt.ChronosBoltModelForForecasting(settings).save_pretrained(tmp_path)
    history = np.random.default_rng(0).normal(5, 1, (3, 20, 2))
    history[0, :6, 1] = NAN
    found = chronos(str(tmp_path))(history, 8, 1)
    assert found.shape == (3, 8, 2)
    pipeline = package.BaseChronosPipeline.from_pretrained(tmp_path)
    series = torch.tensor(history[0, 6:, 1], dtype=torch.float32)
    quantiles, _ = pipeline.predict_quantiles([series], prediction_length=8, quantile_levels=[0.5])
    assert found[0, :, 1] == pytest.approx(quantiles[0, :, 0].numpy(), rel=1e-4)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UsageError, match="the model cannot be loaded"):
        chronos(str(tmp_path))


@pytest.mark.usefixtures("registered")
def test_an_evaluation_scores_a_named_baseline(trained: Trained) -> None:
    run = trained("waves", FEW)
    evaluation = run.evaluate(baselines=["repeated", "repeated=somewhere"])
    assert list(evaluation.baselines)[-2:] == ["repeated", "repeated=somewhere"]
    own, last = evaluation.baselines["repeated"], evaluation.baselines["last value"]
    assert own["mse_scaled"] == pytest.approx(last["mse_scaled"], rel=1e-5)
    assert own["owa"] == pytest.approx(last["owa"], rel=1e-5)
    assert 0.5 < own["coverage_80"] <= 1
    with pytest.raises(UsageError, match="--baseline nonsense is not known; use one of AutoETS, AutoARIMA, chronos"):
        run.evaluate(baselines=["nonsense"])
    with pytest.raises(UsageError, match="--baseline ridge does not apply to this run"):
        run.evaluate(baselines=["ridge"])


@pytest.mark.usefixtures("registered")
def test_a_backtest_scores_named_baselines_on_its_own_windows(trained: Trained) -> None:
    run = trained("waves", FEW)
    all_windows = run.backtest(stride=1, baselines=["repeated", "theta"])
    evaluation = run.evaluate()
    for name, same in (("repeated", "last value"), ("theta", "theta")):
        assert all_windows.baselines[name].metrics["mse_scaled"] == pytest.approx(
            evaluation.baselines[same]["mse_scaled"], rel=1e-5
        )
    few = run.backtest(windows=2, baselines=["repeated"]).baselines["repeated"]
    assert few.windows == 2
    assert "coverage_80" not in few.metrics


@pytest.mark.usefixtures("registered")
def test_a_comparison_scores_named_baselines(series_config: Path) -> None:
    found = compare(["rnn", "gru"], str(series_config), [FEW], seeds=1, baselines=["repeated"], quiet=True)
    assert list(found.baselines)[-1] == "repeated"
    assert found.baselines["repeated"]["mae"] == pytest.approx(found.baselines["last value"]["mae"], rel=1e-5)
    with pytest.raises(UsageError, match="--baseline nonsense is not known"):
        compare(["rnn", "gru"], str(series_config), [FEW], seeds=1, baselines=["nonsense"], quiet=True)


def test_baselines_are_for_forecasts(trained: Trained) -> None:
    with pytest.raises(UsageError, match="--baseline is for forecasts"):
        trained("small", FEW).evaluate(baselines=["AutoETS"])
