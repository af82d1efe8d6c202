"""Export to ONNX: one model per function that users call, with explicit state, and metadata inside."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lstmctl.errors import UsageError
from lstmctl.export.description import described
from lstmctl.export.graph import Function, Operation, Predictor, Shape, Value
from lstmctl.export.probes import Arrays, Probe
from lstmctl.export.targets import Ran, Target, UnavailableError

OPSET = 18
IR_VERSION = 9
"""Version of the file format; ONNX Runtime reads it since version 1.15."""
FAR = 2**31 - 1
"""An index beyond the end of every axis."""
UNARY = {"relu": "Relu", "isnan": "IsNaN", "softplus": "Softplus"}
BINARY = {"less": "Less", "equal": "Equal"}
TYPES = {"float32": "FLOAT", "float64": "DOUBLE", "index": "INT64"}
COUNTED = ("successor", "smoothed")
"""Kinds of operations on n-grams, whose numbers are whole."""
TRIGONOMETRIC = ("sin", "cos")
"""ONNX Runtime has no kernels for these in float64."""


def write(predictor: Predictor, folder: Path, precision: str) -> None:
    """Write `NAME.onnx` for each function that users call.

    Raises:
        UsageError: the package onnx is not installed.
    """
    try:
        import onnx
    except ImportError as error:
        raise UsageError(
            "--to onnx needs the package onnx, which is not installed", hint="pip install 'lstmctl[onnx]'"
        ) from error
    for name in predictor.entries:
        onnx.save_model(model(predictor, predictor.functions[name]), str(folder / f"{name}.onnx"))


def model(predictor: Predictor, function: Function) -> Any:
    """Return one function as a model, whose metadata are the facts, vocabularies and initial states of a predictor."""
    from onnx import checker, helper

    writer = _Writer(predictor)
    nodes = writer.nodes(function)
    graph = helper.make_graph(
        nodes,
        function.name,
        [_declared(name, one.value) for name, one in function.inputs.items()],
        [_declared(_output(function, name), one.value) for name, one in function.outputs.items()],
        writer.initialisers,
        doc_string=function.meaning,
    )
    found = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        producer_name="lstmctl",
        producer_version=str(predictor.facts.get("lstmctl", "")),
    )
    found.ir_version = IR_VERSION
    helper.set_model_props(found, _metadata(predictor, function))
    checker.check_model(found, full_check=True)
    return found


def _metadata(predictor: Predictor, function: Function) -> dict[str, str]:
    description, _ = described(predictor, "float32")
    own = description["functions"][function.name]
    return {
        **{key: str(value) for key, value in predictor.facts.items()},
        "vocabularies": json.dumps(description["vocabularies"]),
        "inputs": json.dumps(own["inputs"]),
        "outputs": json.dumps(own["outputs"]),
        "state": json.dumps({name: _output(function, name) for name in function.carried}),
    }


def _output(function: Function, name: str) -> str:
    """Return the name of an output; in ONNX, a new state must have a different name from the old one."""
    return f"new_{name}" if name in function.carried else name


def _declared(name: str, value: Value) -> Any:
    from onnx import TensorProto, helper

    shape = ["time" if length is None else length for length in value.shape]
    return helper.make_tensor_value_info(name, getattr(TensorProto, TYPES[value.type]), shape)


class _Writer:
    """Writes the nodes of one model."""

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor
        self.initialisers: list[Any] = []
        self.stored: dict[str, str] = {}
        self.count = 0

    def nodes(self, function: Function) -> list[Any]:
        """Return the nodes of the function that users call."""
        found: list[Any] = []
        names = {one.value.name: name for name, one in function.inputs.items()}
        self.body(function, names, found)
        for name, one in function.outputs.items():
            self.add(found, "Identity", [names[one.value.name]], output=_output(function, name))
        return found

    def body(self, function: Function, names: dict[str, str], nodes: list[Any]) -> None:
        """Add the nodes of a function; `names` maps its values to the model's, and new ones are added to it."""
        for one in function.operations:
            if one.kind == "scan":
                self.scan(one, names, nodes)
                continue
            (value,) = one.outputs
            inputs = [
                self.transposed(operand) if one.kind == "linear" and place == 1
                else self.numbers([int(operand.number)]) if one.kind in COUNTED and operand.number is not None
                else self.name(operand, names, value)
                for place, operand in enumerate(one.inputs)
            ]  # fmt: skip
            names[value.name] = self.operation(one, value, inputs, nodes)

    def operation(self, one: Operation, value: Value, inputs: list[str], nodes: list[Any]) -> str:
        options = one.options

        def add(kind: str, given: Sequence[str], **attributes: Any) -> str:
            return self.add(nodes, kind, given, **attributes)

        def cast(name: str, type: str) -> str:
            from onnx import TensorProto

            return add("Cast", [name], to=getattr(TensorProto, type))

        match one.kind:
            case "linear":
                product = add("MatMul", inputs[:2])
                return add("Add", [product, inputs[2]]) if len(inputs) > 2 else product
            case "lookup":
                return add("Gather", inputs, axis=0)
            case "unary":
                name = options["function"]
                if name == "square":
                    return add("Mul", [inputs[0], inputs[0]])
                if name == "isnan":
                    return cast(add("IsNaN", inputs), TYPES[value.type])
                if name in TRIGONOMETRIC and value.type == "float64":
                    return cast(add(name.capitalize(), [cast(inputs[0], "FLOAT")]), "DOUBLE")
                return add(UNARY.get(name, name.capitalize()), inputs)
            case "binary":
                name = options["function"]
                if name in BINARY:
                    return cast(add(BINARY[name], inputs), TYPES[value.type])
                return add(name.capitalize(), inputs)
            case "where":
                return add("Where", [cast(inputs[0], "BOOL"), *inputs[1:]])
            case "slice":
                start, stop, axis = options["start"], options["stop"] or FAR, options["axis"]
                return add("Slice", [inputs[0], *map(self.numbers, ([start], [stop], [axis]))])
            case "reverse":
                return add("Slice", [inputs[0], *map(self.numbers, ([-1], [-FAR], [-1], [-1]))])
            case "reshape":
                return add("Reshape", [inputs[0], self.numbers(_fixed(value.shape))])
            case "transpose":
                return add("Transpose", inputs, perm=list(options["order"]))
            case "concat":
                axis = options["axis"]
                parts = []
                for name, part in zip(inputs, one.inputs, strict=True):
                    whole = (*value.shape[:axis], part.shape[axis], *value.shape[axis + 1 :])
                    is_whole = part.shape == whole
                    parts.append(name if is_whole else add("Expand", [name, self.numbers(_fixed(whole))]))
                return add("Concat", parts, axis=axis)
            case "reduce":
                axes = self.numbers([options["axis"]])
                return add(f"Reduce{options['function'].capitalize()}", [inputs[0], axes], keepdims=1)
            case "softmax":
                return add("Softmax", inputs, axis=-1)
            case "cast":
                return cast(inputs[0], TYPES[value.type])
            case "successor":
                return self.successor(inputs, nodes)
            case "smoothed":
                return self.smoothed(inputs, nodes)
        raise AssertionError(one.kind)

    def successor(self, inputs: Sequence[str], nodes: list[Any]) -> str:
        from onnx import TensorProto

        def add(kind: str, given: Sequence[str], **attributes: Any) -> str:
            return self.add(nodes, kind, given, **attributes)

        starts, symbols, context, symbol = inputs
        is_known, bounds = self.bounds(starts, context, nodes)
        is_it = add("Equal", [add("Cast", [add("Slice", [symbols, *bounds])], to=TensorProto.INT64), symbol])
        ended = add("Concat", [add("Cast", [is_it], to=TensorProto.INT64), self.numbers([1])], axis=0)
        place = add("Add", [bounds[0], add("ArgMax", [ended], axis=0)])  # the end if none is equal
        is_found = add("And", [is_known, add("Less", [place, bounds[1]])])
        return add("Squeeze", [add("Where", [is_found, place, self.numbers([-1])])])

    def smoothed(self, inputs: Sequence[str], nodes: list[Any]) -> str:
        from onnx import TensorProto

        def add(kind: str, given: Sequence[str], **attributes: Any) -> str:
            return self.add(nodes, kind, given, **attributes)

        lower, starts, symbols, counts, discounts, context = inputs
        is_known, bounds = self.bounds(starts, context, nodes)
        own, count = (
            add("Cast", [add("Slice", [one, *bounds])], to=TensorProto.INT64) for one in (symbols, counts)
        )  # fmt: skip
        discount = add("Gather", [discounts, add("Min", [count, self.numbers([3])])])
        count = add("Cast", [count], to=TensorProto.FLOAT)
        total, left = (add("ReduceSum", [one], keepdims=1) for one in (count, discount))
        nothing, unit = (self.store(f"float32 {number}", np.array([number], np.float32)) for number in (0.0, 1.0))
        is_known = add("And", [is_known, add("Less", [nothing, total])])
        total = add("Where", [is_known, total, unit])
        shares = add("Mul", [lower, add("Div", [left, total])])
        more = add("Div", [add("Sub", [count, discount]), total])
        return add("Where", [is_known, add("ScatterElements", [shares, own, more], axis=0, reduction="add"), lower])

    def bounds(self, starts: str, context: str, nodes: list[Any]) -> tuple[str, list[str]]:
        """Return the names of a flag, (1,), for a known context, and of the two bounds of its n-grams, (1,) each."""
        from onnx import TensorProto

        at = self.add(nodes, "Reshape", [context, self.numbers([1])])
        is_known = self.add(nodes, "Less", [self.numbers([-1]), at])
        at = self.add(nodes, "Max", [at, self.numbers([0])])
        after = self.add(nodes, "Add", [at, self.numbers([1])])
        found = [self.add(nodes, "Gather", [starts, place]) for place in (at, after)]
        return is_known, [self.add(nodes, "Cast", [one], to=TensorProto.INT64) for one in found]

    def scan(self, one: Operation, names: dict[str, str], nodes: list[Any]) -> None:
        from onnx import helper

        function = self.predictor.functions[one.options["function"]]
        sequences, carried = one.options["sequences"], one.options["carried"]
        given = [self.name(value, names, value) for value in one.inputs]
        along, states = given[:sequences], given[len(given) - carried :]
        constants = given[sequences : len(given) - carried]
        arguments = list(function.inputs.values())
        own = {argument.value.name: self.fresh() for argument in arguments}
        for argument, outer in zip(arguments[sequences:], constants, strict=False):
            own[argument.value.name] = outer
        steps, befores = arguments[:sequences], arguments[len(arguments) - carried :]
        inner: list[Any] = []
        inputs = [_declared(own[argument.value.name], argument.value) for argument in (*befores, *steps)]
        self.body(function, own, inner)
        results = list(function.outputs.values())
        stacked, afters = results[: len(results) - carried], results[len(results) - carried :]
        outputs = []
        for result in (*afters, *stacked):
            name = self.add(inner, "Identity", [own[result.value.name]])
            outputs.append(_declared(name, result.value))
        back = int(one.options["backwards"])
        kept, after = one.outputs[: len(stacked)], one.outputs[len(stacked) :]
        found = [self.fresh() for _ in one.outputs]
        directions: dict[str, Any] = {"scan_output_directions": [back] * len(stacked)} if stacked else {}
        nodes.append(
            helper.make_node(
                "Scan",
                [*states, *along],
                found,
                body=helper.make_graph(inner, self.fresh(), inputs, outputs),
                num_scan_inputs=sequences,
                scan_input_directions=[back] * sequences,
                **directions,
            )
        )
        names |= {value.name: name for value, name in zip((*after, *kept), found, strict=True)}

    def name(self, value: Value, names: Mapping[str, str], like: Value) -> str:
        """Return the model's name of a value; a number has the type of what is computed from it."""
        if value.number is not None:
            type = like.type if like.type != "index" else "float64"
            return self.store(f"{type} {value.number!r}", np.array(value.number, type))
        if value.is_weight:
            return self.store(value.name, self.predictor.weights[value.name])
        return names[value.name]

    def transposed(self, weight: Value) -> str:
        return self.store(f"{weight.name} transposed", np.ascontiguousarray(self.predictor.weights[weight.name].T))

    def numbers(self, values: Sequence[int]) -> str:
        return self.store(f"numbers {values}", np.array(values, np.int64))

    def store(self, key: str, array: Any) -> str:
        from onnx import numpy_helper

        if key not in self.stored:
            self.stored[key] = key if key.isidentifier() else self.fresh()
            self.initialisers.append(numpy_helper.from_array(array, self.stored[key]))
        return self.stored[key]

    def add(self, nodes: list[Any], kind: str, inputs: Sequence[str], output: str = "", **attributes: Any) -> str:
        from onnx import helper

        name = output or self.fresh()
        nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def fresh(self) -> str:
        self.count += 1
        return f"v{self.count}"


def _fixed(shape: Shape) -> list[int]:
    return [-1 if length is None else length for length in shape]


def run(predictor: Predictor, folder: Path, probe: Probe) -> Ran:
    """Run the models in ONNX Runtime."""
    try:
        import onnxruntime
    except ImportError as error:
        raise UnavailableError("the package onnxruntime is not installed") from error
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = settings.inter_op_num_threads = 1
    sessions = {
        name: onnxruntime.InferenceSession(str(folder / f"{name}.onnx"), settings, providers=["CPUExecutionProvider"])
        for name in predictor.entries
    }
    initial: dict[str, Any] = {name: one.initial for name, one in predictor.states.items()}
    known, outputs = dict(initial), list[Arrays]()
    kinds = {"float32": np.float32, "float64": np.float64, "index": np.int64}
    start = time.perf_counter()
    for call in probe.calls:
        function = predictor.functions[call.function]
        known |= {**(initial if call.restarts else {}), **call.inputs}
        feed = {name: np.asarray(known[name], kinds[one.value.type]) for name, one in function.inputs.items()}
        found = sessions[call.function].run([_output(function, name) for name in function.outputs], feed)
        outputs.append(dict(zip(function.outputs, found, strict=True)))
        known |= outputs[-1]
    seconds = time.perf_counter() - start
    return Ran(outputs, seconds, f"ONNX Runtime {onnxruntime.__version__}, opset {OPSET}")


def target() -> Target:
    """Return this form of export."""
    return Target(("float32",), write, run)
