"""Graphs of text models: language models, and generation from a label."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lstmctl.api.trained import Trained
from lstmctl.data.splitting import reported_part
from lstmctl.data.vocabulary import TextEncoding
from lstmctl.export.graph import Body, Function, Predictor, Value, Vocabulary
from lstmctl.export.layers import Stack
from lstmctl.export.modules import embedding, linear, numbers
from lstmctl.export.ngrams import NGrams
from lstmctl.export.probes import Call, Described, Probe
from lstmctl.export.tracing import NotExportableError
from lstmctl.models.conditional_model import ConditionalModel
from lstmctl.models.sequence_model import SequenceModel, TiedHead
from lstmctl.scoring import evaluating
from lstmctl.tasks.generation_from_label import GenerationFromLabel
from lstmctl.tasks.language_model import LanguageModel
from lstmctl.tasks.teacher_forcing import teacher_forced

CHECKED_SYMBOLS = 500
"""Symbols of the held-out part that an export is checked on."""
CHECKED_WINDOWS = 20
CHECKED_TEXTS = 30


def vocabulary(encoding: TextEncoding, **edges: int | None) -> Vocabulary:
    """Return the vocabulary of a text.

    Raises:
        NotExportableError: its symbols are the letters of Hangul syllables.
    """
    if encoding.kind == "decomposed":
        raise NotExportableError(
            "a vocabulary of decomposed Hangul syllables cannot be exported",
            hint="train with data.symbols=characters or data.symbols=bytes",
        )
    unknown = encoding.unknown if encoding.has_unknown else None
    names = [] if encoding.kind == "bytes" else [*encoding.symbols, *["\ufffd"] * encoding.has_unknown]
    return Vocabulary(encoding.kind, tuple(names), unknown=unknown, **edges)


def describe_language_model(run: Trained) -> Described:
    """Describe a language model: the scores of the next symbol after every symbol, or after a window of symbols."""
    task, model = run.task, run.model
    assert isinstance(task, LanguageModel)
    assert isinstance(model, SequenceModel)
    functions: dict[str, Function] = {}
    weights: dict[str, NDArray[Any]] = {}
    stack = Stack(model.recurrence, functions, weights)
    ngrams = None if task.ngram is None else NGrams(task.ngram, weights)
    vocabularies = {"symbols": vocabulary(task.encoding, start=task.start)}
    name = "window" if task.many_to_one else "step"
    if task.many_to_one:
        body = Body(name, f"Score the next symbol after the last {task.window} symbols.", weights)
        index = body.input("symbols", (None,), "the last symbols", type="index", vocabulary="symbols")
        outputs, _ = stack.whole(body, embedding(body, model.input_map, index, "symbols"))
        output = stack.summary(body, outputs)
        contexts = None if ngrams is None else ngrams.after_all(body, index, functions)
    else:
        body = Body(name, "Read a symbol and score the next one.", weights)
        index = body.input("symbol", (), "the symbol to read", type="index", vocabulary="symbols")
        states = stack.state_inputs(body)
        output, after = stack.step(body, embedding(body, model.input_map, index, "symbols"), states)
        contexts = None if ngrams is None else ngrams.after(body, ngrams.state_input(body), index)
    scores, meaning = _head(body, model, output), "logits of the next symbol"
    if ngrams is not None and contexts is not None:
        scores, meaning = ngrams.mixed(body, scores, contexts), "ln of the probabilities of the next symbol"
    body.output("scores", scores, meaning, vocabulary="symbols")
    if not task.many_to_one:
        stack.state_outputs(body, after)
        if ngrams is not None and contexts is not None:
            ngrams.state_output(body, contexts)
    functions[name] = body.function()
    facts: dict[str, Any] = {"window": task.window} if task.many_to_one else {}
    if task.ngram is not None:
        own, other = (f"{100 * share:.0f} %" for share in (1 - task.ngram.share, task.ngram.share))
        context = f"with a context of {task.ngram.context} {task.unit}" if task.ngram.context else "without context"
        facts["prediction"] = f"{own} network, {other} n-gram model {context}"
    predictor = Predictor(functions, weights, vocabularies, facts, (name,))
    return Described(predictor, _probe(run, task, model))


def describe_generation(run: Trained) -> Described:
    """Describe a model that writes a text for a label: the scores of the next symbol, given the label."""
    task, model = run.task, run.model
    assert isinstance(task, GenerationFromLabel)
    assert isinstance(model, ConditionalModel)
    functions: dict[str, Function] = {}
    weights: dict[str, NDArray[Any]] = {}
    known = vocabulary(task.symbols, start=model.mark, end=model.mark)
    known = replace(known, entries=(*known.entries, ""), never=known.unknown)
    body = Body("step", "Read a symbol and score the next one of a text for a label.", weights)
    label = body.input("label", (), "the text's label", type="index", vocabulary="labels")
    index = body.input("symbol", (), "the symbol to read", type="index", vocabulary="symbols")
    stack = Stack(model.recurrence, functions, weights)
    states = stack.state_inputs(body)
    inputs = [embedding(body, model.input_map, index, "symbols"), embedding(body, model.label_map, label, "labels")]
    output, after = stack.step(body, body.concat(inputs), states)
    body.output("scores", linear(body, model.head, output, "head", "scores"), "logits of the next symbol", "symbols")
    stack.state_outputs(body, after)
    functions["step"] = body.function()
    vocabularies = {"symbols": known, "labels": Vocabulary("labels", task.encoding.labels)}
    return Described(Predictor(functions, weights, vocabularies, {}, ("step",)), _probe_of_labels(run, task, model))


@torch.no_grad()
def _probe_of_labels(run: Trained, task: GenerationFromLabel, model: ConditionalModel) -> Probe:
    corpus: Any = run.corpus()
    part = task.part(corpus, reported_part(corpus.parts), torch.device("cpu"))
    calls = []
    with evaluating(model):
        for number in np.linspace(0, len(part) - 1, min(CHECKED_TEXTS, len(part))).astype(int).tolist():
            batch = part.batch(torch.tensor([number]))
            assert batch.lengths is not None
            read, _ = teacher_forced(batch.input, batch.lengths, model.mark)
            scores = model(read, batch.target, model.initial_state(1))[0][:, 0].double().numpy()
            label = batch.target[0].numpy()
            for place, (symbol, expected) in enumerate(zip(read[:, 0].numpy(), scores, strict=True)):
                inputs = {"label": np.asarray(label), "symbol": np.asarray(symbol)}
                calls.append(Call("step", inputs, {"scores": expected}, restarts=place == 0))
    return Probe(calls, "logits", len(calls))


def _head(body: Body, model: SequenceModel, output: Value) -> Value:
    if not isinstance(model.head, TiedHead):
        return linear(body, model.head, output, "head", "scores")
    projected = linear(body, model.head.projection, output, "projection")
    table = body.weight("embedding_symbols", numbers(model.input_map.weight))
    return body.linear(projected, table, body.weight("b_head", numbers(model.head.bias)), name="scores")


def _probe(run: Trained, task: LanguageModel, model: SequenceModel) -> Probe:
    corpus: Any = run.corpus()
    part = task.part(corpus, reported_part(corpus.parts), torch.device("cpu"))
    unit = "logits" if task.ngram is None else "nats"
    with torch.no_grad(), evaluating(model):
        if task.many_to_one:
            starts = np.linspace(0, len(part) - task.window, min(CHECKED_WINDOWS, len(part) - task.window + 1))
            windows = [part[int(start) : int(start) + task.window].long() for start in starts]
            scores = [
                model.head(model.features(window.unsqueeze(1), model.initial_state(1))[0][-1])[0] for window in windows
            ]
            calls = [
                Call("window", {"symbols": window.numpy()}, {"scores": _mixed(task, score, window.numpy())})
                for window, score in zip(windows, scores, strict=True)
            ]
            return Probe(calls, unit, task.window * len(windows))
        text = part[:CHECKED_SYMBOLS].long().numpy()
        every, _ = model(torch.from_numpy(text).unsqueeze(1), model.initial_state(1))
    calls = [
        Call("step", {"symbol": np.asarray(symbol)}, {"scores": _mixed(task, scores, text[: place + 1])})
        for place, (symbol, scores) in enumerate(zip(text, every[:, 0], strict=True))
    ]
    return Probe(calls, unit, len(text))


def _mixed(task: LanguageModel, scores: Tensor, read: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the run's scores after the symbols `read`, from the scores of its network."""
    if task.ngram is None:
        return scores.double().numpy()
    counted = task.ngram.model.next_probabilities(read[len(read) - min(len(read), task.ngram.context) :, np.newaxis])
    share = task.ngram.share
    found: NDArray[np.float64] = np.log((1 - share) * scores.double().softmax(-1).numpy() + share * counted[0])
    return found
