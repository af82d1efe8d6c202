"""Measure the duration of commands that compute nothing, and list the heavy packages that they import.

python benchmarks/start_up.py --count 20
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import time

HEAVY = ("torch", "numpy", "polars", "matplotlib", "scipy", "rich")
IMPORTED = f"""
import sys
from lstmctl.cli.main import main
sys.argv = ["lstmctl", *sys.argv[1:]]
try:
    main()
except SystemExit:
    pass
print(*[name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=20, help="processes for each command")
    arguments = parser.parse_args()
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, {arguments.count} processes each\n")
    print("| command | median seconds | fastest | slowest | heavy imports |\n| --- | --- | --- | --- | --- |")
    commands = (["--help"], ["train", "--help"], ["config", "list"], ["runs", "list"])
    for command in (None, *commands):
        program = ["-c", "pass"] if command is None else ["-m", "lstmctl", *command]
        seconds = sorted(_seconds([sys.executable, *program]) for _ in range(arguments.count))
        name = "python -c pass" if command is None else " ".join(["lstmctl", *command])
        figures = " | ".join(f"{value:.3f}" for value in (statistics.median(seconds), seconds[0], seconds[-1]))
        print(f"| {name} | {figures} | {'–' if command is None else _imported(command)} |")


def _seconds(program: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(program, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - started


def _imported(command: list[str]) -> str:
    result = subprocess.run(
        [sys.executable, "-c", IMPORTED, *command],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    return ", ".join(result.stderr.splitlines()[-1].split()) or "none"


if __name__ == "__main__":
    main()
