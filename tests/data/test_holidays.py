"""Business days without holidays: where holidays come from, what they change, and what does not fit them."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lstmctl.config import from_mapping
from lstmctl.data.series import Layout, SeriesCorpus, SeriesEncoding, open_series
from lstmctl.errors import ConfigError, DataError
from tests.conftest import Command

HOLIDAYS = ("2023-12-25", "2023-12-26", "2024-01-01", "2024-12-25", "2024-12-26", "2025-01-01")


def write_sales(count: int = 290, first: str = "2023-11-01", name: str = "sales.csv") -> list[str]:
    """A table with a row for every business day that is not a holiday; return its days."""
    days = np.busday_offset(first, np.arange(count), roll="forward", holidays=list(HOLIDAYS))
    rows = [f"{day},{10 + number % 5 + number % 3}" for number, day in enumerate(days)]
    Path(name).write_text("\n".join(["date,y", *rows, ""]), encoding="utf-8")
    return [str(day) for day in days]


def read(*holidays: str, horizon: int = 6, folder: Path | None = None, **settings: Any) -> SeriesCorpus:
    layout = Layout(holidays=holidays, **settings)
    return open_series("sales.csv", layout, folder or Path.cwd(), lookback=5, horizon=horizon)


def ahead(encoding: SeriesEncoding, count: int) -> list[str]:
    return [encoding.step.text(int(time)) for time in encoding.step.times_after(int(encoding.tail.times[-1]), count)]


def test_a_forecast_leaves_out_christmas() -> None:
    days = write_sales()
    assert days[-1] == "2024-12-13"
    corpus = read(*HOLIDAYS)
    assert str(corpus.encoding.step) == "business days"
    assert len(corpus.table.times) == len(days)  # no holiday is missing
    assert ahead(corpus.encoding, 12) == [
        *("2024-12-16", "2024-12-17", "2024-12-18", "2024-12-19", "2024-12-20", "2024-12-23", "2024-12-24"),
        *("2024-12-27", "2024-12-30", "2024-12-31", "2025-01-02", "2025-01-03"),
    ]
    assert "3 holidays of data.holidays between its rows; forecasts leave out later ones" in corpus.notes


def test_a_run_keeps_its_holidays() -> None:
    write_sales()
    encoding = read(*HOLIDAYS).encoding
    kept = SeriesEncoding.from_json(json.loads(json.dumps(encoding.to_json())))
    assert kept.step == encoding.step
    assert ahead(kept, 12) == ahead(encoding, 12)
    damaged = {**encoding.to_json(), "holidays": ["Christmas"]}
    with pytest.raises(Exception, match="damaged at `holidays`"):
        SeriesEncoding.from_json(damaged)


def test_holidays_may_be_in_a_file(tmp_path: Path) -> None:
    write_sales()
    folder = tmp_path / "configs"
    folder.mkdir()
    lines = ["day,name", *(f"{day},closed" for day in HOLIDAYS), "# later ones follow", ""]
    (folder / "closed.csv").write_text("\n".join(lines), encoding="utf-8")
    corpus = read("closed.csv", folder=folder)
    assert ahead(corpus.encoding, 8)[-1] == "2024-12-27"
    assert corpus.holidays == (str(folder / "closed.csv"),)


def test_missing_holidays_are_told() -> None:
    write_sales()
    with pytest.raises(DataError) as caught:
        read()
    assert "2 rows are missing after 2023-12-22" in str(caught.value)
    assert str(caught.value.hint).startswith("if these are holidays, name them: data.holidays=FILE")


def test_holidays_that_end_too_soon_are_noted() -> None:
    write_sales()
    notes = read(*HOLIDAYS[:5], horizon=12).notes
    assert (
        "the last of data.holidays is 2024-12-26, but forecasts go to 2025-01-02: name later ones too"
        in notes  # 1 January is not known to be one
    )


@pytest.mark.parametrize(
    ("holidays", "settings", "message", "hint"),
    [
        (("2024-05-01",), {}, "2024-05-01 is a holiday by data.holidays, but has a row", "delete the row"),
        (HOLIDAYS, {"step": "1 day"}, "concerns business days, but the step is 1 day", 'data.step="business days"'),
        (("nowhere.txt",), {}, "`nowhere.txt` does not exist", "data.holidays=PATH/nowhere.txt"),
        (("empty.txt",), {}, "empty.txt contains no dates", "one date per line"),
        (("odd.txt",), {}, "odd.txt: line 2: `25.12.2024` is not a date", "such as 2024-12-25"),
    ],
)
def test_holidays_that_do_not_fit(holidays: tuple[str, ...], settings: dict[str, Any], message: str, hint: str) -> None:
    write_sales()
    Path("empty.txt").write_text("day\n", encoding="utf-8")
    Path("odd.txt").write_text("2024-12-24\n25.12.2024\n", encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read(*holidays, missing="interpolate", **settings)
    assert message in str(caught.value)
    assert hint in str(caught.value.hint)


@pytest.mark.parametrize("value", ["[2024-02-30]", "24.12.2024", "[5]", "['']", "true"])
def test_what_names_no_holidays_is_refused(value: str) -> None:
    with pytest.raises(ConfigError, match=r"data\.holidays"):
        from_mapping({"task": {"type": "forecast"}, "data": {"series": "a.csv"}}, [f"data.holidays={value}"])


def test_holidays_of_a_country_or_an_exchange() -> None:
    pytest.importorskip("holidays")
    write_sales()
    with pytest.raises(DataError, match=r"2023-11-10 is a holiday by data\.holidays, but has a row"):
        read("US")
    days = [datetime.date(2023, 11, 1) + datetime.timedelta(days=day) for day in range(411)]
    import holidays

    closed = holidays.country_holidays("DE", subdiv="BY", years=range(2023, 2026))
    rows = [f"{day},{number % 7}" for number, day in enumerate(days) if day.weekday() < 5 and day not in closed]
    Path("sales.csv").write_text("\n".join(["date,y", *rows, ""]), encoding="utf-8")
    corpus = read("DE-BY")
    assert corpus.holidays == ("DE-BY",)
    assert not {"2024-12-25", "2024-12-26", "2025-01-01", "2025-01-06"} & set(ahead(corpus.encoding, 20))
    with pytest.raises(DataError, match=r"data\.holidays QQ is not known"):
        read("QQ")
    with pytest.raises(DataError, match=r"data\.holidays NOWHR is not known"):
        read("NOWHR")


def test_a_country_without_the_package_is_told_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "holidays", None)  # what an import of a missing package finds
    write_sales()
    with pytest.raises(DataError) as caught:
        read("US")
    assert "needs the package holidays" in str(caught.value)
    assert "pip install 'lstmctl[holidays]'" in str(caught.value.hint)


def test_a_trained_run_forecasts_no_holiday(lstmctl: Command) -> None:
    days = write_sales()
    Path("closed.txt").write_text("\n".join(HOLIDAYS), encoding="utf-8")
    settings = ["task.horizon=8", "training.budget=3 steps", "data.holidays=closed.txt", "threads=1"]
    result = lstmctl("train", "sales.csv", "--quiet", *settings)
    assert result.code == 0, result.err
    assert days[-1] == "2024-12-13"
    Path("closed.txt").unlink()  # the run keeps them
    told = lstmctl("forecast").out
    assert "2024-12-24" in told
    assert "2024-12-25" not in told
    assert "2024-12-27" in told
