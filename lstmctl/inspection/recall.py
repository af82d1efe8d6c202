"""Recall of earlier information in a text, by the distance over which it has to be remembered."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor

from lstmctl.api import Run
from lstmctl.data.dependencies import Dependency, dependencies_beside, read_dependencies
from lstmctl.data.splitting import reported_part
from lstmctl.data.text import TextCorpus
from lstmctl.errors import DataError, UsageError
from lstmctl.inspection.passages import about
from lstmctl.models.sequence_model import SequenceModel
from lstmctl.progress import counted, report
from lstmctl.protocols import ModelState
from lstmctl.results.inspection import RecallBin, RecallFindings
from lstmctl.tasks.language_model import LanguageModel

EDGES = (0, 10, 30, 60, 160, 300, 1000, 10_000, 10**12)
"""Bin edges of the distances, in symbols."""
READING = "measuring the recall"
QUESTIONS = 16
"""Number of questions answered in parallel, each with all its candidates."""


@torch.no_grad()
def inspect_recall(
    run: Run,
    *,
    file: str | Path | None = None,
    split: str | None = None,
    kind: str | None = None,
    edges: Sequence[int] = EDGES,
) -> RecallFindings:
    """Ask a run for the answer wherever a text repeats an earlier piece of information.

    The run reads the text as one stream from a zero state. At each question it chooses among all answers that occur in
    the training part (or in the file) by the probability of the whole word, p(w₁) p(w₂ | w₁) …, normalised to sum to 1
    over the candidates. Only questions whose first mention is in the text that is read are asked.

    Args:
        file: a text to read, with its table of dependencies in the same folder; by default the run's own data.
        split: the part of the run's data; by default the test part, or the validation part if there is none.
        kind: kind of dependency; by default the most frequent in the table.
        edges: bin edges of the distances, in symbols, increasing.

    Raises:
        UsageError: the text has no table of dependencies, the run does not read text as a stream, or the part does not
            exist.
        DataError: the data is missing or has changed, the table does not fit it, or the part contains no questions.
    """
    task, model = run.task, run.model
    if not isinstance(task, LanguageModel) or not isinstance(model, SequenceModel):
        raise UsageError(
            f"{run.name} does not read text: its task is {run.settings.task.type}",
            hint="lstmctl inspect gradients shows for any run how far back it can learn",
        )
    if task.many_to_one:
        raise UsageError(
            f"{run.name} reads separate windows of {task.window} {task.unit}, so it cannot recall anything before them"
        )
    if file is not None and split is not None:
        raise UsageError(f"--split selects a part of the run's own data; {file} is always read whole")
    corpus = run.corpus() if file is None else task.read([str(file)])
    assert isinstance(corpus, TextCorpus)
    path = dependencies_beside(corpus)
    if path is None:
        raise UsageError(
            f"recall cannot be measured on {', '.join(corpus.names)}: the text has no table of dependencies",
            hint="the bundled travellers text has one; docs/inspecting.md describes the table for your own text; "
            "lstmctl inspect gradients needs none",
        )
    part = split or reported_part(corpus.parts)
    if part not in corpus.parts:
        raise UsageError(f"{run.name} has no {part} part; it has {', '.join(corpus.parts)}")
    called = str(file) if file is not None else f"the {part} part"
    known = read_dependencies(path, corpus, kind)
    _, learnt = corpus.parts["training" if file is None else part]
    training = Counter(one.answer for one in known if one.stop <= learnt)
    begin, end = corpus.parts[part]
    asked = [one for one in known if begin <= one.first and begin < one.start and one.stop <= end]
    asked = sorted((one for one in asked if one.answer in training), key=lambda one: one.start)
    if not asked:
        raise DataError(
            f"{called} has no questions about information that it contains",
            hint="choose another part with --split, or enlarge it in data.split" if file is None else None,
        )
    candidates = tuple(sorted(training))
    probabilities = recalled(task, model, corpus, begin, asked, candidates)
    frequent = training.most_common(1)[0][0]
    bins = [
        summed_up(nearest, farthest, asked, probabilities, candidates, frequent)
        for nearest, farthest in pairwise(edges)
        if any(nearest <= one.distance < farthest for one in asked)
    ]
    bins.append(summed_up(edges[0], edges[-1], asked, probabilities, candidates, frequent))
    return RecallFindings(about(run, called), asked[0].kind, candidates, tuple(bins))


def recalled(
    task: LanguageModel,
    model: SequenceModel,
    corpus: TextCorpus,
    begin: int,
    asked: Sequence[Dependency],
    candidates: Sequence[str],
) -> Tensor:
    """Compute the probability of each candidate at each question, (asked, candidates); each row sums to 1.

    Args:
        begin: start of the stream, in symbols of the corpus.
        asked: questions in order of position, all after `begin`.
    """
    device = model.input_map.weight.device
    symbols = torch.from_numpy(corpus.symbols[begin : asked[-1].stop].copy()).long().to(device)
    words = [torch.from_numpy(task.encoding.encode(word).copy()).long().to(device) for word in candidates]
    state, position = model.initial_state(1), 0
    before: list[tuple[Tensor, ModelState]] = []
    for one in counted(asked, 2 * len(asked), READING):
        logits, state = model(symbols[position : one.start - begin, None], state)
        position = one.start - begin
        before.append((logits[-1, 0].log_softmax(-1), state))
    found = []
    for start in range(0, len(before), QUESTIONS):
        report(READING, 0.5 + 0.5 * start / len(before))
        found.append(_of_words(model, words, before[start : start + QUESTIONS]))
    return torch.cat(found).double().softmax(-1)


def _of_words(model: SequenceModel, words: Sequence[Tensor], before: Sequence[tuple[Tensor, ModelState]]) -> Tensor:
    """Compute ln p of each whole word, (questions, words), given the scores and states before it."""
    padded = torch.nn.utils.rnn.pad_sequence(list(words))
    first = torch.stack([scores for scores, _ in before])[:, padded[0]]
    copies = tuple(
        tuple(torch.cat(parts).repeat_interleave(len(words), dim=0) for parts in zip(*layers, strict=True))
        for layers in zip(*(state for _, state in before), strict=True)
    )
    logits, _ = model(padded.repeat(1, len(before)), copies)
    following = logits.log_softmax(-1)[:-1].gather(-1, padded[1:].repeat(1, len(before)).unsqueeze(-1)).squeeze(-1)
    lengths = torch.tensor([len(word) for word in words], device=padded.device)
    inside = torch.arange(1, len(padded), device=padded.device).unsqueeze(1) < lengths
    scores: Tensor = first + (following * inside.repeat(1, len(before))).sum(0).view(len(before), len(words))
    return scores


def summed_up(
    nearest: int,
    beyond: int,
    asked: Sequence[Dependency],
    probabilities: Tensor,
    candidates: Sequence[str],
    frequent: str,
) -> RecallBin:
    """Summarise the answers with a distance in [nearest, beyond)."""
    rows = [row for row, one in enumerate(asked) if nearest <= one.distance < beyond]
    members = [asked[row] for row in rows]
    places = torch.tensor([candidates.index(one.answer) for one in members], device=probabilities.device)
    of_these = probabilities[rows]
    right = int((of_these.argmax(-1) == places).sum())
    low, high = wilson(right, len(rows))
    named = [one.last_named == one.answer for one in members if one.last_named is not None]
    distances = [one.distance for one in members]
    return RecallBin(
        nearest=min(distances),
        farthest=max(distances),
        answers=len(rows),
        right=right / len(rows),
        low=low,
        high=high,
        probability=float(of_these.gather(1, places.unsqueeze(1)).mean()),
        last_named=sum(named) / len(named) if named else None,
        most_frequent=sum(one.answer == frequent for one in members) / len(rows),
    )


def wilson(right: int, of: int, z: float = 1.959964) -> tuple[float, float]:
    """Compute the ends of a proportion's confidence interval, 95 % by default (E. B. Wilson 1927, Probable inference,
    the law of succession, and statistical inference)."""
    share, scale = right / of, 1 + z**2 / of
    centre, reach = share + z**2 / (2 * of), z * math.sqrt(share * (1 - share) / of + z**2 / (4 * of**2))
    # At 0 and 1 an end is exactly the share, which rounding may miss from the wrong side.
    low = 0.0 if right == 0 else (centre - reach) / scale
    return low, 1.0 if right == of else (centre + reach) / scale
