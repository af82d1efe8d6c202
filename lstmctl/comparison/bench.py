"""`lstmctl bench`: cells × tests under one protocol, one comparison of one arm for each cell on each test.

The folder of a row is named after the test, the cell, and a hash of everything that its result depends on: the
settings, the grid, the seeds, the cell's file and the version. So a finished row is never made again, by whichever
profile; one that was stopped is continued; a cell that has changed, or is new, runs only its own rows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from lstmctl import shell
from lstmctl.api.assembly import OpenedData, find_cell
from lstmctl.api.failures import memory_errors
from lstmctl.comparison.arms import arms_of, parse_grid
from lstmctl.comparison.execution import Interrupted, Observer
from lstmctl.comparison.machines import Machines
from lstmctl.comparison.planning import make_plan
from lstmctl.comparison.study import begun, opened
from lstmctl.config import LoadedConfig, load
from lstmctl.errors import UsageError
from lstmctl.metrics import SOLVED, metric
from lstmctl.registry import CELLS, cell_name, source_hash
from lstmctl.reporting.bench_page import write_bench
from lstmctl.results.bench import Bench, BenchRow, BenchTest
from lstmctl.results.comparison import Comparison
from lstmctl.runs.comparisons import PLAN
from lstmctl.runs.folder import runs_root
from lstmctl.standings import standings
from lstmctl.training.interruption import termination_as_exit

VERSION = 1
"""Of the protocol: increased if results of older rows do not compare."""


@dataclass(frozen=True)
class Setup:
    """A bundled config with a budget."""

    config: str
    overrides: tuple[str, ...]


@dataclass(frozen=True)
class Profile:
    """Steps to run for each cell."""

    tests: tuple[Setup, ...]
    tune: tuple[str, ...]
    seeds: int
    cells: tuple[str, ...]


EVERY = tuple(name for name in CELLS if name != "feedforward")
FEW = ("rnn", "lstm", "gru", "slstm", "mlstm", "mingru", "lru", "transformer", "tcn")
"""Of every kind: gated or not, with exponential gates or a matrix memory, parallel in time, not recurrent."""
NEEDS = {
    "transformer": ("model.options={heads: 2, context: 512}", "model.layer_norm=true"),
    "mlstm": ("model.options={heads: 2}",),
}
"""Settings of an arm that its cell needs at the small widths of these tests."""
TWO_LAYERS = "model.layers=2"
"""For all cells, since those whose gates do not see the state need a second layer to use what the first has stored."""
EIGHT_PAIRS = ("data.length=17", "data.test_lengths=[34, 68, 136]")
"""Of key and value, instead of 16: few enough for some cells to learn within the budget and others do not."""
TEXT = ("training.budget=400k characters", "model.hidden=96", "model.layers=2", "model.embedding=32")
PROFILES = {
    "quick": Profile(
        tests=(
            Setup("parity", ("training.budget=40k sequences", TWO_LAYERS)),
            Setup("anbn", ("training.budget=20k sequences", TWO_LAYERS)),
            Setup("dyck-2", ("training.budget=20k sequences", TWO_LAYERS)),
            Setup("flip-flop", ("training.budget=20k sequences", TWO_LAYERS)),
            Setup("associative-recall", ("training.budget=80k sequences", *EIGHT_PAIRS, TWO_LAYERS, "model.hidden=64")),
            Setup("travellers", TEXT),
        ),
        tune=("training.learning_rate=3e-3,1e-2",),
        seeds=3,
        cells=FEW,
    ),
    "full": Profile(
        tests=(
            *(
                Setup(name, (TWO_LAYERS,))
                for name in (
                    "parity",
                    "modular-arithmetic",
                    "anbn",
                    "anbncn",
                    "dyck-1",
                    "dyck-2",
                    "flip-flop",
                    "associative-recall",
                    "selective-copy",
                    "adding",
                    "copy",
                    "temporal-order",
                )
            ),
            Setup("travellers", ("model.layers=2",)),
            Setup("recall", ()),
            Setup("spoken-words", ()),
        ),
        tune=("training.learning_rate=1e-3,3e-3,1e-2",),
        seeds=5,
        cells=EVERY,
    ),
}


def bench(
    profile: str = "quick",
    cells: Sequence[str] = (),
    *,
    tests: Sequence[str] = (),
    machines: Machines,
    observe: Observer,
    began: Callable[[str, int, int], None] = lambda row, number, of: None,
) -> Bench:
    """Run every cell on every test of a profile, as far as that is not done yet, and report.

    Args:
        profile: a key of `PROFILES`.
        cells: names of cells, or a user's `module:Class`; by default the profile's.
        tests: names of its tests; by default all.
        machines: where the runs are made.
        observe: called with every event of the comparisons.
        began: called with the name of each row before it begins, its number and the number of rows.

    Raises:
        UsageError: the profile, a test or a cell is unknown.
        Interrupted: Ctrl-C or SIGTERM; what was trained is saved.
    """
    if profile not in PROFILES:
        raise UsageError(f"--profile {profile}: use one of {', '.join(PROFILES)}")
    found = PROFILES[profile]
    known = {test.config: test for test in found.tests}
    if wrong := [name for name in tests if name not in known]:
        raise UsageError(f"`{wrong[0]}` is not a test of {profile}; use {', '.join(known)}")
    machines.check("parameters")
    chosen = [known[name] for name in tests] or list(found.tests)
    arms = list(dict.fromkeys(cells or found.cells))
    words = ["lstmctl", "bench", *cells, "--profile", profile]
    command = shell.join([*words, *(word for name in tests for word in ("--test", name))])
    compared: dict[tuple[str, str], Comparison] = {}
    with termination_as_exit(), memory_errors():
        for test in chosen:
            for cell in arms:
                began(f"{test.config} {cell}", len(compared) + 1, len(chosen) * len(arms))
                try:
                    compared[test.config, cell] = _row(test, cell, found, command, machines, observe)
                except Interrupted as interrupted:
                    interrupted.again = command
                    raise
    result = _gathered(compared, found, profile, command)
    write_bench(result)
    return result


def _row(test: Setup, cell: str, profile: Profile, command: str, machines: Machines, observe: Observer) -> Comparison:
    """Return the comparison of one row, after making its missing runs."""
    loaded = load(test.config, test.overrides)
    arm = f"{cell_name(cell)}: {cell} {' '.join(NEEDS.get(cell, ()))}".strip()
    arms = arms_of([], [arm], least=1)
    name = _name(loaded, cell, arm, profile)
    root = runs_root()
    if (root / name / PLAN).is_file():
        with opened(root / name, seeds=None, device=None, machines=machines, trust=True) as study:
            done = study.complete(machines, observe)
    else:
        plan = make_plan(
            loaded,
            arms,
            parse_grid(profile.tune),
            data=OpenedData(loaded.folder),
            seeds=profile.seeds,
            match="parameters",
            overrides=test.overrides,
            command=command,
        )
        with begun(root, name, [plan], None, (), (), name) as study:
            done = study.complete(machines, observe)
    assert isinstance(done, Comparison)
    return done


def _name(loaded: LoadedConfig, cell: str, arm: str, profile: Profile) -> str:
    """Return the name of a row's folder, with a hash of what its result depends on."""
    settings = loaded.settings.model_copy(
        update={"model": loaded.settings.model.model_copy(update={"cell": cell, "options": {}})}
    )
    basis = {
        "version": VERSION,
        "settings": loaded.settings.model_dump(mode="json"),
        "arm": arm,
        "tune": profile.tune,
        "seeds": profile.seeds,
        "source": source_hash(find_cell(settings, Path.cwd())),
    }
    digest = sha256(json.dumps(basis, sort_keys=True).encode()).hexdigest()[:10]
    return f"bench-{loaded.name}-{cell_name(cell)}-{digest}"


def _gathered(compared: dict[tuple[str, str], Comparison], profile: Profile, name: str, command: str) -> Bench:
    tests: dict[str, BenchTest] = {}
    rows = []
    for (test, cell), comparison in compared.items():
        primary = metric(comparison.primary)
        levels = {
            known: metrics[primary.name]
            for known, metrics in comparison.baselines.items()
            if known != SOLVED and primary.name in metrics
        }
        baseline = min(levels, key=lambda known: -primary.sign * levels[known])  # the weakest
        found = BenchTest(test, primary.name, primary.lower_is_better is True, baseline, levels[baseline])
        tests.setdefault(test, found)
        (arm,) = comparison.arms
        rows.append(
            BenchRow(
                test=test,
                cell=cell,
                values=arm.values,
                skills=tuple(_skill(value, found) for value in arm.values),
                parameters=arm.parameters,
                seconds=arm.seconds,
                rate=arm.rate,
                kernel=arm.kernel,
                by_length=arm.by_length,
                comparison=Path(comparison.path).name,
            )
        )
    skills = {
        cell: {row.test: row.skills for row in rows if row.cell == cell}
        for cell in dict.fromkeys(row.cell for row in rows)
    }
    folder = runs_root() / f"bench-{name}"
    return Bench(
        str(folder), name, command, profile.seeds, profile.tune, tuple(tests.values()), tuple(rows), standings(skills)
    )


def _skill(value: float | None, test: BenchTest) -> float:
    """The share of the way from the baseline to a perfect result: 0 of a loss, 1 of an accuracy. 0 if diverged."""
    if value is None:
        return 0.0
    if test.lower_is_better:
        return 1 - value / test.level
    return (value - test.level) / (1 - test.level)
