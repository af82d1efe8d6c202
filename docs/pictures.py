"""Make the pictures in the documentation from real runs: `python docs/pictures.py [PICTURE …]`, from the repository.

Each picture is made in an empty folder by the commands below. train.svg is a recording of a terminal, with the waiting
shortened; the others are plots that the commands write. All together take about half an hour on two cores. Linux and
macOS only. inspect-recall.png is made by `benchmarks/recall_on_fresh_text.py RUN … --plot FILE`.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import shlex
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path

DOCS = Path(__file__).resolve().parent
RECORDED = {"train.svg": ("lstmctl train", 'lstmctl generate --prompt "I grew up in " --temperature 0.6 --length 320')}
"""Recordings of a terminal, and the commands that are typed."""
ADDING = ("lstmctl compare rnn lstm gru --config adding --seeds 1 data.length=100",)
PLOTTED = {
    "comparison.png": (("lstmctl compare rnn lstm",), "runs/travellers-comparison-001/plots/curves.png"),
    "forecast.png": (("lstmctl train energy", "lstmctl forecast --output forecast.csv --plot plot.png"), "plot.png"),
    "tour-gradients.png": (
        (
            *ADDING,
            "lstmctl inspect gradients runs/adding-comparison-001/rnn-seed-0 runs/adding-comparison-001/lstm-seed-0 "
            "runs/adding-comparison-001/gru-seed-0 --plot plot.png",
        ),
        "plot.png",
    ),
    "tour-sweep.png": (
        ("lstmctl compare rnn lstm gru --config adding --seeds 1 --sweep data.length=50,100,200",),
        "runs/adding-sweep-001/plots/sweep.png",
    ),
    "tour-gates.png": (
        (
            "lstmctl train",
            "lstmctl inspect gates latest --units 213,124,160,31,58 "
            '--text "I grew up in Greece and speak fluent Greek. My mother is from Peru." --plot plot.png',
        ),
        "plot.png",
    ),
    "inspect-gates.png": (
        (
            "lstmctl train",
            "lstmctl inspect gates latest --units 213,124,160,31,58 --symbols 90 --plot plot.png",
        ),
        "plot.png",
    ),
    "inspect-gradients.png": (
        (
            "lstmctl compare rnn lstm gru --seeds 1",
            "lstmctl inspect gradients travellers-comparison-001/rnn-seed-0 travellers-comparison-001/gru-seed-0 "
            "travellers-comparison-001/lstm-seed-0 --plot plot.png",
        ),
        "plot.png",
    ),
    "shakespeare.png": (
        (
            "lstmctl data download tinyshakespeare",
            'lstmctl compare rnn lstm gru --config shakespeare-cpu model.hidden=460 training.budget="2200k characters" '
            "training.batch=32 training.window=64 training.optimizer=adamw training.weight_decay=0.0 "
            "training.average=null --tune training.learning_rate=2e-3,4e-3,8e-3 --jobs 2 threads=1",
        ),
        "runs/shakespeare-cpu-comparison-001/plots/curves.png",
    ),
}
"""Plots: the commands, and the file that the last one writes."""
WIDTH = 1300
"""Of a plot in pixels: twice what a page shows."""

COLUMNS, ROWS = 110, 24
FRAMES = 14
"""Pictures of the screen per command."""
SECONDS, LAST_SECONDS = 0.5, 6.0
"""Duration of a frame, and of the last one."""
BACKGROUND, FOREGROUND, DIM = "#0d1117", "#e6edf3", "#8b949e"
COLOURS = ("#484f58", "#ff7b72", "#3fb950", "#d29922", "#58a6ff", "#bc8cff", "#39c5cf", "#b1bac4")
"""The eight colours of a terminal."""
LINE, CHARACTER, SIZE, MARGIN = 18, 7.8, 13, 14
"""Measures in pixels: heights of a line and of a letter, width of a letter, margin."""


@dataclass(frozen=True)
class Style:
    colour: str = FOREGROUND
    bold: bool = False
    italic: bool = False


class Screen:
    """A terminal with unlimited rows that supports rich's output."""

    PART = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])|(.)", re.DOTALL)

    def __init__(self, lines: Sequence[Sequence[tuple[str, Style]]] = ((),)) -> None:
        self.lines = [list(line) for line in lines]
        self.row, self.column, self.style = len(self.lines) - 1, len(self.lines[-1]), Style()

    def write(self, text: str) -> None:
        for numbers, command, character in self.PART.findall(text):
            if command == "A":
                self.row -= int(numbers or 1)
            elif command == "K":
                del self.lines[self.row][0 if numbers == "2" else self.column :]
            elif command == "m":
                self.set_style([int(number or 0) for number in numbers.split(";")])
            elif character == "\r":
                self.column = 0
            elif character == "\n":
                self.go_down()
            elif character:
                self.put(character)

    def set_style(self, codes: list[int]) -> None:
        for code in codes:
            if code == 0:
                self.style = Style()
            elif code == 1:
                self.style = replace(self.style, bold=True)
            elif code == 2:
                self.style = replace(self.style, colour=DIM)
            elif code == 3:
                self.style = replace(self.style, italic=True)
            elif code in range(30, 38):
                self.style = replace(self.style, colour=COLOURS[code - 30])

    def go_down(self) -> None:
        self.row += 1
        if self.row == len(self.lines):
            self.lines.append([])

    def put(self, character: str) -> None:
        if self.column == COLUMNS:
            self.column = 0
            self.go_down()
        line = self.lines[self.row]
        line.extend([(" ", Style())] * (self.column - len(line)))
        line[self.column : self.column + 1] = [(character, self.style)]
        self.column += 1

    def shown(self) -> tuple[tuple[tuple[str, Style], ...], ...]:
        """Return the last rows."""
        return tuple(tuple(line) for line in self.lines[-ROWS:])


def output_of(command: str) -> Iterator[tuple[float, str]]:
    """Run a command in a terminal, and yield its output with the seconds since its start."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    environment = {**os.environ, "TERM": "xterm", "COLORTERM": ""}
    process = subprocess.Popen(shlex.split(command), stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    began, rest = time.monotonic(), b""
    while True:
        try:
            read = os.read(ours, 1 << 16) if select.select([ours], [], [], 600)[0] else b""
        except OSError:  # Linux, when the process has ended
            read = b""
        if not read:
            break
        rest += read
        whole = rest.decode("utf-8", "ignore")
        rest = rest[len(whole.encode()) :]
        yield time.monotonic() - began, whole
    os.close(ours)
    if process.wait():
        raise SystemExit(f"{command} failed")


def recorded(commands: Sequence[str]) -> list[tuple[object, float]]:
    """Run commands one after another in a terminal, and return what its screen showed, and for how many seconds."""
    frames: list[tuple[object, float]] = []
    screen = Screen()
    for command in commands:
        screen.write("\x1b[32m$\x1b[0m ")
        for stop in range(0, len(command) + 1, 6):
            typed = Screen(screen.lines)
            typed.write(command[:stop])
            frames.append((typed.shown(), 0.1))
        screen.write(command + "\r\n")
        frames.append((screen.shown(), 0.4))
        states = []
        for seconds, text in output_of(command):
            screen.write(text)
            states.append((seconds, screen.shown()))
        last = states[-1][0]
        at = [last * (number + 1) / FRAMES for number in range(FRAMES)]
        taken = [[state for state in states if state[0] <= moment or state is states[0]][-1] for moment in at]
        frames += [(state, SECONDS) for _, state in taken[:-1]]
        frames.append((screen.shown(), LAST_SECONDS))
    return [(screen.shown(), LAST_SECONDS / 2), *frames]  # begins with the end, for viewers that show one frame


def line_of(row: int, line: Sequence[tuple[str, Style]]) -> str:
    """Return one line of a screen as an SVG element."""
    spans, start = [], 0
    for end in range(1, len(line) + 1):
        if end < len(line) and line[end][1] == line[start][1]:
            continue
        style, words = line[start][1], "".join(character for character, _ in line[start:end])
        marks = f' fill="{style.colour}"' if style.colour != FOREGROUND else ""
        marks += ' font-weight="bold"' if style.bold else ""
        marks += ' font-style="italic"' if style.italic else ""
        for part in re.finditer(r"\S+( \S+)*", words):  # without the wider spaces, which SVG would collapse
            place = f'x="{MARGIN + (start + part.start()) * CHARACTER:g}" textLength="{len(part[0]) * CHARACTER:g}"'
            spans.append(f"<tspan {place}{marks}>{escape(part[0], quote=False)}</tspan>")
        start = end
    return f'<text y="{MARGIN + (row + 1) * LINE - 5}">{"".join(spans)}</text>' if spans else ""


def animated(frames: Sequence[tuple[object, float]], title: str) -> str:
    """Return an SVG that shows one screen after another, in a loop; without animation, only the last."""
    total = sum(seconds for _, seconds in frames)
    height = MARGIN * 2 + LINE * max(len(lines) for lines, _ in frames)
    width = MARGIN * 2 + COLUMNS * CHARACTER
    groups, rules, begun = [], [], 0.0
    for number, (lines, seconds) in enumerate(frames):
        start, end = 100 * begun / total, 100 * (begun + seconds) / total
        begun += seconds
        before = f"0%,{start - 0.001:.3f}%{{opacity:0}}" if start else ""
        after = f"{end:.3f}%,100%{{opacity:0}}" if number < len(frames) - 1 else ""
        shown = f"{start:.3f}%,{end - 0.001:.3f}%{{opacity:1}}"
        rules.append(f"@keyframes f{number}{{{before}{shown}{after}}}#f{number}{{animation-name:f{number}}}")
        rows = "".join(line_of(row, line) for row, line in enumerate(lines))
        groups.append(f'<g id="f{number}">{rows}</g>')
    style = (
        f"g{{opacity:0;animation:{total:g}s step-end infinite}}#f{len(frames) - 1}{{opacity:1}}{''.join(rules)}"
        "@media (prefers-reduced-motion:reduce){g{animation:none}}"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height}" width="{width:g}" height="{height}" '
        f'role="img" font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,DejaVu Sans Mono,monospace" '
        f'font-size="{SIZE}" fill="{FOREGROUND}"><title>{escape(title)}</title>'
        f'<style>{style}</style><rect width="100%" height="100%" rx="8" fill="{BACKGROUND}"/>{"".join(groups)}</svg>\n'
    )


def make(name: str) -> None:
    """Make one picture."""
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        if name in RECORDED:
            title = f"A terminal in which these commands run: {'; '.join(RECORDED[name])}"
            (DOCS / name).write_text(animated(recorded(RECORDED[name]), title), encoding="utf-8")
        else:
            from PIL import Image

            commands, plot = PLOTTED[name]
            for command in commands:
                subprocess.run(shlex.split(command), check=True)
            with Image.open(plot) as image:
                size = (WIDTH, round(image.height * WIDTH / image.width))
                image.convert("RGB").resize(size, Image.Resampling.LANCZOS).quantize(64).save(
                    DOCS / name, optimize=True
                )
        os.chdir(DOCS)


if __name__ == "__main__":
    os.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    for picture in sys.argv[1:] or [*RECORDED, *PLOTTED]:
        make(picture)
