"""Speed of every cell in training and in generation, against the LSTM in turns in the same run.

python benchmarks/cells.py [--cells lstm gru …] [--hidden 256] [--rounds 5] [--threads 1] [--precision auto]

A language model of one layer on the bundled text, with the parameters of an LSTM of `--hidden` units. Training is the
loop as `lstmctl train` runs it, over batches of 32 windows of 64 characters; generation writes one text. Ratios are the
LSTM's time over the cell's in the same round: above 1, the cell is faster.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import tempfile
from collections.abc import Callable
from importlib.metadata import version

from speed import in_turns, loop, ratios

from lstmctl import Sampling, bundled, train
from lstmctl.api.assembly import find_cell
from lstmctl.api.preparation import Assembled, assemble
from lstmctl.comparison.bench import EVERY, NEEDS
from lstmctl.comparison.matching import with_parameters
from lstmctl.config import from_mapping
from lstmctl.models.sequence_model import count_parameters

BATCH, WINDOW, STEPS, LENGTH = 32, 64, 4, 300


class Contender:
    """The network of a cell: `learn` makes some steps, `write` generates a text."""

    def __init__(self, cell: str, given: argparse.Namespace, standard: Contender | None = None) -> None:
        needs = dict(word.split("=", 1) for word in NEEDS.get(cell, ()))
        settings = from_mapping(
            {
                "task": {"type": "language-model"},
                "data": {"text": str(bundled.data() / "travellers.txt"), "split": [0.8, 0.2]},
                "model": {
                    "cell": cell,
                    "hidden": given.hidden,
                    "embedding": 64,
                    "layer_norm": "model.layer_norm" in needs,
                },
                "training": {
                    "budget": "1 steps",
                    "batch": BATCH,
                    "window": WINDOW,
                    "evaluate_every": 10**6,
                    "learning_rate": 1e-5,
                    "precision": given.precision,
                },
                "threads": given.threads,
            }
        )
        found = find_cell(settings, None)
        if standard is not None:
            settings = with_parameters(settings, standard.assembled.task, found, standard.parameters)
        self.run = train(settings.model_dump(mode="json"))
        self.assembled: Assembled = assemble(settings, None, found, steps=10**6)
        self.parameters = count_parameters(self.assembled.model)
        self.learn: Callable[[], None] = loop(self.assembled.trainer, STEPS)

    def write(self) -> None:
        self.run.generate(length=LENGTH, sampling=Sampling(temperature=0.8), seed=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", nargs="+", default=EVERY)
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--precision", default="auto")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["LSTMCTL_RUNS"] = folder
        lstm = Contender("lstm", given)
        print(
            f"torch {version('torch')}, Python {platform.python_version()}, {given.threads} thread(s), "
            f"{lstm.assembled.choices.precision}; medians of {given.rounds} rounds, ratios with least and most\n\n"
            "| cell | units | parameters | characters/s trained | of the LSTM | characters/s written | of the LSTM |\n"
            "| --- | --- | --- | --- | --- | --- | --- |"
        )
        for cell in given.cells:
            other = Contender(cell, given, lstm)
            values = [f"`{cell}`", f"{other.assembled.settings.model.hidden}", f"{other.parameters:,}"]
            for own, theirs, count in (
                (lstm.learn, other.learn, STEPS * BATCH * WINDOW),
                (lstm.write, other.write, LENGTH),
            ):
                base, seconds = in_turns([own, theirs], given.rounds)
                found = ratios(base, seconds)
                values.append(f"{count / statistics.median(seconds):,.0f}")
                values.append(f"{statistics.median(found):.2f} ({min(found):.2f} to {max(found):.2f})")
            print(f"| {' | '.join(values)} |", flush=True)


if __name__ == "__main__":
    main()
