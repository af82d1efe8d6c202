"""Numbers as tables write them: read where they mean one thing, refused with both readings where they mean two."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from lstmctl.data.labelled_table import Layout as TableLayout
from lstmctl.data.labelled_table import open_table
from lstmctl.data.preparing_table import prepare_table
from lstmctl.data.sequences import SequenceEncoding
from lstmctl.data.series import Layout, SeriesCorpus, open_series
from lstmctl.errors import DataError

DAYS = [str(np.datetime64("2022-01-01") + day) for day in range(31)]
AROUND = list(range(990, 1021))
POINTS = [f"{value:,}".replace(",", ".") for value in AROUND]
COMMAS = [f"{value:,}" for value in AROUND]


def table(values: list[str], separator: str = ";", *, before: str = "") -> str:
    quoted = [f'"{value}"' if separator in value else value for value in values]
    rows = [f"{day}{separator}{value}" for day, value in zip(DAYS, quoted, strict=True)]
    return before + "\n".join([f"date{separator}load", *rows]) + "\n"


def both_ways(content: str | bytes, name: str = "a.csv", **layout: Any) -> SeriesCorpus | DataError:
    """The table read at once; prepared in small blocks, it has to be the same, or refused alike."""
    if name.endswith(".csv"):
        Path(name).write_bytes(content.encode() if isinstance(content, str) else content)
    shutil.rmtree("a.prepared", ignore_errors=True)
    corpora: list[SeriesCorpus | DataError] = []
    for prepared in (False, True):
        try:
            if prepared:
                prepare_table(name, Layout(**layout), Path("a.prepared"), block=100)
            source = "a.prepared" if prepared else name
            corpora.append(open_series(source, Layout(**layout), Path.cwd(), lookback=2, horizon=1))
        except DataError as error:
            corpora.append(error)
    direct, mapped = corpora
    if isinstance(direct, DataError):
        assert isinstance(mapped, DataError)
        assert (str(mapped), mapped.hint) == (str(direct), direct.hint)
    else:
        assert isinstance(mapped, SeriesCorpus), mapped
        assert mapped.table.targets.tobytes() == direct.table.targets.tobytes()
        assert (mapped.notes, mapped.fingerprint) == (direct.notes, direct.fingerprint)
    return direct


def loads(content: str | bytes, name: str = "a.csv", **layout: Any) -> list[float]:
    corpus = both_ways(content, name, **layout)
    assert isinstance(corpus, SeriesCorpus), (str(corpus), getattr(corpus, "hint", None))
    found: list[float] = corpus.table.targets[:, 0].tolist()
    return found


def refusal(content: str | bytes, name: str = "a.csv", **layout: Any) -> DataError:
    error = both_ways(content, name, **layout)
    assert isinstance(error, DataError)
    return error


@pytest.mark.parametrize(
    ("values", "separator"),
    [(POINTS, ";"), (COMMAS, ";"), (POINTS, "\t"), (COMMAS, "|"), (POINTS, ","), (COMMAS, ",")],
)
def test_a_number_that_may_be_one_or_a_thousand_is_refused_with_both_readings(
    values: list[str], separator: str
) -> None:
    error = refusal(table(values, separator))
    assert f"line 12, column `load`: `{values[10]}` may be read as " in str(error)
    assert {"1000", "1.000"} <= set(str(error).replace(";", " ").split())
    for decimal in ".,":
        assert f'data.decimal="{decimal}" for ' in str(error.hint)
    sign = values[10][1]
    grouped = loads(table(values, separator), decimal="," if sign == "." else ".")
    assert grouped == AROUND
    fractions = loads(table(values, separator), decimal=sign)
    assert fractions[9:12] == [999.0, 1.0, 1.001]


@pytest.mark.parametrize("separator", [";", "\t"])
def test_three_digits_behind_every_sign_may_be_thousands_too(separator: str) -> None:
    values = [f"{21 + row}.{100 + row}" for row in range(31)]
    assert "`21.100` may be read as 21.100 or as 21100" in str(refusal(table(values, separator)))
    # Without quotation marks, a comma that separates columns is not a decimal sign, so the point is.
    assert loads(table(values, ","))[0] == 21.1


def test_it_is_refused_far_below_the_first_rows_too() -> None:
    rows = [f"{row};{row % 900}" for row in range(5000)] + ["5000;1.000"]
    error = refusal("t;load\n" + "\n".join(rows))
    assert "line 5002, column `load`: `1.000` may be read as 1.000 or as 1000" in str(error)


@pytest.mark.parametrize(
    ("first", "text", "value"),
    [
        ("0.5", "1.000", 1.0),
        ("1000.25", "1.000", 1.0),
        ("1.25", "1,000.5", 1000.5),
        ("1,234.5", "1,000", 1000.0),
        ("1.234,5", "1.000", 1000.0),
        ("0,5", "1,000", 1.0),
        ("1,234,567", "1,000", 1000.0),
        ("1.234.567", "1.000", 1000.0),
        ("5", "-1 234 567", -1234567.0),
        ("5", "1\u202f234", 1234.0),
        ("5", "1'234", 1234.0),
        ("5", "1\u2019234\u2019567", 1234567.0),
        ("5", "12,34,567", 1234567.0),
        ("5", "\u22127", -7.0),
        ("1.5", "+2.5e3", 2500.0),
        ("1,5", "2,5e3", 2500.0),
        ("1,5", "1.234,5", 1234.5),
        ("1,5", "1 234,5", 1234.5),
    ],
)
@pytest.mark.parametrize("separator", [";", ","])
def test_what_means_one_thing_is_read(first: str, text: str, value: float, separator: str) -> None:
    assert loads(table([first] * 20 + [text] * 11, separator))[-1] == value


@pytest.mark.parametrize(("decimal", "text"), [("0,5", "1.000"), ("0.5", "1,000")])
def test_the_other_sign_alone_may_be_a_mistake_as_well(decimal: str, text: str) -> None:
    error = refusal(table([decimal] * 30 + [text]))
    assert f"line 32, column `load`: `{text}` may be read as " in str(error)


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("12.5%", 12.5, "%"),
        ("12,5 %", 12.5, "%"),
        ("-$1,234.50", -1234.5, "$"),
        ("$-1,234.50", -1234.5, "$"),
        ("1.234,50 €", 1234.5, "€"),
        ("EUR 7", 7.0, "EUR"),
        ("R$ 7,5", 7.5, "R$"),
        ("£5", 5.0, "£"),
    ],
)
def test_percent_and_currency_signs_are_read_and_noted(text: str, value: float, unit: str) -> None:
    content = table([text] * 31)
    assert loads(content) == [value] * 31
    corpus = both_ways(content)
    assert isinstance(corpus, SeriesCorpus)
    assert f"`load` is written in {unit}, read without the sign" in corpus.notes


@pytest.mark.parametrize(
    ("first", "last", "message"),
    [
        ("5 €", "5 $", "`5 $` is in $, but the first rows are in €"),
        ("5%", "0.05", "`0.05` has no sign, but the first rows are in %"),
        ("5", "5%", "`5%` is in %, but the first rows are plain"),
    ],
)
def test_two_units_in_a_column_are_refused(first: str, last: str, message: str) -> None:
    error = refusal(table([first] * 30 + [last]))
    assert f"line 32, column `load`: {message}" in str(error)
    assert error.hint == "write all values of `load` in one unit"


def test_true_and_false_are_one_and_zero_in_csv_and_parquet() -> None:
    truths = [row % 7 == 0 for row in range(31)]
    for written in (["TRUE", "FALSE"], ["true", "false"]):
        values = [written[0] if truth else written[1] for truth in truths]
        assert loads(table(values)) == [float(truth) for truth in truths]
    pl.DataFrame({"date": DAYS, "load": truths}).write_parquet("b.parquet")
    assert loads("", "b.parquet") == [float(truth) for truth in truths]
    corpus = open_series("b.parquet", Layout(), None, lookback=2, horizon=1)
    assert "`load` contains true and false, read as 1 and 0" in corpus.notes
    lines = ["t;load", *(f"{row};true" for row in range(300)), "300;maybe"]
    assert "line 302, column `load`: `maybe` is neither true nor false" in str(refusal("\n".join(lines)))


def test_a_truth_is_a_feature_of_a_frame() -> None:
    rows = [f"{'stuv'[row // 3]},{'true' if row % 2 else 'false'},{row}%,{'xy'[row // 3 % 2]}" for row in range(12)]
    Path("a.csv").write_text("\n".join(["sequence,on,share,label", *rows]), encoding="utf-8")
    corpus = open_table("a.csv", TableLayout(split=(0.5, 0.5), split_by="order", scaler="none"), "classification", None)
    assert corpus.encoding.features is not None
    assert corpus.encoding.features.names == ("on", "share")
    assert corpus.sequences.inputs[:4].tolist() == [[0, 0], [1, 1], [0, 2], [1, 3]]
    assert {"`on` contains true and false, read as 1 and 0.", "`share` is written in %, read without the sign."} <= set(
        corpus.notes
    )


def test_numbers_stored_as_texts_in_parquet_are_numbers() -> None:
    pl.DataFrame({"date": DAYS, "load": [f"{value},5" for value in AROUND]}).write_parquet("b.parquet")
    assert loads("", "b.parquet") == [value + 0.5 for value in AROUND]
    pl.DataFrame({"date": DAYS, "load": POINTS}).write_parquet("b.parquet")
    error = refusal("", "b.parquet")
    assert "b.parquet: row 11, column `load`: `1.000` may be read as 1.000 or as 1000" in str(error)
    assert loads("", "b.parquet", decimal=",") == AROUND
    pl.DataFrame({"date": DAYS, "load": pl.Series(["5"] * 31, dtype=pl.Categorical)}).write_parquet("b.parquet")
    assert loads("", "b.parquet") == [5.0] * 31


def regression(values: list[str], encoding: SequenceEncoding | None = None) -> list[float] | SequenceEncoding:
    rows = [f'ab,"{value}"' for value in values]
    Path("a.csv").write_text("\n".join(["text,label", *rows]), encoding="utf-8")
    corpus = open_table("a.csv", TableLayout(split=(0.5, 0.5)), "regression", None, encoding=encoding)
    found: list[float] = corpus.sequences.targets[:, 0].tolist()
    return found if encoding is not None else corpus.encoding


def test_a_newer_labelled_table_has_the_runs_decimal_sign() -> None:
    encoding = regression(["0,5", "1,25", "2,75", "3,5"])
    assert isinstance(encoding, SequenceEncoding)
    assert SequenceEncoding.from_json(encoding.to_json()) == encoding
    assert regression(["1,234", "999"], encoding) == [1.234, 999.0]
    assert regression(["1.234", "999"], encoding) == [1234.0, 999.0]
    with pytest.raises(DataError, match=r"line 3, column `label`: `1\.000` may be read as 1\.000 or as 1000"):
        regression(["999", "1.000", "1.001", "2"])
    whole = regression(["1", "2", "3", "4"])
    assert isinstance(whole, SequenceEncoding)
    assert "decimal" not in whole.to_json()
    with pytest.raises(DataError, match="may be read as") as caught:
        regression(["999", "1.000"], whole)
    assert caught.value.hint == "write 1000, or 1.000 with other digits"  # `predict` takes no data.decimal


@pytest.mark.parametrize("sign", [".", ","])
def test_three_thousand_columns_are_read_as_any(sign: str) -> None:
    numbers = np.random.default_rng(1).random((31, 3000)).round(3)
    names = ";".join(["date", *(f"c{column}" for column in range(3000))])
    rows = [";".join([day, *(f"{value:.3f}" for value in row)]) for day, row in zip(DAYS, numbers, strict=True)]
    Path("a.csv").write_text("\n".join([names, *rows]).replace(".", sign), encoding="utf-8")
    corpus = open_series("a.csv", Layout(), None, lookback=2, horizon=1)
    np.testing.assert_array_equal(corpus.table.targets, numbers)
