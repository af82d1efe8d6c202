"""Prepared tables: the same corpus as the table itself, whole or refused."""

from __future__ import annotations

import gc
import json
import os
import random
import signal
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from lstmctl.data import time_grid, timesteps
from lstmctl.data.prepared_folder import Prepared
from lstmctl.data.prepared_table import Header
from lstmctl.data.preparing_table import prepare_table
from lstmctl.data.preparing_text import prepare_text
from lstmctl.data.series import Layout, SeriesCorpus, SeriesEncoding, open_series
from lstmctl.data.text import open_text
from lstmctl.errors import DataError, ResourceError
from lstmctl.locks import locked
from tests import processes


def hours(count: int) -> list[str]:
    start = np.datetime64("2020-01-01T00:00:00")
    return [str(start + np.timedelta64(hour, "h")).replace("T", " ") for hour in range(count)]


def wide(rows: int = 600, seed: int = 1) -> str:
    """Hours of two columns of numbers."""
    draw = random.Random(seed)
    lines = [f"{time},{draw.gauss(5, 2):.3f},{draw.gauss(0, 9):.2f}" for time in hours(rows)]
    return "\n".join(["date,a,b", *lines]) + "\n"


def long(rows: int = 200) -> str:
    """Hours of three series one after the other: a target, a past, a known and a static column, some values missing."""
    draw = random.Random(2)
    lines = ["ds,unique_id,y,seen,plan,size"]
    for number, name in enumerate(("ann", "bob", '"c, d"')):
        for place, time in enumerate(hours(rows + number)):
            values = [f"{draw.gauss(5, 2):.3f}" if draw.random() < 0.9 or place == 0 else "" for _ in range(3)]
            lines.append(f"{time},{name},{','.join(values)},{number + 1}")
    return "\n".join(lines) + "\n"


LONG = Layout(past=("seen",), known=("plan",), static=("size",), calendar=("hour", "weekday"), missing="forward-fill")


def write(content: str, name: str = "a.csv") -> Path:
    path = Path(name)
    path.write_bytes(content.encode())
    return path


def prepared_of(name: str = "a.csv", layout: Layout | None = None, **options: Any) -> Prepared[Header]:
    return prepare_table(name, layout or Layout(), **{"block": 1000, **options})


def opened(
    name: str, layout: Layout | None = None, encoding: SeriesEncoding | None = None, season: Any = "auto"
) -> SeriesCorpus:
    return open_series(name, layout or Layout(), None, lookback=24, horizon=6, encoding=encoding, season=season)


def contents(folder: str | Path = "a.prepared") -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}


def refused(layout: Layout | None = None, encoding: SeriesEncoding | None = None) -> DataError:
    with pytest.raises(DataError) as caught:
        opened("a.prepared", layout, encoding)
    assert caught.value.exit_code == 3
    return caught.value


def same(mapped: SeriesCorpus, direct: SeriesCorpus) -> None:
    """Two corpora are one, to the bit."""
    for name in ("bounds", "ends", "times", "targets", "past", "known", "static"):
        one, other = getattr(mapped.table, name), getattr(direct.table, name)
        assert one.shape == other.shape
        assert one.tobytes() == other.tobytes(), name
    assert (mapped.table.ids, mapped.table.zone) == (direct.table.ids, direct.table.zone)
    assert mapped.encoding.to_json() == direct.encoding.to_json()
    assert {name: rows.tolist() for name, rows in mapped.parts.items()} == {
        name: rows.tolist() for name, rows in direct.parts.items()
    }
    assert mapped.fingerprint == direct.fingerprint
    assert mapped.notes == direct.notes


# The same corpus.


def test_a_wide_table_is_the_same() -> None:
    write(wide())
    prepared = prepared_of()
    assert (prepared.folder, prepared.was_there) == (Path("a.prepared").absolute(), False)
    assert sorted(contents()) == ["lines.bin", "prepared.json", "targets.bin", "times.bin"]
    assert prepared.header.rows == 600
    direct, mapped = opened("a.csv"), opened("a.prepared")
    assert (direct.is_mapped, mapped.is_mapped) == (False, True)
    assert not mapped.table.targets.flags.writeable
    same(mapped, direct)
    assert mapped.names == (str(Path("a.prepared").resolve()),)


def test_series_one_after_the_other_are_the_same() -> None:
    write(long())
    prepared_of(layout=LONG)
    assert sorted(set(contents()) - {"prepared.json"}) == [
        *("known.bin", "lines.bin", "past.bin", "series.bin", "static.bin", "targets.bin", "times.bin")
    ]
    direct, mapped = opened("a.csv", LONG), opened("a.prepared", LONG)
    assert mapped.is_mapped
    assert mapped.table.ids == ("ann", "bob", "c, d")
    same(mapped, direct)
    known = direct.encoding
    same(opened("a.prepared", LONG, known), opened("a.csv", LONG, known))


def test_filling_changes_nothing_on_the_disk() -> None:
    write(long())
    prepared_of(layout=LONG)
    before = contents()
    corpus = opened("a.prepared", LONG)
    assert any("filled" in note for note in corpus.notes)
    assert contents() == before
    same(corpus, opened("a.prepared", LONG))


@pytest.mark.parametrize("missing", ["forward-fill", "interpolate", "mask"])
@pytest.mark.parametrize("scaler", ["standard", "robust", "min-max", "none"])
def test_what_is_missing_is_filled_and_scaled_as_in_the_table(missing: str, scaler: str) -> None:
    write(long())
    layout = Layout(**{**vars(LONG), "missing": missing, "scaler": scaler})
    prepared_of(layout=layout)
    same(opened("a.prepared", layout), opened("a.csv", layout))


@pytest.mark.parametrize(
    ("layout", "change"),
    [
        (Layout(order="sort"), lambda lines: [lines[0], *lines[:0:-1]]),
        (Layout(duplicates="mean"), lambda lines: [*lines[:400], lines[399].rsplit(",", 1)[0] + ",7", *lines[400:]]),
        (Layout(missing="forward-fill"), lambda lines: [*lines[:100], *lines[110:]]),
        (Layout(step="1 row"), lambda lines: [*lines[:100], *lines[110:]]),
        (Layout(split=("2020-01-15", "2020-01-20")), lambda lines: lines),
        (Layout(), lambda lines: [lines[0], "", *lines[1:200], " ", ",,", *lines[200:], ""]),
        (Layout(), lambda lines: [line.replace(",", "\t") for line in lines]),
        (Layout(), lambda lines: [line.replace(",", ";").replace(".", ",") for line in lines]),
        (Layout(), lambda lines: [line + "\r" for line in lines]),
        (Layout(), lambda lines: [line.replace(":00:00", ":00:00+02:00") for line in lines]),
        (Layout(), lambda lines: [*lines[:300], lines[300].replace(":00,", ":00.000,"), *lines[301:]]),
        (Layout(missing="mask"), lambda lines: [*lines[:300], lines[300].rsplit(",", 1)[0] + ",nil", *lines[301:]]),
        (Layout(), lambda lines: ["i," + lines[0], *(f"{place},{line}" for place, line in enumerate(lines[1:]))]),
        (Layout(), lambda lines: ["id," + lines[0], *(f"{place},{line}" for place, line in enumerate(lines[1:]))]),
        (Layout(), lambda lines: ["," + lines[0], *(f"{place},{line}" for place, line in enumerate(lines[1:]))]),
        (Layout(targets=("b",)), lambda lines: lines),
        (Layout(time="date"), lambda lines: lines),
        (Layout(), lambda lines: ["t,a", *(f"{place * 2},{place % 7}.5" for place in range(500))]),
        (Layout(), lambda lines: ["t,a", *(day + f",{place % 7}.5" for place, day in enumerate(plain_days(300)))]),
        (Layout(), lambda lines: ["date,a", *(f"{us_day(day)},{place}" for place, day in enumerate(plain_days(300)))]),
    ],
)
def test_every_policy_and_every_writing_is_the_same(layout: Layout, change: Any) -> None:
    write("\n".join(change(wide().splitlines())) + "\n")
    prepared_of(layout=layout)
    direct, mapped = opened("a.csv", layout), opened("a.prepared", layout)
    same(mapped, direct)
    same(opened("a.prepared", layout, direct.encoding), opened("a.csv", layout, direct.encoding))


def plain_days(count: int) -> list[str]:
    return [str(np.datetime64("2019-01-01") + day).replace("-", "") for day in range(count)]


def us_day(day: str) -> str:
    return f"{day[4:6]}/{day[6:]}/{day[:4]}"


def test_parquet_is_the_same() -> None:
    write(long())
    frame = pl.read_csv("a.csv", try_parse_dates=True)
    frame.write_parquet("b.parquet", row_group_size=70)
    prepared_of("b.parquet", LONG)
    same(opened("b.prepared", LONG), opened("b.parquet", LONG))
    assert prepared_of("b.parquet", LONG).was_there


def test_line_ends_of_one_carriage_return_are_the_same() -> None:
    write(wide(100).replace("\n", "\r"))
    prepared_of()
    same(opened("a.prepared"), opened("a.csv"))


def test_a_table_in_many_chunks_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    write(long())
    whole = opened("a.csv", LONG)
    for module in (time_grid, timesteps):
        monkeypatch.setattr(module, "CHUNK", 7)
    same(opened("a.csv", LONG), whole)


def test_blocks_of_any_size_give_the_same_files() -> None:
    write(long())
    for size in (1 << 20, 500, 3001):
        prepared_of(layout=LONG, folder=Path(f"of-{size}"), block=size)
    assert contents("of-500") == contents("of-3001") == contents("of-1048576")


def test_little_of_the_table_is_in_memory() -> None:
    rows = 200_000
    times = np.datetime64("2000-01-01T00:00:00") + np.arange(rows) * np.timedelta64(60, "s")
    lines = [f"{time},{place % 97}.25,{place % 89}.5" for place, time in enumerate(times.astype(str))]
    write("\n".join(["date,a,b", *lines]) + "\n")
    del lines, times
    tracemalloc.start()
    try:
        prepared_of(block=100_000)
        corpus = opened("a.prepared")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(corpus.table.times) == rows
    assert peak < 4_500_000  # 16 bytes a row are 3.2 MB; a column of the training part is 1.1 MB


# Stopped before its end.


class Stop:
    """Interrupts a preparation after a number of bytes; the table is read for its hash first."""

    def __init__(self, at: int) -> None:
        self.total, self.left = 0.0, at

    def update(self, amount: float) -> None:
        self.left -= int(amount)
        if self.left < 0:
            raise KeyboardInterrupt


@pytest.mark.parametrize("share", [0.3, 1.1, 1.5, 1.99])
def test_an_interrupted_preparation_leaves_nothing(share: float) -> None:
    size = write(wide(1500)).stat().st_size
    with pytest.raises(KeyboardInterrupt):
        prepared_of(watch=Stop(int(share * size)))
    assert not Path("a.prepared").exists()


KILLED = """
import os, signal, sys
from lstmctl.data.preparing_table import prepare_table
from lstmctl.data.series import Layout

class Kill:
    total, left = 0.0, int(sys.argv[1])
    def update(self, amount):
        self.left -= int(amount)
        if self.left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

prepare_table("a.csv", Layout(), watch=Kill(), block=1000)
"""


@pytest.mark.parametrize("share", [0.5, 1.6])
def test_a_killed_preparation_is_not_taken_for_a_finished_one_and_starts_again(share: float) -> None:
    size = write(wide(1500)).stat().st_size
    prepared_of(folder=Path("whole"))
    killed = processes.run([sys.executable, "-c", KILLED, str(int(share * size))], check=False, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    error = refused()
    assert str(error) == f"{Path('a.prepared').absolute()} is incomplete: its preparation did not finish"
    assert error.hint == "run `lstmctl data prepare` again"
    assert not prepared_of().was_there
    assert contents() == contents("whole")


def test_what_a_killed_preparation_of_other_columns_left_is_removed() -> None:
    write(wide())
    prepared_of(folder=Path("whole"))
    Path("a.prepared").mkdir()
    # Versions that resumed preparation kept their progress in this file.
    for name, content in {"progress.json": '{"rows": 100}', "series.bin": "12345678", "targets.bin": "1234"}.items():
        Path("a.prepared", name).write_text(content)
    assert str(refused()).endswith("is incomplete: its preparation did not finish")
    prepared_of()
    assert contents() == contents("whole")


FULL = """
import resource, signal, sys
from lstmctl.data.preparing_table import prepare_table
from lstmctl.data.series import Layout
from lstmctl.errors import ResourceError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
try:
    prepare_table("a.csv", Layout(), block=1000)
except ResourceError as error:
    print(error, error.hint, error.exit_code, sep="|")
"""


def test_a_full_disk_is_named_and_nothing_is_left() -> None:
    write(wide(1500))
    result = processes.run([sys.executable, "-c", FULL, "15000"], capture_output=True, text=True, check=False)
    assert result.stderr == ""
    message, hint, code = result.stdout.strip().split("|")
    assert message == f"{Path('a.prepared/targets.bin').absolute()} cannot be written: File too large"
    assert hint == "free some space, or prepare it elsewhere: --to FOLDER"
    assert code == "6"
    assert not Path("a.prepared").exists()


def test_a_table_that_changes_while_it_is_prepared_is_refused() -> None:
    size = write(wide(1500)).stat().st_size

    class Change(Stop):
        def update(self, amount: float) -> None:
            self.left -= int(amount)
            if self.left < 0:
                os.utime("a.csv", ns=(1, 1))

    with pytest.raises(DataError, match=r"a\.csv changed while it was read$"):
        prepared_of(watch=Change(size + 5000))
    assert not Path("a.prepared").exists()


# Tables that cannot be prepared.


def changed(line: int, text: str, rows: int = 600) -> str:
    """A table with one line, counted from 1, changed."""
    lines = wide(rows).splitlines()
    lines[line - 1] = text
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("content", "message", "hint"),
    [
        (changed(500, "2020-01-21 19:00:00,5"), "line 500: 2 fields, but the header (line 1) has 3", ""),
        (changed(500, "2020-01-21 19:00:00,5,x"), "line 500, column `b`: `x` is not a number", "correct"),
        (changed(500, "2020-01-21 19:00:00,5,1e40"), "line 500, column `b`: 1e+40 is too large to learn from", ""),
        (changed(500, ",5,6"), "line 500, column `date`: no time", "write it, or delete the row"),
        (changed(500, "21/01/2020,5,6"), "line 500, column `date`: `21/01/2020` does not fit %Y-%m-%d %H:%M:%S", ""),
        (changed(500, "2020-13-21 19:00:00,5,6"), "`2020-13-21 19:00:00` is not a valid date", "correct the row"),
        (changed(500, "2020-01-21 19:00:00Z,5,6"), "has a time zone, but the first row has none", "UTC"),
        (
            wide().replace(":00,", ":00Z,").replace("2020-01-21 19:00:00Z", "2020-01-21 19:00:00+01:00"),
            "line 501, column `date`: time zone +01:00, but Z in the first row",
            "UTC",
        ),
        (changed(500, '2020-01-21 19:00:00,"5,6'), "line 500: a quotation mark is never closed", ""),
        (changed(500, '2020-01-21 19:00:00,"5"5,6'), "line 500: quotation marks enclose only a part of a field", ""),
        (changed(500, "2020-01-21 19:00:00,5,\0"), "contains zero bytes, as binary files do", "UTF-8"),
        ("date,a,b\n", "has a header but no rows", ""),
        ("date,a,b\n\n,,\n", "has a header but no rows", ""),
        ("", "is empty", ""),
        (
            "t,a\n" + "".join(f"{place},1\n" for place in range(400)) + "4x0,1\n",
            "line 402, column `t`: `4x0` is not a whole number, unlike the first rows",
            "",
        ),
        (
            "id,date,a\n" + "".join(f"{place % 500},{time},1\n" for place, time in enumerate(hours(600))),
            "line 502, column `id` does not increase from row to row, so it may name the series",
            "data.id=id",
        ),
        (
            "date,a\n" + "".join(f"{day:02}/{month:02}/2020,1\n" for month in range(1, 13) for day in range(1, 13)),
            "`01/01/2020` may be read as %d/%m/%Y and %m/%d/%Y",
            "data.date_format",
        ),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_with_its_place(content: str, message: str, hint: str) -> None:
    write(content)
    with pytest.raises(DataError) as caught:
        prepared_of()
    assert str(caught.value).startswith(str(Path("a.csv").resolve()))
    assert message in str(caught.value)
    assert hint in (caught.value.hint or "")
    assert not Path("a.prepared").exists()


def test_the_first_wrong_block_is_reported() -> None:
    write(changed(300, "2020-01-13 10:00:00,5,x").replace("2020-01-13 15:00:00,", "2020-01-13 15:00:00"))
    with pytest.raises(DataError, match="line 300, column `b`: `x` is not a number"):
        prepared_of(block=60)


def test_several_files_and_what_is_no_table_are_refused() -> None:
    write(wide())
    with pytest.raises(DataError, match=r"^data\.series names 2 files, but series are read from one$"):
        prepare_table(["a.csv", "a.csv"], Layout())
    with pytest.raises(DataError, match=r"`b\.csv` does not exist"):
        prepared_of("b.csv")
    Path("b.csv").mkdir()
    with pytest.raises(DataError, match=r"b\.csv is not a regular file"):
        prepared_of("b.csv")


# Existing files and folders.


def test_what_is_there_is_checked_and_kept() -> None:
    write(wide())
    prepared_of()
    before = contents()
    assert prepared_of().was_there
    with pytest.raises(
        DataError, match=r"was prepared with data\.targets=null \(\[a,b\]\), but the config says \[a\]$"
    ):
        prepared_of(layout=Layout(targets=("a",)))
    write(wide(seed=3))
    with pytest.raises(DataError, match=r"a\.prepared contains another table: its SHA-256 is .*…, that of .*a\.csv is"):
        prepared_of()
    assert contents() == before


def test_a_folder_of_other_things_is_left_alone() -> None:
    write(wide())
    Path("a.prepared").mkdir()
    write("mine", "a.prepared/symbols.bin")
    with pytest.raises(DataError, match=r"a\.prepared exists and contains symbols\.bin$") as caught:
        prepared_of()
    assert caught.value.hint == "name another folder: --to FOLDER"
    write("mine", "file")
    with pytest.raises(ResourceError, match="file cannot be written: File exists"):
        prepared_of(folder=Path("file"))


def test_a_file_that_cannot_be_opened_leaves_no_other_open() -> None:
    write(wide())
    Path("a.prepared/targets.bin").mkdir(parents=True)
    with pytest.raises(ResourceError, match=r"a\.prepared/targets\.bin cannot be written: Is a directory"):
        prepared_of()
    gc.collect()  # a file that is open still would be a warning now


def test_two_processes_do_not_prepare_into_one_folder() -> None:
    write(wide())
    Path("a.prepared").mkdir()
    with (
        locked(Path("a.prepared")),
        pytest.raises(DataError, match=rf"a\.prepared is in use by process {os.getpid()} on ") as caught,
    ):
        prepared_of()
    assert caught.value.hint == "wait for it, or stop it"
    assert not prepared_of().was_there


def test_text_and_tables_are_not_taken_for_each_other() -> None:
    write(wide())
    table = prepared_of().folder
    with pytest.raises(DataError, match=r"a\.prepared is prepared data already$"):
        prepared_of("a.prepared")
    with pytest.raises(DataError, match=r"a\.prepared is a prepared table, which data\.text cannot read$") as caught:
        open_text("a.prepared", "characters", (0.5, 0.5), None)
    assert caught.value.hint == f"data.series={table}"
    write("some text", "b.txt")
    text = prepare_text("b.txt", "characters").folder
    with pytest.raises(DataError, match=r"b\.prepared is prepared text, which data\.series cannot read$") as caught:
        opened("b.prepared")
    assert caught.value.hint == f"data.text={text}"
    with pytest.raises(DataError, match=r"b\.prepared is prepared data already$"):
        prepared_of("b.prepared")


# Other columns.


@pytest.mark.parametrize(
    ("then", "now", "message"),
    [
        (Layout(), Layout(targets=("a",)), "data.targets=null ([a,b]), but the config says [a]"),
        (Layout(targets=("a",)), Layout(), "data.targets=[a], but the config says null"),
        (Layout(), Layout(targets=("a",), past=("b",)), "data.targets=null ([a,b]), but the config says [a]"),
        (Layout(), Layout(past=("b",)), "data.past=[], but the config says [b]"),
        (Layout(), Layout(id="b"), "data.id=null, but the config says b"),
        (Layout(), Layout(time="a"), "data.time=null (date), but the config says a"),
        (Layout(), Layout(decimal=","), "data.decimal=auto (.), but the config says ,"),
        (Layout(), Layout(date_format="%d"), "data.date_format=null (%Y-%m-%d %H:%M:%S), but the config says %d"),
    ],
)
def test_a_config_that_reads_it_otherwise_is_refused(then: Layout, now: Layout, message: str) -> None:
    write(wide())
    folder = prepared_of(layout=then).folder
    error = refused(now)
    assert str(error) == f"{folder} was prepared with {message}"
    as_then = message.split(",")[0].split(" ")[0]
    anew = "prepare the table again for this use: lstmctl data prepare --to FOLDER"
    assert error.hint == f"{anew}; or read it as it was prepared: {as_then}"


def test_whole_numbers_are_no_dates_of_a_format() -> None:
    write("t,a\n" + "".join(f"{1700 + year},{year % 7}.5\n" for year in range(300)))
    prepared_of()
    assert str(refused(Layout(date_format="%Y"))).endswith("data.date_format=null, but the config says %Y")


def test_a_config_may_say_what_was_recognised() -> None:
    write(wide())
    prepared_of()
    said = Layout(time="date", targets=("a", "b"), separator=",", decimal=".", date_format="%Y-%m-%d %H:%M:%S")
    same(opened("a.prepared", said), opened("a.csv", said))


def test_a_run_of_other_columns_is_refused() -> None:
    write(wide())
    folder = prepared_of().folder
    other = opened("a.csv", Layout(targets=("a",))).encoding
    error = refused(encoding=other)
    assert str(error) == f"{folder} was prepared with data.targets=null ([a,b]), but the run says [a]"
    assert error.hint == "prepare the table again for this use: lstmctl data prepare --to FOLDER"


# Damage.


@pytest.fixture
def prepared() -> Path:
    write(long())
    return prepared_of(layout=LONG).folder


def test_a_wrong_size_is_reported_with_the_right_one(prepared: Path) -> None:
    for name, width in (("targets.bin", "1 number"), ("series.bin", "1 number")):
        path = prepared / name
        content = path.read_bytes()
        for wrong in (content[:-1], content + b"\0", b""):
            path.write_bytes(wrong)
            assert str(refused(LONG)) == (
                f"{path} has {len(wrong):,} bytes; its header says 4,824: 603 rows of {width} of 8 bytes"
            )
        path.unlink()
        assert str(refused(LONG)) == f"{path} cannot be read: No such file or directory"
        path.write_bytes(content)
    opened("a.prepared", LONG)


def test_any_flipped_bit_is_found(prepared: Path) -> None:
    draw = random.Random(3)
    for path in sorted(prepared.glob("*.bin")):
        content = path.read_bytes()
        for _ in range(5):
            damaged = bytearray(content)
            damaged[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
            path.write_bytes(damaged)
            assert str(refused(LONG)).startswith(str(path))
        path.write_bytes(content)
    opened("a.prepared", LONG)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"format": 2}, r"is not a header of format 1, but of 2$"),
        ({"rows": "10"}, r"is damaged at `rows`: Input should be a valid integer$"),
        ({"rows": 602}, r"its header says 4,816"),
        ({"rows": 0}, r"is damaged at `rows`: "),
        ({"empty": [1]}, r"is damaged at `empty.1`: "),
        ({"empty": ["1", 2]}, r"is damaged at `empty.0`: "),
        ({"ids": []}, r"is damaged at `ids`: "),
        ({"ids": [1, 2, 3]}, r"is damaged at `ids.0`: "),
        ({"ids": ["ann", "bob"]}, r"a row is of series number 2, counted from 0, but the header has 2$"),
        ({"found": {}}, r"is damaged at `found.time`: "),
        ({"dates": {"x": 1}}, r"is damaged at `dates.DateForm.format`: "),
        ({"numbers": {}}, r": numbers does not name the files of these columns$"),
        ({"sha256": None}, r"is damaged at `sha256`: Input should be a valid string$"),
    ],
)
def test_a_header_that_was_edited_is_refused(values: dict[str, Any], message: str, prepared: Path) -> None:
    path = prepared / "prepared.json"
    path.write_text(json.dumps(json.loads(path.read_bytes()) | values))
    with pytest.raises(DataError, match=message):
        raise refused(LONG)


def test_a_header_cut_anywhere_is_refused(prepared: Path) -> None:
    path = prepared / "prepared.json"
    content = path.read_bytes()
    for stop in range(0, len(content) - 2, 13):
        path.write_bytes(content[:stop])
        assert "prepared.json" in str(refused(LONG))
    for other in (b"[]", b"null", b"[" * 100_000, b"1" * 10_000, b'{"format": 1, "holds": "series"}', b"\xff"):
        path.write_bytes(other)
        assert "prepared.json" in str(refused(LONG))


@pytest.mark.parametrize("key", ["found", "dates", "numbers"])
def test_a_header_with_values_of_another_kind_is_refused(key: str, prepared: Path) -> None:
    path = prepared / "prepared.json"
    header = json.loads(path.read_bytes())
    places = set(header[key]) - {"date_format", "zone", "separator", "decimal"}
    assert len(places) > 2
    for place in places:
        for value in (5, [5]):
            path.write_text(json.dumps(header | {key: {**header[key], place: value}}))
            assert str(refused(LONG)).startswith(str(path))
