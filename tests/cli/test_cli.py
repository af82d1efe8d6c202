"""The commands as a person or a script meets them: examples, exit codes, messages, streams."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from lstmctl import bundled, train
from lstmctl.cli.main import app, main
from lstmctl.errors import LstmctlError
from tests import processes
from tests.conftest import Command, Result, Trained, write_waves
from tests.sounds import write_glides

GENERATE_HELP = "see lstmctl generate --help"
RUNS_HINT = "lstmctl runs list shows all runs"
TINY = [
    "data.split=[2000, 500, 500]",
    "model.hidden=8",
    "model.embedding=4",
    "training.budget=3 steps",
    "training.batch=2",
    "training.window=8",
    "training.sample_every=3",
    "training.precision=float32",
    "threads=1",
]


TINY_SUM = ["model.hidden=4", "data.held_out=20", "training.budget=3 steps", "training.batch=2", "threads=1"]
"""The same of the config `adding`, which reads no text."""
TINY_TABLE = ["training.budget=2 steps", "model.hidden=4", "model.ensemble=1", "threads=1"]
"""The same of a table."""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small trained run of the bundled text."""
    root = tmp_path_factory.mktemp("finished") / "runs"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LSTMCTL_RUNS", str(root))
        train("travellers", TINY)
    return root


@pytest.fixture
def runs(finished: Path) -> Path:
    """That run, in the current folder."""
    shutil.copytree(finished, "runs")
    return Path("runs")


def process(*arguments: str, **settings: Any) -> subprocess.CompletedProcess[bytes]:
    """The command as a separate process."""
    environment = {**os.environ, **settings.pop("env", {})}
    line = [sys.executable, "-m", "lstmctl", *arguments]
    return subprocess.run(line, capture_output=True, timeout=120, check=False, env=environment, **settings)


def commands() -> Iterator[tuple[str, Any]]:
    """Every command's words and itself, groups included."""
    todo: list[tuple[str, Any]] = [("", typer.main.get_command(app))]
    while todo:
        words, command = todo.pop()
        yield words, command
        todo += [(f"{words} {name}".strip(), inner) for name, inner in getattr(command, "commands", {}).items()]


def examples() -> list[str]:
    lines = [line.strip() for _, command in commands() for line in (command.epilog or "").splitlines()]
    # Downloads are tested against a local server, in tests/data/test_downloading.py.
    return [line for line in lines if re.match(r"(echo .*\| )?lstmctl(?! data download)", line)]


@pytest.mark.parametrize("words", [words for words, _ in commands()])
def test_every_command_has_help_that_ends_with_examples(words: str, lstmctl: Command) -> None:
    result = lstmctl(*words.split(), "--help")
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith(f"Usage: lstmctl {words}".strip())
    assert lstmctl(*words.split(), "-h") == result
    if words not in ("", "inspect", "runs", "config", "data", "cells"):
        told = result.out.partition("\n  Examples:\n")[2].split("\n")
        assert any(re.match(rf"(.*\| )?lstmctl {words}", line.strip()) for line in told), result.out


def test_there_are_examples() -> None:
    assert len(examples()) > 12


@pytest.mark.parametrize(
    "line", [pytest.param(line, marks=[pytest.mark.drawn] * ("--plot" in line)) for line in examples()]
)
def test_every_example_runs(line: str, lstmctl: Command, runs: Path, trained: Trained) -> None:
    text = (bundled.data() / "travellers.txt").read_text(encoding="utf-8")[:4000]
    Path("my-text.txt").write_text(text, encoding="utf-8")
    if " config copy" not in line and " config new" not in line:
        lstmctl("config", "copy", "travellers", "my.yaml")
    stdin = ""
    if " | " in line:
        before, _, line = line.partition(" | ")
        stdin = " ".join(shlex.split(before)[1:]) + "\n"
    words = shlex.split(line.partition(" > ")[0])
    assert words[0] == "lstmctl"
    if words[1] in ("forecast", "backtest") or {"newer.csv", "series.csv"} & {*words}:
        trained("waves", "training.budget=3 steps")
        write_waves(Path("newer.csv"), 450)
    if "sales.csv" in words:
        months = [f"{2019 + month // 12}-{month % 12 + 1:02}" for month in range(60)]
        rows = [f"{month},{100 + number + 10 * (number % 12)}" for number, month in enumerate(months)]
        Path("sales.csv").write_text("\n".join(["month,sales", *rows, ""]), encoding="utf-8")
    if words[1] == "predict" and any(".wav" in word for word in words):
        clips = write_glides(Path("recordings"))
        for name in ("first.wav", "second.wav"):
            Path(name).write_bytes((clips / "up_ann_0.wav").read_bytes())
        audio = [
            "data.audio=recordings",
            "data.file_names='{label}_{speaker}_{take}'",
            "data.bands=8",
            "data.split=[1, 1, 1]",
        ]
        train("spoken-words", [*audio, "training.budget=1 steps", "model.hidden=4", "threads=1"], quiet=True)
    elif words[1] == "predict":
        trained("intents", "training.budget=1 steps", "model.hidden=4", "threads=1")
        Path("new.csv").write_text("text\nput the lamp out\n", encoding="utf-8")
    if "--label" in words:
        config = "task: {type: generation-from-label}\ndata: {table: countries.csv, text: text, label: country}\n"
        Path("countries.yaml").write_text(config, encoding="utf-8")
        train("countries.yaml", ["training.budget=3 steps", "training.batch=2", "model.hidden=4"], quiet=True)
    if "AutoETS" in words:
        pytest.importorskip("statsforecast")
        trained("waves", "training.budget=3 steps")
    if "--without" in words:
        trained("small", "model.ngram=0.4")
    if "travellers-rnn-001" in words:
        train("travellers", ["model.cell=rnn", *TINY], quiet=True)
    if words[1] == "bench":
        pytest.skip("takes an hour; tests/comparison/test_bench.py has a small one")
    if "hf://" in line:
        pytest.skip("needs the Hub; tests/api/test_publishing.py has a stand-in")
    if "search:20" in words:
        pytest.importorskip("optuna")
        words[words.index("search:20")] = "search:2"
    if words[1] == "search":
        pytest.importorskip("optuna")
        few = ["--trials", "1", "--seeds", "1"]
        if "--resume" in words:
            assert lstmctl("search", "travellers", "model.hidden=2,4", *few, "--quiet", *TINY).code == 0
            words[words.index("--trials") + 1] = "2"
        else:
            words = [*words, *few]
    if words[1] in ("train", "compare", "search") and "--resume" not in words:
        words += TINY_SUM if "adding" in words else TINY_TABLE if "sales.csv" in words else TINY
    if words[1] == "compare":
        words = [*(word.replace("=50,100,200", "=50,100") for word in words), "--seeds", "1"]
        if "--resume" in words:
            assert lstmctl("compare", "rnn", "lstm", "--seeds", "1", *TINY).code == 0
    result = lstmctl(*words[1:], stdin=stdin)
    assert result.code == 0, result.err
    quiet = (
        "train",
        "evaluate",
        "compare",
        "search",
        "forecast",
        "predict",
        "config copy",
        "config new",
        "config check",
    )
    assert result.out or words[1] in quiet or " ".join(words[1:3]) in quiet
    if "--json" in words or words[1:3] == ["config", "schema"]:
        json.loads(result.out)


def test_training_says_nothing_on_stdout(lstmctl: Command) -> None:
    result = lstmctl("train", *TINY)
    assert (result.code, result.out) == (0, "")
    lines = [line for line in result.err.splitlines() if line.startswith("step ")]
    assert [line.split()[1] for line in lines] == ["1/3", "2/3", "3/3"]
    assert 'Next: lstmctl generate runs/travellers-lstm-001 --prompt "…"' in result.err
    quiet = lstmctl("train", "--quiet", *TINY)
    assert quiet == Result(0, "", "")


def test_training_in_json_is_one_object(lstmctl: Command) -> None:
    result = lstmctl("train", "--json", *TINY, "data.split=[2000, 500]")
    told = json.loads(result.out)
    assert result.out.count("\n") == 1
    assert next(iter(told)) == "format"
    assert {
        "run",
        "status",
        "cell",
        "parameters",
        "seconds",
        "rate",
        "precision",
        "device",
        "kernel",
        "metrics",
    } <= set(told)
    assert told["format"] == 1
    assert (told["run"], told["status"], told["cell"]) == ("runs/travellers-lstm-001", "finished", "lstm")
    assert set(told["metrics"]) == {"validation", "test"}
    assert told["metrics"]["test"] is None
    assert set(told["metrics"]["validation"]) == {
        "nats_per_character",
        "bits_per_character",
        "nats_per_character_cold",
        "nats_per_character_cold_256",
    }


def test_evaluating_in_json_is_one_object(lstmctl: Command, runs: Path) -> None:
    told = json.loads(lstmctl("evaluate", "latest", "--split", "test", "--json").out)
    own = ["format", "run", "split", "metrics", "baselines", "windows", "warnings", "notes"]
    assert list(told) == [*own, "weights_step", "fallback"]
    known = json.loads((runs / "travellers-lstm-001/run.json").read_text())
    assert told["metrics"] == known["metrics"]["test"]
    assert (told["split"], told["windows"], list(told["baselines"])) == ("test", 7, ["uniform", "n-gram"])


def test_generating_in_json_is_one_object(lstmctl: Command, runs: Path) -> None:
    arguments = ["generate", "--prompt", "The ", "--length", "9", "--count", "2", "--seed", "4"]
    told = json.loads(lstmctl(*arguments, "--json").out)
    assert told["format"] == 1
    assert told["settings"]["seed"] == 4
    assert [len(text["text"]) for text in told["texts"]] == [9, 9]
    assert lstmctl(*arguments).out == "\n---\n".join("The " + text["text"] for text in told["texts"]) + "\n"
    assert lstmctl(*arguments[:-4], "--seed", "4").out.startswith("The ")


def test_stdout_holds_what_was_asked_for_and_nothing_else(lstmctl: Command, runs: Path) -> None:
    for arguments in (["generate", "--length", "5"], ["runs", "list"], ["config", "list"], ["data", "list"]):
        result = lstmctl(*arguments)
        assert (result.code, result.err) == (0, "")
        assert result.out.endswith("\n")
    assert len(lstmctl("generate", "--length", "5").out) == 6


@pytest.mark.parametrize(
    ("arguments", "code", "errors", "hint"),
    [
        (
            ["train", "--nope"],
            2,
            ["no option `--nope`"],
            "settings are KEY=VALUE, such as model.hidden=512 or 'training.budget=10 epochs'; see lstmctl train --help",
        ),
        (["train", "--resum", "latest"], 2, ["no option `--resum`"], "did you mean --resume?"),
        (["generate", "-z"], 2, ["no option `-z`"], "see lstmctl generate --help"),
        (["nosuch"], 2, ["no command `nosuch`"], "see lstmctl --help"),
        (["trian"], 2, ["no command `trian`"], "did you mean train?"),
        (["runs", "lst"], 2, ["no command `lst`"], "did you mean list?"),
        (["generate", "--count", "x"], 2, ["--count: `x` is not a whole number"], GENERATE_HELP),
        (["generate", "--count", "1.5"], 2, ["--count: `1.5` is not a whole number"], GENERATE_HELP),
        (["generate", "--top-p", "wide"], 2, ["--top-p: `wide` is not a number"], GENERATE_HELP),
        (
            ["compare", "rnn", "lstm", "--match", "size"],
            2,
            ["--match: `size` is not one of parameters, hidden, time"],
            "see lstmctl compare --help",
        ),
        (["train", "--resume"], 2, ["--resume needs a value"], "see lstmctl train --help"),
        (["generate", "--json=1"], 2, ["--json takes no value"], GENERATE_HELP),
        (
            ["inspect", "gates", "--units"],
            2,
            ["--units needs a value"],
            "see lstmctl inspect gates --help",
        ),
        (["data", "download"], 2, ["NAME|URL is missing"], "see lstmctl data download --help"),
        (["runs", "show", "a", "b"], 2, ["too many arguments: b"], "see lstmctl runs show --help"),
        (
            ["train", "a", "b", "seed=1"],
            2,
            ["expected one CONFIG, not 2: a, b"],
            "settings are written as KEY=VALUE",
        ),
        (
            ["train", "travellers", "training.budget=3M", "characters", "seed=1"],
            2,
            ["`characters` is a separate argument after `training.budget=3M`"],
            "quote the setting, since a shell splits words at spaces: 'training.budget=3M characters'",
        ),
        (
            ["compare", "rnn", "lstm", "seed=1", "training.budget=90", "second"],
            2,
            ["`second` is a separate argument after `training.budget=90`"],
            "quote the setting, since a shell splits words at spaces: 'training.budget=90 second'",
        ),
        (
            ["config", "check", "training.budget=3", "M", "characters"],
            2,
            ["`M characters` is a separate argument after `training.budget=3`"],
            "quote the setting, since a shell splits words at spaces: 'training.budget=3 M characters'",
        ),
        (
            ["train", "travellers", "--resume", "latest"],
            2,
            [
                "--resume uses the run's own config and name; it cannot be combined with a CONFIG, --init-from, --name "
                "or --time"
            ],
            None,
        ),
        (
            ["train", "device=cuda:7"],
            2,
            ["device — cuda:7 is not available on this machine; found: {devices}"],
            "device=auto uses an available device",
        ),
        (
            ["train", "data.text=missing.txt"],
            3,
            ["`missing.txt` does not exist; looked in {here}, {data}, {here}/cache"],
            "put the file into one of these folders, or give its path: data.text=PATH/missing.txt",
        ),
        (["train", "--resume", "nosuch"], 4, ["no run `nosuch`, neither as a folder nor under runs"], RUNS_HINT),
        (["generate", "--top-k", "0"], 2, ["top-k must be 1 or more, not 0"], None),
        (["generate", "--prompt", "a", "--prompt-file", "-"], 2, ["use either --prompt or --prompt-file"], None),
        (["generate", "--prompt-file", "missing"], 2, ["missing cannot be read: No such file or directory"], None),
        (["generate"], 4, ["no run with a saved model under runs"], "train one first: lstmctl train"),
        (["runs", "show", "nosuch"], 4, ["no run `nosuch`, neither as a folder nor under runs"], RUNS_HINT),
        (
            ["config", "copy", "travellers", "there.yaml"],
            2,
            ["there.yaml already exists"],
            "choose another FILE, or remove it first",
        ),
    ],
)
def test_an_error_is_reported_in_whole_lines_with_its_exit_code(
    arguments: list[str], code: int, errors: list[str], hint: str | None, lstmctl: Command
) -> None:
    from lstmctl.training.device import available_devices

    Path("there.yaml").touch()
    places = {
        "data": bundled.data(),
        "here": Path.cwd(),
        "devices": ", ".join(available_devices()),
    }
    lines = [f"error: {error.format(**places)}" for error in errors] + ([f"hint: {hint}"] if hint else [])
    assert lstmctl(*arguments) == Result(code, "", "\n".join(lines) + "\n")
    assert not Path("runs").exists()


def test_every_mistake_in_a_config_is_reported_at_once(lstmctl: Command) -> None:
    result = lstmctl("config", "check", "travellers", "model.hiden=5", "training.batch=0", "seed=x")
    assert result.code == 2
    lines = result.err.splitlines()
    assert [line.split("  ")[0] for line in lines if line.startswith("error: ")] == [
        "error: command line: model.hiden=5",
        "error: command line: training.batch=0",
        "error: command line: seed=x",
    ]


@pytest.mark.parametrize("precision", [pytest.param("bfloat16", marks=pytest.mark.bfloat16), "int8"])
def test_text_is_generated_with_shorter_products(precision: str, lstmctl: Command, runs: Path) -> None:
    result = lstmctl("generate", "--precision", precision, "--length", "5", "--json")
    answer = json.loads(result.out)
    assert answer["settings"]["precision"] == precision
    assert len(answer["texts"][0]["text"]) == 5


def test_a_prompt_with_unknown_symbols_names_them(lstmctl: Command, runs: Path) -> None:
    result = lstmctl("generate", "--prompt", "I am Zoé")
    assert result == Result(
        2,
        "",
        "error: the prompt contains 'é' (U+00E9) at position 7 (counted from 0), which travellers-lstm-001 never saw "
        "in training\nhint: --replace-unknown uses the most similar known symbol instead\n",
    )
    refused = lstmctl("generate", "--precision", "half")
    assert (refused.code, refused.err) == (2, "error: precision must be float32, bfloat16 or int8, not half\n")
    result = lstmctl("generate", "--prompt", "I am Zoé", "--replace-unknown", "--length", "3")
    assert (result.code, len(result.out)) == (0, 12)


def test_no_command_shows_the_help(lstmctl: Command) -> None:
    for words in ([], ["runs"], ["config"], ["data"]):
        result = lstmctl(*words)
        assert (result.code, result.out) == (2, "")
        assert result.err == lstmctl(*words, "--help").out


def test_a_traceback_is_for_those_who_ask(lstmctl: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LSTMCTL_DEBUG", "")  # so that --debug does not outlast this test
    monkeypatch.setattr(sys, "argv", ["lstmctl", "--debug", "generate"])
    with pytest.raises(LstmctlError, match="no run with a saved model"):
        main()


def test_runs_can_live_elsewhere(lstmctl: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LSTMCTL_RUNS", str(tmp_path / "far/away"))
    before = set(tmp_path.iterdir())
    assert lstmctl("train", "--quiet", *TINY).code == 0
    assert [path.name for path in (tmp_path / "far/away").iterdir()] == ["travellers-lstm-001"]
    assert {path.name for path in set(tmp_path.iterdir()) - before} == {"far"}
    assert lstmctl("generate", "travellers-lstm-001", "--length", "2").code == 0


def test_an_interrupted_run_prints_the_command_that_resumes(lstmctl: Command, tmp_path: Path) -> None:
    """Typed as it must be: quoted, and with consent where the run names code."""
    cell = "from lstmctl.cells.gru import GRU\n\n\nclass Mine(GRU):\n    pass\n"
    (tmp_path / "my_cell.py").write_text(cell)
    line = [sys.executable, "-m", "lstmctl", "train", *TINY, "training.budget=2M steps", "model.cell=my_cell:Mine"]
    environment = {**os.environ, "LSTMCTL_RUNS": "my runs"}
    started = processes.start(line, stderr=subprocess.PIPE, text=True, env=environment)
    log = Path("my runs/travellers-mine-001/samples.txt")
    while not (log.exists() and log.stat().st_size):
        assert started.poll() is None
        time.sleep(0.01)
    started.send_signal(signal.SIGINT)
    _, err = started.communicate(timeout=60)
    assert started.returncode == 130
    typed = shlex.split(next(text for text in err.splitlines() if text.strip().startswith("lstmctl train --resume")))
    assert typed == ["lstmctl", "train", "--resume", "my runs/travellers-mine-001", "--trust"]


def test_whoever_reads_only_the_beginning_is_served(runs: Path) -> None:
    line = f"{shlex.quote(sys.executable)} -m lstmctl generate --length 3000 | head -c 5; echo ${{PIPESTATUS[0]}}"
    result = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=120, check=False)
    assert result.stderr == ""
    assert re.fullmatch(r"(?s).{5}0\n", result.stdout)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("arguments", [["config", "show", "travellers"], ["config", "list"]])
def test_a_full_disk_behind_stdout_is_reported(arguments: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        line = [sys.executable, "-m", "lstmctl", *arguments]
        result = processes.run(line, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert result.stderr == "error: stdout cannot be written: No space left on device\nhint: free some space\n"
    assert result.returncode == 6


IN_TURN = """
import json, sys
from lstmctl.cli.main import main
for words in json.loads(sys.argv[1]):
    sys.argv = ["lstmctl", *words]
    try:
        main()
    except SystemExit as end:
        for stream in (sys.stdout, sys.stderr):
            print(f"ended {end.code}", file=stream, flush=True)
"""


@pytest.mark.parametrize(
    "environment",
    [
        {"LANG": "C", "LC_ALL": "C", "TERM": "dumb"},
        {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"PYTHONIOENCODING": "cp1252"},
    ],
)
def test_poor_terminals_are_no_reason_to_stop(environment: dict[str, str]) -> None:
    Path("small.txt").write_text("“Zoé” — 漢字 👩 a b\n" * 60, encoding="utf-8")
    config = f"data: {{text: {Path('small.txt').resolve()}, split: [0.5, 0.3, 0.2]}}\n"
    lines = [["train", "-", *TINY[1:]], ["generate", "latest", "--length", "40", "--temperature", "100"]]
    command = [sys.executable, "-c", IN_TURN, json.dumps(lines)]
    result = subprocess.run(
        command, input=config.encode(), capture_output=True, timeout=120, check=True, env={**os.environ, **environment}
    )
    trained, generated = result.stdout.split(b"ended 0\n")[:2]
    assert trained == b""
    shown = generated.decode(environment.get("PYTHONIOENCODING", "utf-8"))
    assert len(shown) > 40
    told = result.stderr.split(b"ended 0\n")
    assert b"Traceback" not in told[0]
    assert told[1:] == [b"", b""]


def test_an_empty_stdin_is_reported(lstmctl: Command) -> None:
    result = lstmctl("train", "-", stdin="")
    assert result == Result(2, "", "error: stdin  the file is empty; a config needs at least `data: {text: FILE}`\n")


def test_an_empty_prompt_file_starts_a_new_text(lstmctl: Command, runs: Path) -> None:
    assert lstmctl("generate", "--prompt-file", "-", "--length", "4").code == 0
    assert lstmctl("generate", "--prompt-file", "-", "--length", "4") == lstmctl("generate", "--length", "4")
    Path("latin").write_bytes(b"caf\xe9")
    result = lstmctl("generate", "--prompt-file", "latin")
    assert result == Result(2, "", "error: latin is not UTF-8 at byte offset 3\n")


def test_closed_streams_are_no_reason_to_stop(runs: Path) -> None:
    python = shlex.quote(sys.executable)
    line = f"{python} -m lstmctl config show travellers >&-; echo $?; {python} -m lstmctl train - <&-; echo $?"
    result = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=60, check=False)
    assert result.stdout == "0\n2\n"
    assert result.stderr == "error: stdin  is closed; pipe a config into it, or name a file\n"


@pytest.mark.parametrize("words", ["--help", "train --help", "runs list", "config list", "config check travellers"])
def test_looking_around_imports_nothing_heavy(words: str) -> None:
    code = (
        "import sys\n"
        "from lstmctl.cli.main import main\n"
        "try:\n    main()\n"
        "except SystemExit as end:\n    assert end.code == 0\n"
        "heavy = {'torch', 'numpy', 'polars', 'matplotlib', 'scipy', 'safetensors'}\n"
        "print('imported:', *sorted(heavy & set(sys.modules)))\n"
    )
    line = [sys.executable, "-c", code, *words.split()]
    result = subprocess.run(line, capture_output=True, text=True, timeout=60, check=True)
    assert result.stdout.splitlines()[-1] == "imported:"


def test_the_module_and_the_script_are_one_command() -> None:
    script = Path(sys.executable).with_name("lstmctl")
    module = process("config", "list")
    assert (module.returncode, module.stderr) == (0, b"")
    if not script.exists():
        pytest.skip("the package is not installed with its script")
    assert subprocess.run([script, "config", "list"], capture_output=True, check=True).stdout == module.stdout


def test_two_at_once_get_folders_of_their_own() -> None:
    line = [sys.executable, "-m", "lstmctl", "train", "--json", *TINY]
    both = [processes.start(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    told = [json.loads(one.communicate(timeout=120)[0]) for one in both]
    assert {one["run"] for one in told} == {"runs/travellers-lstm-001", "runs/travellers-lstm-002"}
    assert told[0]["metrics"] == told[1]["metrics"]


def test_a_run_folder_that_vanishes_is_reported() -> None:
    settings = [*TINY, "training.budget=2M steps", "training.save_every=50"]
    line = [sys.executable, "-m", "lstmctl", "train", "--quiet", *settings]
    started = processes.start(line, stderr=subprocess.PIPE, text=True)
    run = Path("runs/travellers-lstm-001")
    while not (run / "checkpoints/step-50").exists():
        assert started.poll() is None
        time.sleep(0.005)
    run.rename("moved")
    shutil.rmtree("moved")
    _, err = started.communicate(timeout=60)
    assert started.returncode == 6, err
    assert re.match(r"error: runs/travellers-lstm-001\S* cannot be written.*: No such file or directory\n", err)
    assert "Traceback" not in err
    assert not run.exists()
