"""Tests of long memory: which cells solve them, after how many sequences and seconds.

python benchmarks/long_memory.py [--problems adding temporal-order …] [--cells rnn lstm gru] [--seeds 3]
                                 [--lengths 50 100 200 400 1000 2000] [--every 50] [--threads 1] [--to-the-end]
                                 [KEY=VALUE …]

Every run is `lstmctl train PROBLEM` with the bundled config of that name, but nothing is kept. The gated cells start
with a memory in proportion to the length if the config sets one. The validation part is scored every `--every` steps,
and a run ends at the first score beyond the solved level, or with its budget. The final metric is computed on the test
part with the weights at that point. Seconds cover training only; processor seconds include scoring, and do not depend
on other programs.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from dataclasses import dataclass
from importlib.metadata import version

from lstmctl.api.assembly import find_cell
from lstmctl.api.preparation import assemble
from lstmctl.config import load
from lstmctl.config.schema import SyntheticData
from lstmctl.data.synthetic import SyntheticCorpus
from lstmctl.events import Evaluated

LENGTHS = {
    "adding": (200, 1000),
    "multiplication": (100,),
    "temporal-order": (100,),
    "temporal-order-4": (100,),
    "first-symbol": (100,),
    "copy": (50,),
    "reber": (1, 50),
}
PAPER = {
    ("adding", 100): 74_000,
    ("adding", 500): 209_000,
    ("adding", 1000): 853_000,
    ("multiplication", 100): 482_000,
    ("temporal-order", 100): 571_100,
    ("first-symbol", 100): 58_370,
    ("first-symbol", 1000): 446_850,
    ("reber", 1): 8_440,
}
"""Training sequences until success of the LSTM of Hochreiter & Schmidhuber 1997 (tables 1, 4 and 7 to 9): means of 10
to 30 trials, one sequence per step, each with its own criterion and small differences in the problem. Their
first-symbol has noise of variance 0.2, and at 1,000 steps three first symbols; multiplication requires at most 140 of
2,000 sequences to be off by more than 0.04; reber is the best of five settings."""


@dataclass(frozen=True)
class Outcome:
    """Outcome of a run."""

    final: float
    solved: bool
    sequences: int
    """Trained on; until solved, where it was."""
    seconds: float
    processor: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", nargs="+", default=list(LENGTHS), choices=list(LENGTHS))
    parser.add_argument("--lengths", nargs="+", type=int, help="of every problem; by default each has its own")
    parser.add_argument("--cells", nargs="+", default=["rnn", "lstm", "gru"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--every", type=int, default=50, help="steps between scores")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--to-the-end", action="store_true", help="train the whole budget, solved or not")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE")
    chosen = parser.parse_args()
    print(f"Python {platform.python_version()}, torch {version('torch')}, {chosen.threads} threads\n")
    print(
        "| problem | length | cell | metric | chance | each seed, at the end | solved | sequences until solved | ",
        end="",
    )
    print("seconds | on the processor | sequences, 1997 |")
    print("| --- " * 11 + "|", flush=True)
    for problem in chosen.problems:
        for length in chosen.lengths or LENGTHS[problem]:
            for cell in chosen.cells:
                overrides = [f"model.cell={cell}", f"data.length={length}", f"threads={chosen.threads}"]
                overrides += [f"training.evaluate_every={chosen.every}", *options(problem, cell, length)]
                outcomes = [
                    trained(problem, [*overrides, *chosen.overrides, f"seed={seed}"], stop=not chosen.to_the_end)
                    for seed in range(chosen.first_seed, chosen.first_seed + chosen.seeds)
                ]
                print(row(problem, length, cell, outcomes), flush=True)


def options(problem: str, cell: str, length: int) -> list[str]:
    """The config's longest memory in proportion to the length, where it names one and the cell has such an option."""
    settings = load(problem).settings
    longest = settings.model.options.get("longest_memory")
    if longest is None or cell not in ("lstm", "gru"):
        return []
    assert isinstance(settings.data, SyntheticData)
    return [f"model.options={{longest_memory: {max(3, longest * length // settings.data.length)}}}"]


def trained(problem: str, overrides: list[str], *, stop: bool) -> Outcome:
    """One run of a bundled config, to the first score that is solved (or, without `stop`, to its end)."""
    loaded = load(problem, overrides)
    assembled = assemble(loaded.settings, None, find_cell(loaded.settings, None))
    corpus, trainer, task = assembled.corpus, assembled.trainer, assembled.task
    assert isinstance(corpus, SyntheticCorpus)
    level, solved = corpus.level, False
    sequences, seconds, processor = 0, 0.0, 0.0
    began = time.process_time()
    for event in trainer.events():
        if isinstance(event, Evaluated) and not solved:
            solved = level.is_solved(event.metrics[level.metric.name])
            sequences, seconds = event.step * trainer.batches.units_per_step, trainer.progress.seconds
            processor = time.process_time() - began
            if solved and stop:
                break
    score = task.evaluate(assembled.model, task.part(corpus, "test", trainer.device))
    return Outcome(score.metrics[level.metric.name], solved, sequences, seconds, processor)


def row(problem: str, length: int, cell: str, outcomes: list[Outcome]) -> str:
    """One row of the table; sequences and seconds are medians over the runs that solved it."""
    solved = [outcome for outcome in outcomes if outcome.solved] or outcomes
    least = "" if any(outcome.solved for outcome in outcomes) else "> "
    sequences, seconds, processor = (
        f"{least}{statistics.median(getattr(outcome, name) for outcome in solved):,.0f}"
        for name in ("sequences", "seconds", "processor")
    )
    level = SyntheticCorpus(problem, length, 1).level
    finals = ", ".join(f"{outcome.final:.4f}" for outcome in outcomes)
    count = f"{sum(outcome.solved for outcome in outcomes)} of {len(outcomes)}"
    paper = f"{PAPER[problem, length]:,}" if (problem, length) in PAPER else "–"
    cells = [problem, f"{length:,}", cell, level.metric.name, f"{level.chance:.4f}", finals, count]
    return f"| {' | '.join([*cells, sequences, seconds, processor, paper])} |"


if __name__ == "__main__":
    main()
