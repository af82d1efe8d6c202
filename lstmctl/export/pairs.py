"""Graphs of models that turn one text into another: an encoder, and a decoder that starts from what it returns."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lstmctl.api.trained import Trained
from lstmctl.data.splitting import reported_part
from lstmctl.export.graph import Body, Function, Predictor, Value
from lstmctl.export.layers import Stack
from lstmctl.export.modules import embedding, linear
from lstmctl.export.probes import Call, Described, Probe
from lstmctl.export.texts import vocabulary
from lstmctl.models.encoder_decoder import EncoderDecoder
from lstmctl.scoring import evaluating
from lstmctl.tasks.teacher_forcing import teacher_forced
from lstmctl.tasks.transduction import Transduction

CHECKED = 20
"""Pairs of the held-out part that an export is checked on."""


def describe_transduction(run: Trained) -> Described:
    """Describe an encoder and a step of its decoder."""
    task, model = run.task, run.model
    assert isinstance(task, Transduction)
    assert isinstance(model, EncoderDecoder)
    functions: dict[str, Function] = {}
    weights: dict[str, NDArray[Any]] = {}
    known = vocabulary(task.encoding.source)
    is_new = known.unknown is None and known.kind == "characters"
    if is_new:
        known = replace(known, entries=(*known.entries, "\ufffd"), unknown=len(known.entries))
    written = vocabulary(task.encoding.target, start=model.mark, end=model.mark)
    written = replace(written, entries=(*written.entries, ""), never=written.unknown)
    decoder = Stack(model.decoder, functions, weights, "decoder")
    functions["encode"] = _encode(model, is_new, functions, weights)
    functions["step"] = _step(model, decoder, weights)
    predictor = Predictor(functions, weights, {"source": known, "target": written}, {}, ("encode", "step"))
    return Described(predictor, _probe(run, task, model))


def _encode(
    model: EncoderDecoder, is_new: bool, functions: dict[str, Function], weights: dict[str, NDArray[Any]]
) -> Function:
    body = Body("encode", "Read a text; return what a step of the decoder takes.", weights)
    index = body.input("source", (None,), "the symbols to read", type="index", vocabulary="source")
    encoder = Stack(model.encoder, functions, weights, "encoder")
    outputs, _ = encoder.whole(body, embedding(body, model.source_map, index, "source", unknown=is_new))
    summary = encoder.summary(body, outputs)
    if model.attention is not None:
        body.output("encoded", outputs, "the encoder's outputs")
    body.output("summary", summary, "what has read the whole text")
    names = [
        f"{name}_decoder{number}"
        for number, layer in enumerate(model.decoder.layers(), start=1)
        for name in type(layer.cells[0]).states
    ]
    if model.bridge is not None:
        start = body.unary("tanh", linear(body, model.bridge, summary, "bridge"), "start")
        initial = [part for layer in model.decoder.initial_state(1, model.bridge.weight) for part in layer]
        place = 0
        for name, width, own in zip(names, model.widths, initial, strict=True):
            if not width:  # the encoder does not start this state
                continue
            part = body.slice(start, place, place + width)
            if bool(own.any()):
                part = part + body.weight(f"initial_{name}", own[0].detach().numpy())
            body.output(name, part, "the decoder's first state")
            place += width
    return body.function()


def _step(model: EncoderDecoder, decoder: Stack, weights: dict[str, NDArray[Any]]) -> Function:
    body = Body("step", "Write a symbol and score the next one.", weights)
    index = body.input("symbol", (), "the symbol before", type="index", vocabulary="target")
    encoded: Value | None = None
    if model.attention is not None:
        encoded = body.input("encoded", (None, model.encoder.outputs), "what `encode` returns")
    summary = body.input("summary", (model.encoder.outputs,), "what `encode` returns")
    states = decoder.state_inputs(body)
    x = body.concat([embedding(body, model.target_map, index, "target"), summary])
    output, after = decoder.step(body, x, states)
    if model.attention is not None:
        assert encoded is not None
        query = linear(body, model.attention.score, output, "attention")
        scores = body.reduce("sum", encoded * query, -1, "attention_scores")
        shares = body.unary("exp", scores - body.reduce("max", scores, 0))
        attention = body.binary("div", shares, body.reduce("sum", shares, 0), "attention")
        context = body.reshape(body.reduce("sum", attention * encoded, 0), (model.encoder.outputs,), "context")
        output = body.unary("tanh", linear(body, model.attention.combine, body.concat([context, output]), "combine"))
    body.output("scores", linear(body, model.head, output, "head", "scores"), "logits of the next symbol", "target")
    decoder.state_outputs(body, after)
    return body.function()


@torch.no_grad()
def _probe(run: Trained, task: Transduction, model: EncoderDecoder) -> Probe:
    corpus: Any = run.corpus()
    pairs = task.part(corpus, reported_part(corpus.parts), torch.device("cpu")).known()
    calls = []
    with evaluating(model):
        for number in np.linspace(0, len(pairs) - 1, min(CHECKED, len(pairs))).astype(int).tolist():
            batch = pairs.batch(torch.tensor([number]))
            read, _ = teacher_forced(batch.target, batch.target_lengths, model.mark)
            scores = model(batch.input, batch.source_lengths, read)[:, 0].double().numpy()
            summary = model.encode(batch.input, batch.source_lengths).summary[0].double().numpy()
            calls.append(Call("encode", {"source": batch.input[:, 0].numpy()}, {"summary": summary}, restarts=True))
            calls += [
                Call("step", {"symbol": np.asarray(symbol)}, {"scores": expected})
                for symbol, expected in zip(read[:, 0].numpy(), scores, strict=True)
            ]
    return Probe(calls, "logits", sum(max(1, call.inputs.get("source", np.zeros(1)).size) for call in calls))
