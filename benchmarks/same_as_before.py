"""Check that this version of lstmctl gives the same results as an earlier one: the same bits, JSON and CSV.

python benchmarks/same_as_before.py REVISION [--folder FOLDER] [--only CONFIG ...]

Every bundled config is trained for a few steps by both versions, one after the other on this machine, and every command
that applies to the run is called. It compares the SHA-256 of weights, logs, samples, CSV files and plain-text output,
and JSON without times. Reports stay in FOLDER/before and FOLDER/after, for a visual comparison. The exit code is 1 if
anything differs.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from hashlib import sha256
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
SMALL = ["training.budget=4 steps", "model.hidden=8", "training.batch=8", "threads=1", "training.precision=float32"]
TEXT = ["data.text=short.txt", "data.split=[0.8,0.1,0.1]", "training.window=16", "training.first_window=null"]
SHORT_WINDOWS = ["task.lookback=48", "task.horizon=12", "task.segment=12"]
CONFIGS: dict[str, list[str]] = {
    "travellers": TEXT,
    "shakespeare-cpu": TEXT,
    "shakespeare-gpu": [*TEXT, "device=cpu"],
    "next-character": TEXT,
    "recall": TEXT,
    "adding": ["data.length=12", "data.held_out=20"],
    "multiplication": ["data.length=12", "data.held_out=20"],
    "temporal-order": ["data.length=12", "data.held_out=20"],
    "temporal-order-4": ["data.length=16", "data.held_out=20"],
    "first-symbol": ["data.length=12", "data.held_out=20"],
    "copy": ["data.length=6", "data.held_out=20"],
    "reber": ["data.length=1", "data.held_out=20"],
    "parity": ["data.length=12", "data.test_lengths=[]", "data.held_out=20"],
    "modular-arithmetic": ["data.length=12", "data.test_lengths=[]", "data.held_out=20"],
    "anbn": ["data.length=12", "data.test_lengths=[]", "data.held_out=20"],
    "anbncn": ["data.length=12", "data.test_lengths=[]", "data.held_out=20"],
    "dyck-1": ["data.length=12", "data.test_lengths=[]", "data.held_out=20"],
    "dyck-2": ["data.length=12", "data.test_lengths=[]", "data.held_out=20"],
    "flip-flop": ["data.length=12", "data.test_lengths=[]", "data.held_out=20"],
    "associative-recall": ["data.length=12", "data.test_lengths=[]", "data.held_out=20"],
    "selective-copy": ["data.length=16", "data.test_lengths=[]", "data.held_out=20"],
    "intents": [],
    "movements": [],
    "phases": [],
    "frequency": [],
    "tags": [],
    "dates": [],
    "paragraphs": [],
    "energy": ["data.split=[1000,400,400]"],
    "next-value": [],
    "etth1": [
        "data.series=short.csv",
        "data.split=[600,300,300]",
        "task.lookback=48",
        "task.horizon=12",
        "task.segment=12",
    ],
}
"""The bundled configs, with what makes each quick to score. `short.txt` and `short.csv` are cut from bundled data."""
LABELS = {"intents": "requests.csv", "movements": "movements.csv", "phases": "steps.csv", "tags": "tags.csv"}
"""Tables whose first rows are predicted."""
TIMED = {
    *("seconds", "seconds_to_level", "rate", "peak_memory", "started", "ended", "training_seconds", "machine"),
    *("versions", "platform", "pid"),
}
"""Keys that time or the machine decide."""
CLOCK = re.compile(r"\d+(\.\d+)? (s|min|ms)\b|[\d,.]+[kM]? [a-z]+/s|\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d)?\S*")


def main() -> None:
    """Run both versions and print what differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("revision", nargs="?", help="the earlier version, as git names it")
    parser.add_argument("--folder", type=Path, help="keep both versions' folders there")
    parser.add_argument("--only", nargs="+", default=list(CONFIGS), choices=list(CONFIGS), metavar="CONFIG")
    parser.add_argument("--session", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.session:
        session(arguments.only)
        return
    if arguments.revision is None:
        parser.error("name the earlier version")
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="same-as-before-"))
    folder.mkdir(parents=True, exist_ok=True)
    earlier = folder / "source"
    shutil.rmtree(earlier, ignore_errors=True)
    earlier.mkdir()
    archive = subprocess.run(["git", "archive", arguments.revision], cwd=ROOT, capture_output=True, check=True).stdout
    subprocess.run(["tar", "-x", "-C", str(earlier)], input=archive, check=True)
    found = []
    place = folder / "work"  # the same for both, since runs name their data by its path
    for name, source in (("before", earlier), ("after", ROOT)):
        for old in (place, folder / name):
            shutil.rmtree(old, ignore_errors=True)
        place.mkdir()
        command = [sys.executable, str(Path(__file__).resolve()), "--session", "--only", *arguments.only]
        environment = {**os.environ, "PYTHONPATH": str(source), "LSTMCTL_RUNS": "runs", "LSTMCTL_CACHE": "cache"}
        subprocess.run(command, cwd=place, env=environment, check=True)
        found.append(json.loads((place / "found.json").read_text()))
        place.rename(folder / name)
    before, after = found
    differing = [key for key in before.keys() | after.keys() if before.get(key) != after.get(key)]
    print(f"{len(before)} results before, {len(after)} after, {len(differing)} differ ({folder})")
    for key in sorted(differing):
        print(f"\n{key}")
        for line in difference(before.get(key), after.get(key)):
            print(f"  {line}")
    sys.exit(1 if differing else 0)


def difference(before: Any, after: Any, path: str = "") -> list[str]:
    """The places at which two JSON values differ, at most ten."""
    if isinstance(before, dict) and isinstance(after, dict):
        lines = [
            line
            for key in sorted({*before, *after})
            for line in difference(before.get(key), after.get(key), f"{path}.{key}")
        ]
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        lines = [
            line
            for index, (one, other) in enumerate(zip(before, after, strict=True))
            for line in difference(one, other, f"{path}[{index}]")
        ]
    else:
        lines = [] if before == after else [f"{path or '.'}: {str(before)[:150]} → {str(after)[:150]}"]
    return lines[:10]


def session(configs: list[str]) -> None:
    """Train every config in the current folder by the version that is imported, and write `found.json`."""
    from lstmctl import bundled

    data = bundled.data()
    Path("short.txt").write_text((data / "travellers.txt").read_text("utf-8")[:12000], "utf-8")
    head, *rows = (data / "travellers-dependencies.csv").read_text("utf-8").splitlines()
    end = head.split(",").index("answer_end")
    table = [head, *(row for row in rows if int(row.split(",")[end]) <= 12000)]
    Path("short-dependencies.csv").write_text("\n".join(table) + "\n", "utf-8")
    energy = (data / "energy.csv").read_text("utf-8").splitlines()
    columns = [line.split(",")[:2] for line in energy[:1300]]
    Path("short.csv").write_text("\n".join(map(",".join, columns)) + "\n", "utf-8")
    found: dict[str, Any] = {}

    def note(name: str, *words: str) -> None:
        found[name] = run(*words)

    for config in configs:
        note(f"{config}: train", "train", config, *SMALL, *CONFIGS[config], "--quiet", "--json")
        folder = max(Path("runs").glob(f"{config}-*-001"), key=lambda path: path.stat().st_mtime, default=None)
        if folder is None:
            continue
        name = str(folder)
        for file in ("best.safetensors", "last.safetensors", "samples.txt", "config.yaml", "encoding.json"):
            found[f"{config}: {file}"] = hash_of(folder / file)
        log = (folder / "metrics.jsonl").read_text().splitlines()
        found[f"{config}: metrics.jsonl"] = [untimed(json.loads(line)) for line in log]
        for file in ("run.json", "evaluation.json"):
            found[f"{config}: {file}"] = untimed(json.loads((folder / file).read_text()))
        found[f"{config}: report"] = words_of((folder / "report.html").read_text("utf-8"))
        note(f"{config}: evaluate", "evaluate", name, "--json")
        note(f"{config}: evaluate in words", "evaluate", name)
        note(f"{config}: show", "runs", "show", name, "--json")
        note(f"{config}: generate", "generate", name, "--length", "30", "--seed", "1", "--json")
        note(f"{config}: forecast", "forecast", name, "--json")
        note(f"{config}: forecast as a table", "forecast", name)
        note(f"{config}: backtest", "backtest", name, "--origins", "2", "--json")
        note(f"{config}: predict", "predict", name, "--text", "they went home", "--json")
        if config in LABELS:
            rows = (data / LABELS[config]).read_text("utf-8").splitlines()[:30]
            Path("few.csv").write_text("\n".join(rows) + "\n", "utf-8")
            note(f"{config}: predict a table", "predict", name, "few.csv")
        for look in ("gates", "memory", "gradients", "recall"):
            note(f"{config}: inspect {look}", "inspect", look, name, "--json")
            note(f"{config}: inspect {look} in words", "inspect", look, name)
        note(f"{config}: data", "data", "show", f"{name}/config.yaml", "--json")
        note(f"{config}: data in words", "data", "show", f"{name}/config.yaml")
    tiny = [*SMALL, *TEXT, "--seeds", "2", "--json", "--config", "travellers"]
    note("compare", "compare", "rnn", "lstm", *tiny)
    note(
        "tuned",
        "compare",
        "lstm",
        *tiny,
        "--arm",
        "wide: gru model.hidden=12",
        "--tune",
        "training.learning_rate=1e-3,1e-2",
    )
    sweep = ["training.budget=4 steps", "model.hidden=8", "data.held_out=20", "threads=1", "--seeds", "2", "--json"]
    note("sweep", "compare", "rnn", "lstm", "--config", "adding", *sweep, "--sweep", "data.length=8,12")
    for kind in ("csv", "markdown", "latex"):
        note(f"compare as {kind}", "compare", "--resume", "runs/travellers-comparison-001", "--table", kind)
    for page in sorted(Path("runs").glob("*-comparison-*/report.html")) + sorted(
        Path("runs").glob("*-sweep-*/report.html")
    ):
        found[f"{page.parent.name}: report"] = words_of(page.read_text("utf-8"))
        for table in sorted(page.parent.glob("*.csv")):
            found[f"{page.parent.name}: {table.name}"] = untimed_table(table.read_text("utf-8"))
    note("runs", "runs", "list", "--json")
    note("configs", "config", "list", "--json")
    Path("found.json").write_text(json.dumps(found, indent=1), "utf-8")


def run(*words: str) -> dict[str, Any]:
    """A command's exit code and what it prints, read as JSON where it is JSON."""
    from lstmctl.cli.main import main as command

    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8") for _ in range(2))
    argv, sys.argv = sys.argv, ["lstmctl", *words]
    stdin, sys.stdin = sys.stdin, io.TextIOWrapper(io.BytesIO())
    code: object = 0
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            command()
    except SystemExit as ended:
        code = ended.code
    finally:
        sys.argv, sys.stdin = argv, stdin
    said = []
    for stream in (out, err):
        stream.flush()
        said.append(stream.buffer.getvalue().decode())  # type: ignore[attr-defined]
    try:
        return {"code": code, "out": untimed(json.loads(said[0])), "err": CLOCK.sub("TIME", said[1])}
    except ValueError:
        return {"code": code, "out": CLOCK.sub("TIME", said[0]), "err": CLOCK.sub("TIME", said[1])}


def untimed(value: Any) -> Any:
    """JSON without what time or the machine decide."""
    if isinstance(value, dict):
        return {key: untimed(one) for key, one in value.items() if key not in TIMED}
    if isinstance(value, list):
        return [untimed(one) for one in value]
    return CLOCK.sub("TIME", value) if isinstance(value, str) else value


def untimed_table(text: str) -> list[list[str]]:
    """The rows of a CSV file without the columns that time decides."""
    rows = [line.split(",") for line in text.splitlines()]
    kept = [index for index, name in enumerate(rows[0]) if name not in TIMED]
    return [[row[index] for index in kept if index < len(row)] for row in rows]


def words_of(page: str) -> str:
    """The words of a page, without its pictures and times."""
    page = re.sub(r"<(svg|style|script)\b.*?</\1>", "", page, flags=re.DOTALL)
    return CLOCK.sub("TIME", re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page)))


def hash_of(file: Path) -> str:
    """The SHA-256 of a file's content; "" where there is none."""
    return sha256(file.read_bytes()).hexdigest() if file.is_file() else ""


if __name__ == "__main__":
    main()
