"""Delimited files as programs write them: encodings, lines above the header, quoted fields of several lines."""

from __future__ import annotations

import csv
import io
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lstmctl.data.labelled_table import Layout as TableLayout
from lstmctl.data.labelled_table import open_table
from lstmctl.data.preparing_table import prepare_table
from lstmctl.data.series import Layout, SeriesCorpus, open_series
from lstmctl.data.tables import open_sheet
from lstmctl.errors import DataError

DAYS = [str(np.datetime64("2022-01-01") + day) for day in range(31)]


def table(separator: str = ",", header: str = "date{}load") -> str:
    rows = [f"{day}{separator}{number}" for number, day in enumerate(DAYS)]
    return "\n".join([header.format(separator), *rows]) + "\n"


def read(content: str | bytes, **layout: Any) -> SeriesCorpus:
    """A table read at once, which has to be what is prepared of it in small blocks."""
    Path("a.csv").write_bytes(content.encode() if isinstance(content, str) else content)
    shutil.rmtree("a.prepared", ignore_errors=True)
    prepare_table("a.csv", Layout(**layout), block=100)
    direct, mapped = (
        open_series(name, Layout(**layout), Path.cwd(), lookback=2, horizon=1) for name in ("a.csv", "a.prepared")
    )
    assert mapped.table.targets.tobytes() == direct.table.targets.tobytes()
    assert (mapped.notes, mapped.fingerprint, mapped.table.ids) == (direct.notes, direct.fingerprint, direct.table.ids)
    return direct


def refused(content: str | bytes, **layout: Any) -> DataError:
    Path("a.csv").write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(DataError) as caught:
        open_series("a.csv", Layout(**layout), Path.cwd(), lookback=2, horizon=1)
    shutil.rmtree("a.prepared", ignore_errors=True)
    with pytest.raises(DataError) as prepared:
        prepare_table("a.csv", Layout(**layout), block=100)
    assert (str(prepared.value), prepared.value.hint) == (str(caught.value), caught.value.hint)
    return caught.value


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig"])
@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_unicode_of_any_encoding_is_read(encoding: str, ends: str) -> None:
    corpus = read(table(";").replace("\n", ends).encode(encoding))
    assert corpus.table.targets[:, 0].tolist() == list(range(31))
    assert corpus.encoding.targets == ("load",)


def test_damaged_utf_16_is_named() -> None:
    assert "begins as UTF-16 does, but is damaged" in str(refused(table().encode("utf-16") + b"\x00"))


@pytest.mark.parametrize(
    ("above", "separator"),
    [
        ("sep=;\n", ";"),
        ("SEP=\t\r\n", "\t"),
        ('"sep=|"\n', "|"),
        ("sep=,\n\n", ","),
        ("# made by x; y; z\n#\n\n# it's \"odd\n", ";"),
        ("// one\n% two\n! three\n", ","),
        ("#" + "x" * 5000 + "\n", ","),
    ],
)
def test_lines_above_the_header_are_skipped(above: str, separator: str) -> None:
    corpus = read(above + table(separator))
    assert corpus.table.targets[:, 0].tolist() == list(range(31))
    lines = (above + table(separator)).split("\n")
    lines[-2] = lines[-2][:-2] + "x"
    assert f"line {len(lines) - 1}, column `load`: `x` is not a number" in str(refused("\n".join(lines)))


def test_a_separator_line_holds_where_the_columns_alone_would_not_tell() -> None:
    content = "sep=;\ndate;a,b\n" + "".join(f"{day};{number},5\n" for number, day in enumerate(DAYS))
    assert read(content).encoding.targets == ("a,b",)
    assert "line 1: `sep=:` names a separator that is not supported" in str(refused("sep=:\n" + table()))


@pytest.mark.parametrize("header", ["# date{}load", "#date{}load", "%date{}load", "# x\n#date{}load"])
def test_a_header_may_be_a_comment(header: str) -> None:
    assert read(table(header=header)).encoding.targets == ("load",)


def test_a_first_column_called_number_sign_is_a_column() -> None:
    rows = "".join(f"{number},{day},{number * 2}\n" for number, day in enumerate(DAYS))
    corpus = read("#,date,load\n" + rows)
    assert corpus.encoding.targets == ("load",)


def test_other_lines_above_the_header_are_pointed_out() -> None:
    rows = "".join(f"{day},1,{number}\n" for number, day in enumerate(DAYS))
    for above, line in (("Station: Berlin\n\n", 3), ("Berlin,2020\n", 2)):
        error = refused(f"{above}date,plan,load\n{rows}")
        assert error.hint == f"the header seems to be line {line}: delete the lines above it, or begin them with #"


def test_comments_between_rows_are_named() -> None:
    error = refused(table() + "# end\n")
    assert "line 33: 1 field, but the header (line 1) has 2" in str(error)
    assert error.hint == "comments are allowed only above the header: delete this line"


def test_a_header_of_several_lines_is_one_name() -> None:
    corpus = read(table(header='date{}"load\n(MW)"'))
    assert corpus.encoding.targets == ("load (MW)",)
    error = refused(table(header='date{}"load\n(MW)"').replace(",30", ",x"))
    assert "line 33, column `load (MW)`: `x` is not a number" in str(error)


def test_quoted_fields_of_several_lines_are_read_and_lines_are_counted() -> None:
    rows = [f'{day},{number},"said\n\n""no, {number}"""' for number, day in enumerate(DAYS)]
    content = "\n".join(["date,load,remark", *rows[:20], "", *rows[20:]]) + "\n"
    corpus = read(content, targets=("load",))
    assert corpus.table.targets[:, 0].tolist() == list(range(31))
    wrong = content.replace(",30,", ",x,")
    assert "line 93, column `load`: `x` is not a number" in str(refused(wrong, targets=("load",)))
    series = [f'{day},{number},"a\nb{number // 16}"' for number, day in enumerate(DAYS)]
    assert read("\n".join(["date,load,series", *series])).table.ids == ("a\nb0", "a\nb1")


def test_a_quotation_mark_that_is_never_closed_is_named() -> None:
    rows = table().split("\n")
    rows[5] = rows[5].replace(",", ',"')
    assert "line 6: a quotation mark is never closed" in str(refused("\n".join(rows)))
    rows[9] = '2022-01-09,"8"'
    assert "line 6: quotation marks enclose only a part of a field" in str(refused("\n".join(rows)))
    rows[5] = '2022-01-05,5" pipe'
    assert "line 6: quotation marks enclose only a part of a field" in str(refused("\n".join(rows)))


def test_fields_of_any_length_are_read() -> None:
    long = "x" * 300_000
    corpus = read(
        f"date,load,remark\n2022-01-01,0,{long}\n" + table().split("\n", 2)[2].replace("\n", ',"y"\n'),
        targets=("load",),
    )
    assert corpus.table.targets[:, 0].tolist() == list(range(31))
    Path("b.csv").write_text(f'text,label\n"{long}",x\nb,y\n', encoding="utf-8")
    with pytest.raises(DataError, match="line 2: a sequence of 300,000 characters, but one may have 100,000 at most"):
        open_table("b.csv", TableLayout(split=(1, 1)), "classification", None)


PIECES = ["a", "7", " ", "\n", "\r\n", '"', '""', ",", ";", "\t", "#", "é", "", "NA"]


@pytest.mark.parametrize("seed", range(40))
def test_what_is_read_is_what_was_written(seed: int) -> None:
    draw = random.Random(seed)
    width, separator = draw.randint(2, 5), draw.choice([",", ";", "\t", "|"])
    quoting = draw.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
    rows = [
        ["".join(draw.choices(PIECES, k=draw.randint(0, 6))) for _ in range(width - 1)]
        for _ in range(draw.randint(1, 400))
    ]
    for number, row in enumerate(rows):
        row.insert(0, f"r{number}")
    written = io.StringIO(newline="")
    writer = csv.writer(written, delimiter=separator, quoting=quoting, lineterminator=draw.choice(["\n", "\r\n"]))
    writer.writerow([f"c{column}" for column in range(width)])
    writer.writerows(rows)
    Path("a.csv").write_bytes(written.getvalue().encode())
    sheet = open_sheet(Path("a.csv"), separator)
    found = [sheet.texts(column).to_list() for column in range(width)]
    assert found == [[row[column].strip() for row in rows] for column in range(width)]
    content = written.getvalue()
    starts = [
        content[
            : content.index(f"{chr(10)}{chr(34) if quoting else ''}{row[0]}{chr(34) if quoting else ''}{separator}") + 1
        ].count("\n")
        + 1
        for row in rows
    ]
    assert sheet.lines.tolist() == starts
