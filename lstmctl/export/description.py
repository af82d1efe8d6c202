"""A predictor as JSON and one block of weights, for targets that interpret it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmctl.export.graph import Argument, Function, Operation, Predictor, Result, Value

ALIGNMENT = 8
"""Bytes: every weight begins at a multiple of it."""
TYPES = {"float32": np.float32, "float16": np.float16}


def described(predictor: Predictor, precision: str) -> tuple[dict[str, Any], bytes]:
    """Return a predictor as JSON, and its weights, little-endian, at the offsets that the JSON states.

    Args:
        predictor: the predictor.
        precision: of the weights, `float32` or `float16`; those that scale data keep float64.
    """
    table, block = _block(predictor.weights, precision)
    return {
        "format": 1,
        "facts": dict(predictor.facts),
        "vocabularies": {
            name: {
                "kind": one.kind,
                "entries": list(one.entries),
                "unknown": one.unknown,
                "start": one.start,
                "end": one.end,
                "never": one.never,
            }
            for name, one in predictor.vocabularies.items()
        },
        "entries": list(predictor.entries),
        "weights": table,
        "functions": {name: _function(one) for name, one in predictor.functions.items()},
    }, block


def _block(weights: Mapping[str, NDArray[Any]], precision: str) -> tuple[dict[str, Any], bytes]:
    table, block = {}, bytearray()
    for name, array in weights.items():
        stored = array.astype(TYPES[precision]) if array.dtype == np.float32 else array
        block += b"\0" * (-len(block) % ALIGNMENT)
        table[name] = {"shape": list(array.shape), "type": stored.dtype.name, "offset": len(block)}
        block += stored.astype(stored.dtype.newbyteorder("<")).tobytes()
    return table, bytes(block)


def _function(function: Function) -> dict[str, Any]:
    return {
        "meaning": function.meaning,
        "inputs": [_input(name, one, name in function.carried) for name, one in function.inputs.items()],
        "outputs": [_output(name, one) for name, one in function.outputs.items()],
        "operations": [_operation(one) for one in function.operations],
        "shown": dict(function.shown),
    }


def _input(name: str, one: Argument, state: bool) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": name,
        "value": one.value.name,
        "shape": list(one.value.shape),
        "type": one.value.type,
    }
    found |= {"meaning": one.meaning, "vocabulary": one.vocabulary, "state": state}
    if one.initial is not None and np.any(one.initial):
        found["initial"] = one.initial.ravel().tolist()
    return found


def _output(name: str, one: Result) -> dict[str, Any]:
    shape = list(one.value.shape)
    return {"name": name, "value": one.value.name, "shape": shape, "meaning": one.meaning, "vocabulary": one.vocabulary}


def _operation(one: Operation) -> dict[str, Any]:
    options = dict(one.options)
    if one.kind == "reshape":
        options["shape"] = list(one.outputs[0].shape)
    return {
        "kind": one.kind,
        "inputs": [_operand(value) for value in one.inputs],
        "outputs": [value.name for value in one.outputs],
        "type": one.outputs[0].type,
        **options,
    }


def _operand(value: Value) -> str | float:
    if value.number is None:
        return value.name
    assert math.isfinite(value.number)
    return value.number
