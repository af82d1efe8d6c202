"""Fixtures for every test: a new empty folder, data to train on, runs trained once, the command."""

from __future__ import annotations

import datetime
import io
import math
import os
import random
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import hypothesis
import pytest

from tests import processes

if TYPE_CHECKING:
    from lstmctl import Run

# However slow or busy the machine is, an example may take its time.
hypothesis.settings.register_profile(
    "steady",
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.function_scoped_fixture],
)
hypothesis.settings.load_profile("steady")

MEMORY, LEAST = Path("/dev/shm"), 4 * 2**30


def pytest_configure() -> None:
    """Keep the tests' folders in memory where there is room: a run waits for the disk a hundred times."""
    if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > LEAST:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip tests marked with a feature that this machine lacks; leave plots blank if no test looks at them."""
    for name, (there_is, reason) in NEEDS.items():
        if item.get_closest_marker(name) is not None and not there_is():
            pytest.skip(reason)
    if item.get_closest_marker("drawn") is None:
        os.environ[processes.UNDRAWN] = "1"
    else:
        os.environ.pop(processes.UNDRAWN, None)


@cache
def _multiplies_bfloat16() -> bool:
    """Return True if the kernels exist, which only a trial can determine."""
    import torch

    from lstmctl.cells.packed import has_kernels

    try:
        with torch.autocast("cpu", torch.bfloat16):
            torch.nn.LSTM(8, 8)(torch.zeros(2, 1, 8))[0].sum().backward()
    except RuntimeError:
        return False
    return has_kernels(torch.bfloat16)


def _has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


NEEDS: dict[str, tuple[Callable[[], bool], str]] = {
    "bfloat16": (_multiplies_bfloat16, "torch has no bfloat16 kernels for this processor"),
    "fork": (lambda: hasattr(os, "fork"), "this system cannot fork"),
    "gpu": (_has_gpu, "there is no GPU here"),
}
"""By marker: whether this machine has what is needed, and what to say where it has not."""


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Networks this small lose more by waiting for a second thread than they gain."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(autouse=True, scope="session")
def interruptible() -> Iterator[None]:
    """Ctrl-C works, here and in what is started, though a shell starts background jobs with SIGINT ignored."""
    former = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, former)


@pytest.fixture(autouse=True, scope="session")
def quick_starts() -> Iterator[None]:
    """The runs of comparisons start as the tests' own processes do; all of them end with the tests."""
    processes.start_runs_of_comparisons()
    processes.leave_figures_blank()
    yield
    processes.close()


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """Every process that a test started ends with it, and Ctrl-C works again after a command."""
    yield
    processes.end_all()
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder is empty, and nothing of the user's environment reaches a test."""
    monkeypatch.chdir(tmp_path)
    for name in ("LSTMCTL_RUNS", "LSTMCTL_CACHE", "LSTMCTL_DEBUG", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LSTMCTL_CACHE", str(tmp_path / "cache"))
    return tmp_path


def sentences(count: int) -> str:
    """Some English of a small grammar: learnable, and the same every time."""
    draw = random.Random(5)
    names, verbs, things = ("Ann", "Bob", "Cyr"), ("sees", "likes", "finds"), ("a tree", "the sea", "two birds")
    return "".join(f"{draw.choice(names)} {draw.choice(verbs)} {draw.choice(things)}.\n" for _ in range(count))


@pytest.fixture(scope="session")
def text() -> str:
    """About 8,000 characters."""
    return sentences(450)


@pytest.fixture
def text_file(tmp_path: Path, text: str) -> Path:
    """That text in a file."""
    path = tmp_path / "small.txt"
    path.write_text(text, encoding="utf-8")
    return path


CONFIG = """\
task: {{type: language-model, shape: {shape}}}
data: {{text: small.txt}}
model: {{cell: {cell}, hidden: 12, layers: 2, embedding: 8, dropout: 0.1}}
training: {{budget: 60 steps, batch: 4, window: 16, learning_rate: 1e-2, average: 0.9, evaluate_every: 12,
  save_every: 7, sample_every: 30, precision: float32}}
threads: 1
"""


def write_small_config(text_file: Path) -> Path:
    """A config that trains within a second on a text in a file."""
    path = text_file.parent / "small.yaml"
    path.write_text(CONFIG.format(cell="lstm", shape="many-to-many"), encoding="utf-8")
    return path


@pytest.fixture
def small_config(text_file: Path) -> Path:
    """A config that trains within a second on `text_file`."""
    return write_small_config(text_file)


PLACES_CONFIG = """\
task: {type: generation-from-label}
data: {table: places.csv, text: place, label: country, vocabulary: all}
model: {cell: gru, hidden: 12, embedding: 8}
training: {budget: 30 steps, batch: 16, learning_rate: 1e-2, precision: float32}
threads: 1
"""


def write_places(path: Path) -> Path:
    """A table of invented places with the country of each: three countries, each with its own endings."""
    draw = random.Random(6)
    endings = {"france": ("ville", "ac"), "spain": ("illa", "ona"), "finland": ("nen", "kka")}
    lines = ["place,country"]
    for _ in range(200):
        country = draw.choice(list(endings))
        lines.append(f"{draw.choice('bdlmst')}{draw.choice('aeio')}{draw.choice(endings[country])},{country}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def write_places_config(folder: Path) -> Path:
    """A config that trains a generator of places within a second or two, on `places.csv` in the same folder."""
    write_places(folder / "places.csv")
    path = folder / "places.yaml"
    path.write_text(PLACES_CONFIG, encoding="utf-8")
    return path


@pytest.fixture
def places_config(tmp_path: Path) -> Path:
    """A generator of places in this test's folder."""
    return write_places_config(tmp_path)


SERIES_CONFIG = """\
task: {type: forecast, lookback: 12, horizon: 4, segment: 2, season: 6, levels: [80], loss: mse}
data: {series: small.csv, split: [0.6, 0.2, 0.2]}
model: {cell: gru, hidden: 12, embedding: 8, dropout: 0.1}
training: {budget: 40 steps, batch: 16, learning_rate: 1e-2, average: 0.9, evaluate_every: 10, save_every: 7,
  sample_every: 20, precision: float32}
threads: 1
"""


def write_waves(path: Path, rows: int = 400) -> Path:
    """A table of two columns, `a` and `b`, with a season of six rows and some noise; its hours begin with 2020."""
    draw = random.Random(7)
    start = datetime.datetime(2020, 1, 1)
    lines = ["date,a,b"]
    for row in range(rows):
        wave = math.sin(2 * math.pi * row / 6)
        a, b = 10 + 3 * wave + draw.gauss(0, 0.3), -5 + wave + 0.01 * row + draw.gauss(0, 0.1)
        lines.append(f"{start + datetime.timedelta(hours=row)},{a:.6f},{b:.6f}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def write_series_config(folder: Path) -> Path:
    """A config that trains a forecaster within a second or two, on `small.csv` in the same folder."""
    write_waves(folder / "small.csv")
    path = folder / "waves.yaml"
    path.write_text(SERIES_CONFIG, encoding="utf-8")
    return path


@pytest.fixture
def series_config(tmp_path: Path) -> Path:
    """A forecaster in this test's folder."""
    return write_series_config(tmp_path)


class Trained:
    """`trained(NAME, *overrides)`: a run of a config, trained when it is first asked for, as a copy for each test.

    The copy is in the runs folder and is the newest there. Its training data is in a folder shared by all tests: a test
    that changes the data, or expects it next to the config, trains its own run.
    """

    def __init__(self, folder: Path, text: str) -> None:
        (folder / "small.txt").write_text(text, encoding="utf-8")
        self.folder, self.known = folder, dict[tuple[str, ...], Path]()
        self.configs = {
            "small": write_small_config(folder / "small.txt"),
            "places": write_places_config(folder),
            "waves": write_series_config(folder),
        }

    def __call__(self, name: str, *overrides: str) -> Run:
        from lstmctl import load_run, train
        from lstmctl.runs.folder import RunFolder, next_order, runs_root

        if (name, *overrides) not in self.known:
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("LSTMCTL_RUNS", str(self.folder / f"runs-{len(self.known)}"))
                self.known[name, *overrides] = train(self.configs.get(name, name), overrides).path
        kept, order = self.known[name, *overrides], next_order(runs_root())
        copy = shutil.copytree(kept, runs_root() / kept.name)
        RunFolder(copy).update(order=order)
        return load_run(copy)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, text: str) -> Trained:
    """Runs of `small`, `places`, `waves` above and of the bundled configs."""
    return Trained(tmp_path_factory.mktemp("trained"), text)


class Result(NamedTuple):
    """Exit code and output of a command."""

    code: int
    out: str
    err: str


Command = Callable[..., Result]


@pytest.fixture
def lstmctl(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """`lstmctl(*arguments, stdin="")`: the command in this process; `stdin` is what is piped into it."""
    from lstmctl.cli.main import main

    def run(*arguments: str, stdin: str = "") -> Result:
        monkeypatch.setattr(sys, "argv", ["lstmctl", *arguments])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        assert isinstance(ended.value.code, int)
        return Result(ended.value.code, *capsys.readouterr())

    return run
