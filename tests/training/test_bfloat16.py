"""bfloat16 on a processor that has no kernels for it: refused in words, and runs from elsewhere can be used."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lstmctl import train
from lstmctl.comparison import Interrupted, compare
from lstmctl.events import ComparisonEvent, RunBegan

OLDER = {
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "DNNL_MAX_CPU_ISA": "AVX2",
    "ATEN_CPU_CAPABILITY": "avx2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    "FBGEMM_ENABLE_INSTRUCTIONS": "AVX2",
}
"""Limits torch's kernels to those of a processor without AVX-512."""

LACKS = "this processor lacks the instructions that torch's bfloat16 kernels need (on x86: AVX-512)"
CONTINUES = f"{LACKS}, so the run continues in float32; its results will differ from those in bfloat16"
PROGRAM = """
import sys
from lstmctl.cli.main import main
for line in sys.stdin.read().splitlines():
    sys.argv = ["lstmctl", *line.split("|")]
    try:
        main()
    except SystemExit as ended:
        print(f"{sys.argv[1]}: {ended.code}", file=sys.stderr)
"""


def on_an_older_processor(*commands: tuple[str, ...]) -> list[str]:
    """The stderr of several commands, one after the other, in one process under those limits."""
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input="\n".join("|".join(command) for command in commands),
        env={**os.environ, **OLDER},
        capture_output=True,
        text=True,
        check=True,
    )
    return result.stderr.splitlines()


def test_what_cannot_be_had_is_refused_before_anything_is_written(small_config: Path) -> None:
    train(small_config)
    refused = ("training.precision=bfloat16", "training.budget=3 steps")
    arm = "short: lstm training.precision=bfloat16"
    told = on_an_older_processor(
        ("train", str(small_config), *refused),
        ("compare", "rnn", "lstm", "--config", str(small_config), "--seeds", "1", *refused),
        ("generate", "latest", "--precision", "bfloat16"),
        ("generate", "latest", "--precision", "int8", "--length", "5"),
        ("compare", "rnn", "--arm", arm, "--config", str(small_config), "--seeds", "1"),
        ("train", str(small_config), "training.precision=auto", "training.budget=3 steps", "--quiet"),
    )
    assert told[:3] == [f"error: training.precision — {LACKS}", "hint: training.precision=float32 or auto", "train: 2"]
    assert told[3:6] == [f"error: training.precision — {LACKS}", told[1], "compare: 2"]
    assert told[6:9] == [f"error: {LACKS}", "hint: omit --precision, or use --precision float32", "generate: 2"]
    assert told[9] == "generate: 0"
    assert told[10:13] == [
        f"error: short: training.precision — {LACKS}",
        f"{told[1]}; training.precision is from {small_config}",
        "compare: 2",
    ]
    assert told[-1] == "train: 0"
    assert not Path("comparisons").exists()
    assert sorted(path.name for path in Path("runs").iterdir()) == ["small-lstm-001", "small-lstm-002"]
    assert json.loads(Path("runs/small-lstm-002/run.json").read_text())["precision"] == "float32"


@pytest.mark.bfloat16
def test_a_comparison_planned_elsewhere_continues_in_float32(small_config: Path) -> None:
    def stop(event: ComparisonEvent) -> None:
        if isinstance(event, RunBegan):
            os.kill(os.getpid(), signal.SIGINT)

    shorter = ["training.precision=bfloat16", "training.budget=3 steps"]
    with pytest.raises(Interrupted):
        compare(["rnn", "lstm"], small_config, shorter, seeds=1, match="hidden", observe=stop)
    (folder,) = Path("runs").iterdir()
    told = on_an_older_processor(("compare", "--resume", "latest", "--quiet"))
    assert told[-1] == "compare: 0"
    assert any(line.endswith(CONTINUES) for line in told)
    made = {path.parent.name: json.loads(path.read_text())["precision"] for path in folder.glob("*/run.json")}
    assert made["lstm-seed-0"] == "float32"


@pytest.mark.bfloat16
def test_a_run_from_elsewhere_continues_and_is_used(small_config: Path) -> None:
    def stop(event: object) -> None:
        if type(event).__name__ == "Saved" and event.step >= 14:  # type: ignore[attr-defined]
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(small_config, ["training.precision=bfloat16"], observe=stop)
    told = on_an_older_processor(
        ("generate", "latest", "--length", "5"),
        ("evaluate", "latest", "--json"),
        ("train", "--resume", "latest", "--quiet"),
    )
    assert told[:2] == ["generate: 0", "evaluate: 0"]
    assert told[2:] == [f"warning: {CONTINUES}", "train: 0"]
    info = json.loads(Path("runs/small-lstm-001/run.json").read_text())
    assert (info["status"], info["precision"]) == ("finished", "float32")
