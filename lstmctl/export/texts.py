"""Graphs of text models: language models, and generation from a label."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lstmctl.api.trained import Trained
from lstmctl.data.splitting import reported_part
from lstmctl.data.vocabulary import TextEncoding
from lstmctl.export.graph import Body, Function, Predictor, Value, Vocabulary
from lstmctl.export.layers import Stack, embedding, linear, numbers
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
        NotExportableError: it is of letters of Hangul syllables.
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
    if task.ngram is not None:
        raise NotExportableError(
            f"{run.name} mixes an n-gram model into its predictions, which exports do not have",
            hint="train with model.ngram=0",
        )
    functions: dict[str, Function] = {}
    weights: dict[str, NDArray[Any]] = {}
    stack = Stack(model.recurrence, functions, weights)
    vocabularies = {"symbols": vocabulary(task.encoding, start=task.start)}
    name = "window" if task.many_to_one else "step"
    if task.many_to_one:
        body = Body(name, f"Score the next symbol after the last {task.window} symbols.", weights)
        index = body.input("symbols", (None,), "the last symbols", type="index", vocabulary="symbols")
        outputs, _ = stack.whole(body, embedding(body, model.input_map, index, "symbols"))
        output = stack.summary(body, outputs)
    else:
        body = Body(name, "Read a symbol and score the next one.", weights)
        index = body.input("symbol", (), "the symbol to read", type="index", vocabulary="symbols")
        states = stack.state_inputs(body)
        output, after = stack.step(body, embedding(body, model.input_map, index, "symbols"), states)
    body.output("scores", _head(body, model, output), "logits of the next symbol", vocabulary="symbols")
    if not task.many_to_one:
        stack.state_outputs(body, after)
    functions[name] = body.function()
    facts = {"window": task.window} if task.many_to_one else {}
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
    with torch.no_grad(), evaluating(model):
        if task.many_to_one:
            starts = np.linspace(0, len(part) - task.window, min(CHECKED_WINDOWS, len(part) - task.window + 1))
            windows = [part[int(start) : int(start) + task.window].long() for start in starts]
            scores = [
                model.head(model.features(window.unsqueeze(1), model.initial_state(1))[0][-1])[0] for window in windows
            ]
            calls = [
                Call("window", {"symbols": window.numpy()}, {"scores": score.double().numpy()})
                for window, score in zip(windows, scores, strict=True)
            ]
            return Probe(calls, "logits", task.window * len(windows))
        text = part[:CHECKED_SYMBOLS].long()
        every, _ = model(text.unsqueeze(1), model.initial_state(1))
    read = zip(text.numpy(), every[:, 0].double().numpy(), strict=True)
    calls = [Call("step", {"symbol": np.asarray(symbol)}, {"scores": scores}) for symbol, scores in read]
    return Probe(calls, "logits", len(text))
