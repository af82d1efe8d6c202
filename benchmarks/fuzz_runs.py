"""Test odd configs, odd command lines and damaged run folders: each must give a result or a readable error.

Each case is a function of the seed and its number. It runs in a fork of this process, which has imported torch, in a
separate folder and with little memory; long trainings are interrupted. These count as unexpected: "bug in lstmctl", a
traceback, an undocumented exit code. The exit status is 1 if there are any, if a case takes over 60 s, or if a line on
stderr is longer than 500 characters.

    python benchmarks/fuzz_runs.py
    python benchmarks/fuzz_runs.py --only config:137    # one case again, with what it prints
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import importlib
import json
import os
import pkgutil
import random
import re
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
import typer
import yaml

import lstmctl
from lstmctl.cli.main import app
from lstmctl.cli.main import main as command

CODES = {0, 1, 2, 3, 4, 5, 6, 130, 143}
PATIENCE, INTERRUPT = 60.0, 15.0
"""Seconds a case may take, and after which a training is interrupted."""
LONGEST_LINE = 500
MEMORY = 6 * 2**30
"""Bytes of address space: enough for every sound case, and too little for the absurd ones."""

ODD: tuple[Any, ...] = (
    0,
    1,
    -1,
    2,
    3,
    7,
    100,
    2**31 - 1,
    2**31,
    2**63 - 1,
    2**63,
    10**30,
    0.0,
    -0.0,
    0.5,
    0.999999,
    1.0,
    1.5,
    1e-320,
    1e-9,
    1e9,
    1e30,
    1e308,
    -1e308,
    float("nan"),
    float("inf"),
    True,
    False,
    None,
    "",
    " ",
    "x",
    "auto",
    "none",
    "0",
    "-1",
    "1e5",
    "nan",
    "a" * 300,
    "b" * 100_000,
    "é",
    "\u202e",
    "\x1b[2J",
    "\n",
    "../..",
    "/",
    "/" * 1000,
    "/proc",
    "/dev/null",
    "~",
    "a:b",
    "os:system",
    "latest",
    [],
    [1],
    [0.5, 0.5],
    [0.8, 0.1, 0.1],
    [""],
    ["x"],
    ["x", "x"],
    [[]],
    {},
    {"a": 1},
    {"": None},
    "2 steps",
    "99999999999999 steps",
    "1 epochs",
    "3 seconds",
    "0.001 seconds",
    "1 row",
    "1 month",
    "2020-01-01",
)
SAMPLE = "The quick brown fox jumps over the lazy dog. "
CONFIGS: dict[str, dict[str, Any]] = {
    "text": {"data": {"text": "a.txt"}, "training": {"window": 8}},
    "one": {
        "task": {"type": "language-model", "shape": "many-to-one"},
        "data": {"text": "a.txt"},
        "training": {"window": 8},
    },
    "series": {"task": {"type": "forecast", "lookback": 6, "horizon": 2, "levels": [80]}, "data": {"series": "a.csv"}},
    "label": {"task": {"type": "classification"}, "data": {"table": "l.csv", "text": "text", "label": "label"}},
    "number": {"task": {"type": "regression"}, "data": {"synthetic": "adding", "length": 10, "held_out": 20}},
    "tags": {"task": {"type": "tagging"}, "data": {"synthetic": "copy", "length": 10, "held_out": 20}},
    "pairs": {"task": {"type": "transduction"}, "data": {"pairs": "p.tsv"}},
    "places": {"task": {"type": "generation-from-label"}, "data": {"table": "l.csv", "text": "text", "label": "label"}},
}
READERS = {
    "run": (
        "runs list",
        "runs list --json",
        "runs show {run}",
        "runs show {run} --json",
        "evaluate {run}",
        "evaluate {run} --json",
        "generate {run} --length 5",
        "forecast {run}",
        "predict {run} --text abc",
        "backtest {run} --windows 2",
        "inspect gates {run}",
        "train --resume {run}",
        "train --resume latest",
        "generate --length 5",
        "forecast latest",
    ),
    "comparison": (
        "runs list",
        "compare --resume {run}",
        "compare --resume latest --json",
        "generate {run}",
        "evaluate {run}",
    ),
}


def with_model(config: dict[str, Any]) -> dict[str, Any]:
    """A config of the smallest network, trained for two steps."""
    model = {"cell": "gru", "hidden": 4, "embedding": 4}
    return {
        **config,
        "model": model,
        "training": {"budget": "2 steps", "batch": 4, **config.get("training", {})},
        "threads": 1,
    }


def write_data(folder: Path) -> None:
    """The files that the configs name."""
    (folder / "a.txt").write_text(SAMPLE * 20)
    days = (datetime.date(2020, 1, 1) + datetime.timedelta(day) for day in range(120))
    (folder / "a.csv").write_text("date,y\n" + "".join(f"{day},{day.day % 7}\n" for day in days))
    (folder / "l.csv").write_text("text,label\n" + "".join(f"item {n},{'ab'[n % 2]}\n" for n in range(40)))
    (folder / "p.tsv").write_text("".join(f"{n}\tn{n}\n" for n in range(40)))
    for name, config in CONFIGS.items():
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(with_model(config)))


def write_runs(folder: Path) -> None:
    """A run of every task, an interrupted one, a comparison and a sweep, made by the commands themselves."""
    for name in CONFIGS:
        _expect(folder, ["train", f"{name}.yaml"])
    _expect(folder, ["compare", "rnn", "gru", "--config", "text.yaml", "--seeds", "2"])
    _expect(folder, ["compare", "gru", "--config", "text.yaml", "--seeds", "1", "--sweep", "training.window=4,8"])
    stopped = shutil.copytree(folder / "runs/text-gru-001", folder / "runs/text-gru-002")
    info = json.loads((stopped / "run.json").read_text())
    (stopped / "run.json").write_text(json.dumps({**info, "status": "interrupted", "order": 100}))


def _expect(folder: Path, arguments: Sequence[str]) -> None:
    code, _, err, _ = ran(folder, [list(arguments)], memory=None)
    if code != 0:
        raise SystemExit(f"lstmctl {' '.join(arguments)} ended with {code}:\n{err}")


def ran(folder: Path, commands: Sequence[Sequence[str]], *, memory: int | None = MEMORY) -> tuple[int, str, str, float]:
    """Run commands one after the other in one fork, up to the first that fails; the last exit code (negative after a
    signal), stdout, stderr and seconds."""
    begun = time.monotonic()
    # Opened before the fork, since a busy machine may interrupt the child before its first line.
    streams = [os.open(f"{folder}.{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600) for name in ("out", "err")]
    child = os.fork()
    if child == 0:
        os.setsid()
        os.chdir(folder)
        for number, stream in enumerate(streams, start=1):
            os.dup2(stream, number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w")  # noqa: SIM115
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if memory is not None:
            resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        os._exit(_all(commands))
    for stream in streams:
        os.close(stream)
    status, interrupted = None, False
    while status is None:
        ended, raw = os.waitpid(child, os.WNOHANG)
        seconds = time.monotonic() - begun
        if ended:
            status = os.waitstatus_to_exitcode(raw)
        elif memory is None:  # what the cases begin with, however long it takes
            pass
        elif seconds > PATIENCE:
            os.killpg(child, signal.SIGKILL)
        elif seconds > INTERRUPT and not interrupted:
            os.kill(child, signal.SIGINT)
            interrupted = True
        time.sleep(0.005)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)  # the runs of a comparison
    out, err = (Path(f"{folder}.{name}").read_bytes().decode("utf-8", "replace") for name in ("out", "err"))
    return status, out, err, seconds


def _all(commands: Sequence[Sequence[str]]) -> int:
    code = 0
    for arguments in commands:
        sys.argv = ["lstmctl", *arguments]
        try:
            command()
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 99
        except BaseException:
            import traceback

            traceback.print_exc()
            code = 99
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        if code != 0:
            break
    return code


def odd_config(draw: random.Random, folder: Path) -> list[list[str]]:
    """A config with one to three odd values, or odd bytes; it is checked, and trained if it is sound."""
    base = draw.choice(list(CONFIGS))
    config = with_model(json.loads(json.dumps(CONFIGS[base])))
    sections = lstmctl.config.schema
    kinds = {
        "task": sections.TASKS[config.get("task", {}).get("type", "language-model")],
        "data": next(source for key, source in sections.SOURCES.items() if key in config["data"]),
        "model": sections.Model,
        "training": sections.Training,
    }
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        value = draw.choice(ODD)
        section = draw.choice([*kinds, "top", "options"])
        if section == "top":
            config[draw.choice([*sections.Settings.model_fields, "odd"])] = value
        elif section == "options":
            if isinstance(config["model"], dict):
                config["model"] |= {"cell": draw.choice(("lstm", "gru", "rnn")), "options": {}}
                config["model"]["options"][draw.choice(("forget_bias", "longest_memory", "x"))] = value
        elif isinstance(config.setdefault(section, {}), dict):
            config[section][draw.choice([*kinds[section].model_fields, "odd"])] = value
    with contextlib.suppress(Exception):
        text = yaml.safe_dump(config, allow_unicode=draw.random() < 0.5)
    content = text.encode("utf-8", "surrogatepass")
    if draw.random() < 0.15:
        content = _damaged(draw, content)
    (folder / "odd.yaml").write_bytes(content)
    return [["config", "check", "odd.yaml"], ["train", "odd.yaml"]]


def odd_command(draw: random.Random, folder: Path) -> list[list[str]]:
    """A verb with odd options and arguments."""
    verb, found = [], typer.main.get_command(app)
    while hasattr(found, "commands"):
        name = draw.choice(sorted(found.commands))
        verb.append(name)
        found = found.commands[name]
    words = [
        "latest",
        "text-gru-001",
        "series-gru-001",
        "label-gru-001",
        "text.yaml",
        "series.yaml",
        "lstm",
        "rnn",
        "a.csv",
        "l.csv",
    ]
    odd = [str(value) for value in ODD if "\0" not in str(value)]
    arguments: list[str] = []
    for _ in range(draw.randrange(4) if found.params else 0):
        option = draw.choice(found.params)
        if option.param_type_name == "argument":
            arguments.append(draw.choice(words + odd))
        else:
            arguments.append(max(option.opts, key=len))
            if not getattr(option, "is_flag", False):
                arguments.append(draw.choice([*words, *odd, "out.csv", "out.png"]))
    for _ in range(draw.randrange(3)):
        section = draw.choice(("task", "data", "model", "training", "seed", "x"))
        key = draw.choice(("type", "text", "hidden", "cell", "batch", "budget", "lookback", "series"))
        arguments.append(f"{section}.{key}={draw.choice(odd)}")
    draw.shuffle(arguments)
    if verb[:2] == ["data", "download"]:
        arguments = [word if "://" not in word else "http://127.0.0.1:9/x" for word in arguments]
    if verb[0] == "compare":
        arguments += ["--config", "text.yaml"]
    return [[*verb, *arguments]]


def odd_run(draw: random.Random, folder: Path) -> list[list[str]]:
    """A damaged run, comparison or sweep, and a command that reads it."""
    runs = sorted((folder / "runs").iterdir())
    run = draw.choice(runs)
    files = sorted(path for path in run.rglob("*") if path.is_file())
    if draw.random() < 0.6:  # what programs read
        files = [path for path in files if path.suffix in (".json", ".jsonl", ".yaml", ".txt")] or files
    for _ in range(draw.choice((1, 1, 2))):
        _damage(draw, draw.choice(files))
    kind = "run" if (run / "run.json").exists() or not list(run.glob("*.json")) else "comparison"
    return [draw.choice(READERS[kind]).format(run=f"runs/{run.name}").split()]


def _damage(draw: random.Random, path: Path) -> None:
    content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
    way = draw.choice(
        ("type", "type", "type", "bytes", "cut", "empty", "gone", "pipe", "zero", "sparse", "folder", "loop")
    )
    with contextlib.suppress(OSError):
        path.unlink()
    if way == "type":
        try:
            path.write_text(json.dumps(_other_value(draw, json.loads(content))))
        except ValueError:
            path.write_bytes(_damaged(draw, content))
    elif way == "bytes":
        path.write_bytes(_damaged(draw, content))
    elif way == "cut":
        path.write_bytes(content[: draw.randrange(len(content) + 1)])
    elif way == "empty":
        path.write_bytes(b"")
    elif way == "pipe":
        os.mkfifo(path)
    elif way == "zero":
        path.symlink_to("/dev/zero")
    elif way == "sparse":
        with path.open("wb") as file:
            file.truncate(2**40)
    elif way == "folder":
        path.mkdir()
    elif way == "loop":
        path.symlink_to(path.name)


def _other_value(draw: random.Random, value: Any) -> Any:
    """JSON with one value replaced by an odd one."""
    if isinstance(value, dict) and value and draw.random() < 0.9:
        key = draw.choice(list(value))
        return {**value, key: _other_value(draw, value[key])}
    if isinstance(value, list) and value and draw.random() < 0.8:
        index = draw.randrange(len(value))
        return [*value[:index], _other_value(draw, value[index]), *value[index + 1 :]]
    return draw.choice(ODD)


def _damaged(draw: random.Random, content: bytes) -> bytes:
    content = bytearray(content or b"x")
    for _ in range(draw.choice((1, 1, 3, 20))):
        place = draw.randrange(len(content))
        content[place : place + draw.randrange(3)] = draw.choice(
            (b"", b"\0", b"\xff", b":", b"[", b"{", b"\t", b"'", b"\n", b"&a", b"%")
        )
    return bytes(content)


CASES = {"config": odd_config, "command": odd_command, "run": odd_run}


def tried(kind: str, number: int, seed: int, template: Path, scratch: Path) -> tuple[list[str], str]:
    """The problem of one case, and the command to reproduce it."""
    draw = random.Random(f"{seed} {kind} {number}")
    folder = scratch / f"{kind}-{number}"
    shutil.copytree(
        template, folder, symlinks=True, ignore=shutil.ignore_patterns("runs") if kind == "config" else None
    )
    commands = CASES[kind](draw, folder)
    code, out, err, seconds = ran(folder, commands)
    wrong = []
    if "bug in lstmctl" in err or "Traceback" in out + err or code not in CODES or code == 1:
        wrong.append("unexpected")
    if seconds > PATIENCE:
        wrong = ["over 60 s"]
    if any(len(line) > LONGEST_LINE for line in re.split("[\r\n]", err)):
        wrong.append("long line")
    for path in (folder, folder.with_name(folder.name + ".out"), folder.with_name(folder.name + ".err")):
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
    last = max((line for line in err.splitlines() if line.startswith("error")), key=len, default=err.strip()[-200:])
    return (
        wrong,
        f"{kind}:{number}  exit {code}  {seconds:.0f} s  lstmctl {' '.join(commands[-1])[:150]}\n    {last[:300]}",
    )


def batches(counts: dict[str, int], jobs: int) -> Iterator[list[tuple[str, int]]]:
    """The cases, shared out among `jobs` processes."""
    cases = [(kind, number) for kind, count in counts.items() for number in range(count)]
    for job in range(jobs):
        yield cases[job::jobs]


def run_all(counts: dict[str, int], jobs: int, seed: int, template: Path, scratch: Path) -> Counter[str]:
    """Try every case, and print those that are wrong."""
    children = []
    for job, cases in enumerate(batches(counts, jobs)):
        if (child := os.fork()) == 0:
            total: Counter[str] = Counter()
            for kind, number in cases:
                wrong, words = tried(kind, number, seed, template, scratch)
                total.update([kind, *wrong])
                if wrong:
                    print(", ".join(wrong), words, flush=True)
            (scratch / f"total-{job}").write_text(json.dumps(total))
            os._exit(0)
        children.append(child)
    failures = [os.waitpid(child, 0)[1] for child in children]  # all of them must end
    if any(failures):
        raise SystemExit("the fuzz itself broke off")
    return sum((Counter(json.loads(path.read_text())) for path in scratch.glob("total-*")), Counter())


def import_everything() -> None:
    """So that no fork has to."""
    for module in pkgutil.walk_packages(lstmctl.__path__, "lstmctl."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    importlib.import_module("matplotlib.backends.backend_agg")
    importlib.import_module("polars")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, count in (("configs", 2000), ("commands", 300), ("runs", 200)):
        parser.add_argument(f"--{name}", type=int, default=count)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", metavar="KIND:NUMBER", help="one case")
    arguments = parser.parse_args()
    import_everything()
    torch.set_num_threads(1)
    for name in ("LSTMCTL_RUNS", "LSTMCTL_DEBUG"):
        os.environ.pop(name, None)
    os.environ["LSTMCTL_CACHE"] = "cache"
    with tempfile.TemporaryDirectory() as place:
        template, scratch = Path(place) / "template", Path(place) / "scratch"
        template.mkdir()
        scratch.mkdir()
        write_data(template)
        write_runs(template)
        if arguments.only:
            kind, _, number = arguments.only.partition(":")
            folder = shutil.copytree(template, scratch / "only", symlinks=True)
            commands = CASES[kind](random.Random(f"{arguments.seed} {kind} {number}"), folder)
            code, out, err, seconds = ran(folder, [["--debug", *words] for words in commands])
            print(*(f"lstmctl {' '.join(words)[:300]}" for words in commands), sep="\n")
            print((folder / "odd.yaml").read_text(errors="replace")[:2000] if kind == "config" else "")
            print(f"{out[-2000:]}\n{err[-6000:]}\nexit {code} after {seconds:.1f} s")
            return 0
        counts = {"config": arguments.configs, "command": arguments.commands, "run": arguments.runs}
        total = run_all(counts, arguments.jobs, arguments.seed, template, scratch)
    print(f"{total['config']} configs, {total['command']} command lines, {total['run']} run folders")
    found = {name: total[name] for name in ("unexpected", "over 60 s", "long line")}
    print(", ".join(f"{count} {name}" for name, count in found.items()))
    return 1 if any(found.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
