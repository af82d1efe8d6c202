"""Measure how closely `--match parameters` reaches its target: 12 combinations of cell, layers, embedding and tying.

    python benchmarks/parameter_matching.py

The target of each row is the number of parameters of an LSTM of 256 units with the row's layers, embedding and tying
(for the LSTM itself: a number that no width gives exactly). Prints the chosen width and its deviation.
"""

from __future__ import annotations

from lstmctl.cells.cell import Cell
from lstmctl.comparison.matching import parameters_of, with_parameters
from lstmctl.config import derive, load
from lstmctl.data.vocabulary import TextEncoding
from lstmctl.registry import CELLS, resolve
from lstmctl.tasks.language_model import LanguageModel

COMBINATIONS = [
    (cell, layers, embedding, tied)
    for cell in ("rnn", "lstm", "gru")
    for layers, embedding, tied in ((1, 64, False), (2, 128, True), (3, 32, False), (1, 256, True))
]
SYMBOLS = "".join(map(chr, range(32, 97)))
ROUND = 1_000_000
"""The target of the LSTM's own rows."""


def main() -> None:
    print("| cell | layers | embedding | tied | target | width | parameters | deviation |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    worst = 0.0
    for cell, layers, embedding, tied in COMBINATIONS:
        overrides = [
            f"model.layers={layers}",
            f"model.embedding={embedding}",
            f"model.tie_embedding={str(tied).lower()}",
        ]
        reference = derive(load("travellers").settings, ["model.cell=lstm", "model.hidden=256", *overrides])
        task = LanguageModel(reference.task, TextEncoding.of(SYMBOLS), reference.training.window)
        target = ROUND if cell == "lstm" else parameters_of(reference, task, resolve("lstm", CELLS, Cell))
        settings = derive(reference, [f"model.cell={cell}"])
        found = resolve(cell, CELLS, Cell)
        matched = with_parameters(settings, task, found, target)
        parameters = parameters_of(matched, task, found)
        deviation = parameters / target - 1
        worst = max(worst, abs(deviation))
        network = [cell, str(layers), str(embedding), "yes" if tied else "no"]
        row = [*network, f"{target:,}", str(matched.model.hidden), f"{parameters:,}", f"{deviation:+.2%}"]
        print("| " + " | ".join(row) + " |")
    print(f"\nlargest deviation {worst:.2%} over {len(COMBINATIONS)} combinations")


if __name__ == "__main__":
    main()
