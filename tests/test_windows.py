"""Every command works, and gives the same bits, on an emulated Windows; see `windows/sitecustomize.py`.

The locale is `C`, the console uses cp1252, and the text has characters that neither can encode.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lstmctl.config.examples import bundled_path
from tests.conftest import CONFIG, Command, sentences, write_series_config

WINDOWS = Path(__file__).parent / "windows"
RUNS = Path("my runs")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a text, a table and a config for each; the text's config has a BOM and CRLF line ends."""
    folder = tmp_path_factory.mktemp("windows")
    text = sentences(450) + "Zoë sees a жук.\n" * 5
    (folder / "small.txt").write_text(text, encoding="utf-8", newline="\n")
    (folder / r"C:\texts\small.txt").write_text(text, encoding="utf-8", newline="\n")
    config = CONFIG.format(cell="lstm", shape="many-to-many")
    (folder / "small.yaml").write_text(config, encoding="utf-8-sig", newline="\r\n")
    write_series_config(folder)
    return folder


@pytest.fixture(scope="module")
def found(folder: Path) -> dict[str, Any]:
    """The results of `windows/session.py`."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "PYTHON"))},
        "PYTHONPATH": os.pathsep.join([str(WINDOWS), *filter(None, [os.environ.get("PYTHONPATH")])]),
        "LC_ALL": "C",
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
        "PYTHONWARNDEFAULTENCODING": "1",
        "LSTMCTL_RUNS": str(RUNS),
        "LSTMCTL_CACHE": str(folder / "cache"),
    }
    done = subprocess.run(
        [sys.executable, str(WINDOWS / "session.py")],
        cwd=folder,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def weights(folder: Path, run: str) -> list[bytes]:
    return [(folder / RUNS / run / name).read_bytes() for name in ("best.safetensors", "last.safetensors")]


def info(folder: Path, *names: str) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(folder.joinpath(RUNS, *names, "run.json").read_bytes())
    return result


def test_every_command_ends_well(found: dict[str, Any]) -> None:
    ended = {name: said for name, said in found.items() if isinstance(said, dict)}
    assert len(ended) == 17
    assert {name: said for name, said in ended.items() if said["code"] != (4 if name == "refused" else 0)} == {}


def test_training_gives_the_bits_of_this_machine(
    folder: Path, found: dict[str, Any], lstmctl: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LSTMCTL_RUNS", "here")
    assert lstmctl("train", str(folder / "small.yaml"), "--quiet").code == 0
    here = [Path("here/small-lstm-001", name).read_bytes() for name in ("best.safetensors", "last.safetensors")]
    assert weights(folder, "small-lstm-001") == here
    assert info(folder, "small-lstm-001")["peak_memory"] is None
    assert found["train"]["err"].splitlines()[-1] == 'Next: lstmctl generate "my runs/small-lstm-001" --prompt "…"'


def test_a_run_that_was_stopped_continues_to_the_same_bits(folder: Path, found: dict[str, Any]) -> None:
    assert (found["held"], found["stopped"]) == (True, ["interrupted", 24, False])
    assert [part["step"] for part in info(folder, "small-lstm-002")["resumed"]] == [24]
    assert weights(folder, "small-lstm-002") == weights(folder, "small-lstm-001")


def test_a_run_that_is_held_names_its_holder(found: dict[str, Any]) -> None:
    start, _, end = found["refused"]["err"].partition(" on ")
    assert start == f"error: my runs/small-lstm-002 is in use by process {found['process']}"
    assert end.splitlines()[1:] == ["hint: wait for it, or stop it"]


def test_a_file_that_is_open_is_replaced_once_it_is_closed(found: dict[str, Any]) -> None:
    assert [name for name in found["in use"] if name.endswith("run.json")] == ["my runs/small-lstm-002/run.json"]


def test_a_reader_that_is_gone_is_not_an_error(found: dict[str, Any]) -> None:
    assert found["left"] == 0


def test_prepared_text_is_mapped_and_gives_the_same_bits(folder: Path, found: dict[str, Any]) -> None:
    # On Windows filelock itself removes the lock file; that is not emulated.
    assert {path.name for path in (folder / "numbers").iterdir()} - {"lock"} == {"prepared.json", "symbols.bin"}
    assert json.loads(found["again"]["out"])["was_there"] is True
    assert weights(folder, "small-lstm-003") == weights(folder, "small-lstm-001")


def test_a_run_is_scored_and_writes_whatever_the_console_can_show(folder: Path, found: dict[str, Any]) -> None:
    figures = json.loads(found["evaluate"]["out"])["metrics"]
    known = info(folder, "small-lstm-003")["metrics"]["test"]
    assert figures == {name: pytest.approx(value, abs=1e-6) for name, value in known.items()}
    (text,) = json.loads(found["generate"]["out"])["texts"]
    shown = text["text"].encode("cp1252", "backslashreplace").decode("cp1252")
    assert (len(text["text"]), found["written"]["out"]) == (40, f"{shown}\n")


def test_json_holds_what_the_console_cannot_show(found: dict[str, Any]) -> None:
    assert not found["show"]["out"].isascii()  # cp1252 has ë
    symbols = [row["symbol"] for row in json.loads(found["shown"]["out"])["symbols"]]
    assert {"ë", "ж"} <= set(symbols)


def test_a_forecast_is_the_same_as_json_and_as_a_table(folder: Path, found: dict[str, Any]) -> None:
    (forecast,) = json.loads(found["forecast"]["out"])["forecasts"][:1]
    with (folder / "next.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["unique_id"] == forecast["series"]]
    assert [float(row["gru"]) for row in rows] == forecast["point"]
    assert (folder / "next.png").read_bytes().startswith(b"\x89PNG")


def test_a_comparison_stops_its_runs_and_saves_them(folder: Path, found: dict[str, Any]) -> None:
    assert found["interrupted"] == 'lstmctl compare --resume "my runs/small-comparison-001"'
    stopped = info(folder, "small-comparison-001", "rnn-seed-0")
    pointers = json.loads((folder / RUNS / "small-comparison-001/rnn-seed-0/checkpoints/pointers.json").read_bytes())
    assert (stopped["status"], stopped["signal"], pointers["last"]) == ("interrupted", 15, stopped["step"])
    assert 0 < stopped["step"] < 1_000_000
    assert stopped["peak_memory"] is None  # its process saw a Windows too


def test_a_comparison_gives_the_bits_of_the_runs_alone(folder: Path, found: dict[str, Any]) -> None:
    assert weights(folder, "small-comparison-002/rnn-seed-0") == weights(folder, "small-rnn-001")
    assert weights(folder, "small-comparison-002/lstm-seed-0") == weights(folder, "small-lstm-001")
    listed = json.loads(found["runs"]["out"])
    assert [run["status"] for run in listed["runs"]] == ["finished"] * 5
    assert [comparison["status"] for comparison in listed["comparisons"]] == ["stopped", "finished"]


def test_files_are_written_with_the_line_ends_they_have(folder: Path) -> None:
    assert (folder / "own.yaml").read_bytes() == bundled_path("travellers").read_bytes()
    for name in ("config.yaml", "metrics.jsonl", "samples.txt", "run.json", "report.html"):
        assert b"\r" not in (folder / RUNS / "small-lstm-001" / name).read_bytes(), name
