"""Recall, against probabilities taken one symbol after the other, and against answers counted by hand."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import torch

from lstmctl import Run, train
from lstmctl.data.dependencies import Dependency
from lstmctl.data.text import TextCorpus
from lstmctl.errors import DataError, UsageError
from lstmctl.inspection import inspect_recall
from lstmctl.inspection.recall import recalled, summed_up, wilson
from lstmctl.models.sequence_model import SequenceModel
from lstmctl.tasks.language_model import LanguageModel
from tests.conftest import sentences
from tests.inspection.conftest import CONFIG, Runs

HEADER = "kind,cue_start,cue_end,answer_start,answer_end,answer,last_named,reminder_end\n"


def told(text: str) -> str:
    """A row for each name that was said at least one sentence before: `Ann`, `Bob` or `Cyr`."""
    rows, last = [], dict[str, int]()
    position, before = 0, ""
    for line in text.splitlines(keepends=True):
        name = line[:3]
        if name in last:
            rows.append(
                f"name,{last[name]},{last[name] + 3},{position},{position + 3},{name},{before},{last[name] + 3}"
            )
        last[name], before = position, name
        position += len(line)
    return HEADER + "\n".join(rows) + "\n"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A small run of a text with known dependencies."""
    folder = tmp_path_factory.mktemp("recalled")
    text = sentences(450)
    (folder / "small.txt").write_text(text, encoding="utf-8")
    (folder / "small-dependencies.csv").write_text(told(text), encoding="utf-8")
    (folder / "small.yaml").write_text(CONFIG.format(cell="lstm", shape="many-to-many"), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LSTMCTL_RUNS", str(folder / "runs"))
        return train(folder / "small.yaml")


@torch.no_grad()
def test_probabilities_are_those_of_reading_symbol_by_symbol(run: Run) -> None:
    task, model, corpus = run.task, run.model, run.corpus()
    assert isinstance(task, LanguageModel)
    assert isinstance(model, SequenceModel)
    assert isinstance(corpus, TextCorpus)
    begin, candidates = 40, ["Ann", "Cyr", "two birds", "t"]
    asked = [Dependency("any", 0, 0, start, start + 3, "", None) for start in (47, 90, 91, 150)]
    found = recalled(task, model, corpus, begin, asked, candidates)
    for row, one in enumerate(asked):
        likelihoods = []
        for candidate in candidates:
            state, total = model.initial_state(1), 0.0
            symbols = [*corpus.symbols[begin : one.start].tolist(), *task.encoding.encode(candidate).tolist()]
            for place, symbol in enumerate(symbols[:-1]):
                step = model.step(torch.tensor([symbol]), state)
                state = step.state
                if place + 1 >= one.start - begin:
                    total += float(step.output[0].log_softmax(-1)[symbols[place + 1]])
            likelihoods.append(total)
        expected = torch.tensor(likelihoods).double().softmax(-1)
        torch.testing.assert_close(found[row], expected, rtol=1e-4, atol=1e-6)


def test_a_run_is_asked_for_what_its_held_out_part_recalls(run: Run) -> None:
    found = inspect_recall(run)
    assert (found.kind, found.candidates, found.about.source) == ("name", ("Ann", "Bob", "Cyr"), "the test part")
    assert found.chance == pytest.approx(1 / 3)
    *bins, everything = found.bins
    assert everything.answers == sum(one.answers for one in bins) > 20
    assert everything.right == pytest.approx(sum(one.right * one.answers for one in bins) / everything.answers)
    assert all(one.low <= one.right <= one.high for one in bins)
    assert all(before.farthest < after.nearest for before, after in pairwise(bins))
    begin, end = run.corpus().parts["test"]
    rows = [line.split(",") for line in told(sentences(450)).splitlines()[1:]]
    asked = [row for row in rows if int(row[1]) >= begin and int(row[4]) <= end]
    assert everything.answers == len(asked)
    assert everything.last_named == pytest.approx(sum(row[5] == row[6] for row in asked) / len(asked))
    names = [row[5] for row in rows if int(row[4]) <= run.corpus().parts["training"][1]]
    frequent = max(("Ann", "Bob", "Cyr"), key=names.count)
    assert everything.most_frequent == pytest.approx(sum(row[5] == frequent for row in asked) / len(asked))
    assert inspect_recall(run, split="validation").about.source == "the validation part"


def test_answers_of_a_distance_are_summed_up() -> None:
    asked = [
        Dependency("x", 0, 10, start, start + 1, answer, named)
        for start, answer, named in ((20, "a", "a"), (25, "b", "a"), (29, "b", None), (40, "a", "a"))
    ]
    probabilities = torch.tensor([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [1.0, 0.0]]).double()
    found = summed_up(10, 30, asked, probabilities, ["a", "b"], "b")
    assert (found.nearest, found.farthest, found.answers) == (10, 19, 3)
    assert found.right == pytest.approx(2 / 3)
    assert found.probability == pytest.approx((0.9 + 0.8 + 0.4) / 3)
    assert (found.last_named, found.most_frequent) == (0.5, pytest.approx(2 / 3))


def test_wilsons_interval() -> None:
    assert wilson(8, 10) == pytest.approx((0.4901625, 0.9433178), abs=1e-6)
    assert wilson(0, 10) == pytest.approx((0.0, 0.2775328), abs=1e-6)
    assert wilson(10, 10) == pytest.approx((0.7224672, 1.0), abs=1e-6)


def test_wilsons_interval_contains_the_share() -> None:
    for of in range(1, 200):
        for right in (0, 1, of // 2, of):
            low, high = wilson(right, of)
            assert 0 <= low <= right / of <= high <= 1


def test_what_nobody_knows_is_said_plainly(run: Run, runs: Runs, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the text has no table of dependencies") as caught:
        inspect_recall(runs("lstm"))
    assert "docs/inspecting.md" in str(caught.value.hint)
    with pytest.raises(UsageError, match="separate windows of 16 characters"):
        inspect_recall(runs("lstm", "many-to-one"))
    with pytest.raises(UsageError, match="no best part"):
        inspect_recall(run, split="best")
    with pytest.raises(DataError, match="no dependencies of kind language; it has name"):
        inspect_recall(run, kind="language")
