"""Find the units in which an LSTM or GRU carries a country through a passage, up to the question for its language
hundreds of characters later.

python benchmarks/recall_gates.py RUN [RUN …] [--passages 10] [--seed 2]

Passages are taken from a fresh text of the bundled grammar: a country, at least 300 characters with other countries in
between, and a question, after 1,000 characters of other paragraphs. Each is read 28 times, once with every country in
the first one's place, so any difference between the readings at the question is the network's memory of the country.
For each run, it prints

- of the units that differ most between countries half-way (the carriers) and of all others: the gate that retains
  (LSTM: forget gate, GRU: update gate), as the share of a state that is left by all steps between country and question
  (the product of the gate; median over units and readings), and its 5 % quantile over steps;
- how far the carriers' states just after the country determine those at the question: their correlation over countries;
- an intervention: half-way through, the carriers' states are replaced by their states from another country's reading.
  If they carry the country, the answer becomes the other country's language.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from lstmctl import Run, bundled, load_run
from lstmctl.models.sequence_model import SequenceModel
from lstmctl.protocols import ModelState
from lstmctl.reporting.blocks import Table
from lstmctl.reporting.terminal import show
from lstmctl.tasks.language_model import LanguageModel

NEAREST = 300
CARRIERS = 32
EXCHANGED = (8, 16, 32, 64, 128)
SETTLED = 12
"""Characters after the country at which its first traces are taken."""


@dataclass(frozen=True)
class Passage:
    """A paragraph up to its question, with the text before it."""

    before: str
    between: str
    """From the end of the country to the answer."""


@dataclass(frozen=True)
class Reading:
    """Results of 28 readings of one passage, with a lane per country."""

    keeps: Tensor
    """(time, countries, units) the gate that retains."""
    states: Tensor
    """(time, countries, units) the state that it retains."""
    middle: ModelState
    after: ModelState
    logits: Tensor
    """(countries, symbols) at the question."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", metavar="RUN")
    parser.add_argument("--passages", type=int, default=10)
    parser.add_argument("--seed", type=int, default=2)
    chosen = parser.parse_args()
    passages, languages = fresh_passages(chosen.passages, chosen.seed)
    torch.set_grad_enabled(False)
    for name in chosen.runs:
        show(look(load_run(name), passages, languages), stream=sys.stdout)


def fresh_passages(count: int, seed: int, context: int = 1000) -> tuple[list[Passage], dict[str, str]]:
    """Passages that name their country once, far from the question; and the language of every country."""
    with tempfile.TemporaryDirectory() as folder:
        generator = [sys.executable, str(bundled.data() / "make_travellers.py"), "--to", folder, "--seed", str(seed)]
        subprocess.run([*generator, "--size", "600000"], check=True)
        text = Path(folder, "travellers.txt").read_text("ascii")
        with Path(folder, "travellers-dependencies.csv").open(encoding="ascii", newline="") as file:
            rows = [row for row in csv.DictReader(file) if row["kind"] == "language"]
    languages = {text[int(row["cue_start"]) : int(row["cue_end"])]: row["answer"] for row in rows}
    passages = []
    for row in rows:
        start, stop, answer = (int(row[key]) for key in ("cue_start", "cue_end", "answer_start"))
        paragraph = text.rfind("\n\n", 0, start) + 2
        is_only_reminder = row["reminder_end"] == row["cue_end"]
        if answer - stop >= NEAREST and is_only_reminder and text[start:stop] not in text[stop:answer]:
            passages.append(Passage(text[max(0, paragraph - context) : start], text[stop:answer]))
    return passages[:count], languages


def look(run: Run, passages: list[Passage], languages: dict[str, str]) -> list[Table]:
    """The tables of one run."""
    task, model = run.task, run.model
    assert isinstance(task, LanguageModel)
    assert isinstance(model, SequenceModel)
    countries = sorted(languages)
    answers = [languages[country] for country in countries]
    read = [reading(task, model, passage, countries) for passage in passages]
    # Over all passages, the units whose state half-way differs most between countries.
    spread = torch.stack([one.states[len(one.states) // 2].std(0) for one in read]).mean(0)
    ranked = spread.argsort(descending=True)
    carriers, others = ranked[:CARRIERS], ranked[CARRIERS:]
    right = torch.stack([best(task, model, one.logits, one.after, answers) for one in read])
    itself = torch.arange(len(countries))
    rows = []
    for name, units in (("carriers", carriers), ("others", others)):
        left = torch.cat([one.keeps[:, :, units].double().log().sum(0).exp().flatten() for one in read]).median()
        lowest = torch.stack([one.keeps[:, :, units].quantile(0.05) for one in read]).mean()
        held = torch.stack([correlation(one.states[SETTLED, :, units], one.states[-1][:, units]) for one in read])
        rows.append((name, str(len(units)), f"{100 * left:.1f} %", f"{lowest:.3f}", f"{held.mean():+.2f}"))
    cell = type(model.recurrence.layers()[0].cells[0])
    found = [
        Table(
            "carriers",
            f"{run.name}: {len(passages)} passages × {len(countries)} countries, "
            f"{100 * (right == itself).double().mean():.1f} % right; carriers {carriers[:8].tolist()} …",
            (
                "units",
                "number",
                f"left by {cell.keeps}",
                f"5 % quantile of {cell.keeps}",
                "r, first and last",
            ),
            tuple(rows),
        )
    ]
    exchanged = []
    for count in (*EXCHANGED, len(ranked)):
        outcomes = torch.stack(
            [
                exchange(task, model, passage, one, ranked[:count], answers)
                for passage, one in zip(passages, read, strict=True)
            ]
        )
        other = (itself + 1) % len(countries)
        shares = [(outcomes == wanted).double().mean() for wanted in (itself, other)]
        exchanged.append((str(count), *(f"{100 * share:.1f} %" for share in shares)))
    found.append(Table("exchange", "", ("units exchanged", "own language", "other's language"), tuple(exchanged)))
    return found


def reading(task: LanguageModel, model: SequenceModel, passage: Passage, countries: list[str]) -> Reading:
    """Read a passage once with each country in it."""
    _, state = model(numbers(task, passage.before).unsqueeze(1), model.initial_state(1))
    lanes = [model(numbers(task, country).unsqueeze(1), state)[1] for country in countries]
    state = tuple(tuple(torch.cat(parts) for parts in zip(*layers, strict=True)) for layers in zip(*lanes, strict=True))
    middle, keeps, states, logits = state, [], [], torch.empty(0)
    between = numbers(task, passage.between)
    for place, symbol in enumerate(between):
        if place == len(between) // 2:
            middle = state
        step = model.step(symbol.repeat(len(countries)), state)
        state, logits = step.state, step.output
        keeps.append(step.gates[0][model.recurrence.layers()[0].cells[0].keeps or ""])
        states.append(state[0][-1])
    return Reading(torch.stack(keeps), torch.stack(states), middle, state, logits)


def exchange(
    task: LanguageModel, model: SequenceModel, passage: Passage, read: Reading, units: Tensor, answers: list[str]
) -> Tensor:
    """Answers (countries,) where the retained state of `units` is the next country's from half-way on."""
    *rest, kept = read.middle[0]
    kept = kept.clone()
    kept[:, units] = kept.roll(-1, 0)[:, units]
    between = numbers(task, passage.between)
    remaining = between[len(between) // 2 :].unsqueeze(1).repeat(1, len(answers))
    logits, state = model(remaining, ((*rest, kept),))
    return best(task, model, logits[-1], state, answers)


def best(task: LanguageModel, model: SequenceModel, logits: Tensor, state: ModelState, answers: list[str]) -> Tensor:
    """The most probable of `answers` in each lane, by the probability of the whole word."""
    scores = []
    for answer in answers:
        word = numbers(task, answer)
        following, _ = model(word.unsqueeze(1).repeat(1, len(logits)), state)
        score = logits.log_softmax(-1)[:, word[0]]
        for place, symbol in enumerate(word[1:]):
            score = score + following[place].log_softmax(-1)[:, symbol]
        scores.append(score)
    return torch.stack(scores, dim=1).argmax(1)


def correlation(one: Tensor, other: Tensor) -> Tensor:
    """Mean over units of the correlation over countries, (countries, units)."""
    one, other = one - one.mean(0), other - other.mean(0)
    return ((one * other).sum(0) / (one.norm(dim=0) * other.norm(dim=0)).clamp_min(1e-9)).mean()


def numbers(task: LanguageModel, text: str) -> Tensor:
    return torch.from_numpy(task.encoding.encode(text).copy()).long()


if __name__ == "__main__":
    main()
