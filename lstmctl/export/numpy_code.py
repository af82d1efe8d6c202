"""Export to one readable Python file that needs NumPy alone, with its weights in an `.npz` file next to it."""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from lstmctl.export.graph import Argument, Function, Operation, Predictor, Result, Shape, Value, is_temporary
from lstmctl.export.probes import Arrays, Probe
from lstmctl.export.targets import Ran, Target

LONGEST = 90
"""Maximum number of characters of an expression; longer ones are divided into several lines."""
ATOM, PRODUCT, SUM = 3, 2, 1
Text = tuple[str, int]
"""An expression and how tightly it binds."""
OPERATORS = {"add": ("+", SUM), "sub": ("-", SUM), "mul": ("*", PRODUCT), "div": ("/", PRODUCT)}
CALLS = {"max": "np.maximum", "min": "np.minimum", "less": "np.less", "equal": "np.equal"}
HELPERS = {
    "sigmoid": """\
def sigmoid(x):
    return 0.5 * (1 + np.tanh(0.5 * x))
""",
    "relu": """\
def relu(x):
    return np.maximum(x, 0)
""",
    "softplus": """\
def softplus(x):
    return np.logaddexp(x, 0)
""",
    "softmax": """\
def softmax(x):
    shares = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return shares / np.sum(shares, axis=-1, keepdims=True)
""",
    "joined": """\
def joined(arrays, axis):
    \"\"\"Concatenate; other axes of length 1 are repeated.\"\"\"
    longest = np.max([array.shape for array in arrays], axis=0)
    shapes = [[n if i == axis else m for i, (n, m) in enumerate(zip(array.shape, longest))] for array in arrays]
    return np.concatenate([np.broadcast_to(array, shape) for array, shape in zip(arrays, shapes)], axis)
""",
    "successor": """\
def successor(starts, symbols, context, symbol):
    \"\"\"Return the number of the n-gram of a context and the next symbol, or -1.\"\"\"
    if context < 0:
        return np.int64(-1)
    found = np.flatnonzero(symbols[starts[context] : starts[context + 1]] == symbol)
    return starts[context] + found[0] if len(found) else np.int64(-1)
""",
    "smoothed": """\
def smoothed(lower, starts, symbols, counts, discounts, context):
    \"\"\"Return probabilities from discounted counts after a context, interpolated with the shorter context's.\"\"\"
    own = slice(starts[context], starts[context + 1]) if context >= 0 else slice(0)
    total = np.sum(counts[own], dtype=np.float32)
    if not total:
        return lower
    discount = discounts[np.minimum(counts[own], 3)]
    found = lower * (np.sum(discount) / total)
    found[symbols[own]] += (counts[own] - discount) / total
    return found
""",
    "scan": """\
def scan(step, sequences, constants, states, backwards=False):
    \"\"\"Apply a step along time; return its outputs, stacked, and the states after the last step.\"\"\"
    times = range(len(sequences[0]))
    outputs = []
    for t in reversed(times) if backwards else times:
        results = step(*(sequence[t] for sequence in sequences), *constants, *states)
        outputs.append(results[: len(results) - len(states)])
        states = results[len(results) - len(states) :]
    return *(np.stack(output[::-1] if backwards else output) for output in zip(*outputs)), *states
""",
}


def write(predictor: Predictor, folder: Path, precision: str) -> None:
    """Write `model.py` and `weights.npz`."""
    kind = {"float32": np.float32, "float16": np.float16}[precision]
    stored = {
        name: array.astype(kind) if array.dtype == np.float32 else array for name, array in predictor.weights.items()
    }
    np.savez(folder / "weights.npz", allow_pickle=False, **stored)
    (folder / "model.py").write_text(source(predictor, precision), encoding="utf-8")


def source(predictor: Predictor, precision: str = "float32") -> str:
    """Return the Python file."""
    functions = [code(one) for one in predictor.functions.values()]
    used = [name for name in HELPERS if any(f"{name}(" in one for one in functions)]
    facts = "\n".join(f"{key}: {value}" for key, value in predictor.facts.items())
    cast = ".astype(np.float32)" if precision == "float16" else ""
    weights = [
        f'{name} = weights["{name}"]{cast if array.dtype == np.float32 else ""}  # {_shape(array.shape)}'
        for name, array in predictor.weights.items()
    ]
    parts = [
        f'"""A network exported by lstmctl. It needs NumPy alone.\n\n{facts}\n"""',
        "import sys\nfrom pathlib import Path\n\nimport numpy as np",
        "\n".join(
            ['with np.load(Path(__file__).with_name("weights.npz")) as file:\n    weights = dict(file)', *weights]
        ),
        *_vocabularies(predictor),
        *(f"\n{HELPERS[name]}".rstrip() for name in used),
        *(f"\n{one}" for one in functions),
        *(f"\n{one}" for one in _uses(predictor)),
    ]
    return "\n\n".join(parts) + "\n"


def code(function: Function) -> str:
    """Return one function as Python."""
    lines = "\n".join(f"    {line}" for line in _lines(function))
    named: list[tuple[str, Argument | Result]] = [*function.inputs.items(), *function.outputs.items()]
    told = "\n".join(
        f"    {name}: {one.meaning}, {_shape(one.value.shape)}" for name, one in named if name not in function.carried
    )
    parameters = ", ".join(name for name in function.inputs)
    return f'def {function.name}({parameters}):\n    """{function.meaning}\n\n{told}\n    """\n{lines}'


def _lines(function: Function) -> Iterator[str]:
    uses, known = function.uses(), dict[str, Text]()

    def text(value: Value, least: int = 0) -> str:
        if value.number is not None:
            found = f"{value.number:g}" if float(f"{value.number:g}") == value.number else repr(value.number)
            return found if value.number >= 0 or least < PRODUCT else f"({found})"
        expression, binds = known.get(value.name, (value.name, ATOM))
        return expression if binds >= least else f"({expression})"

    for one in function.operations:
        if one.kind == "scan":
            yield _scan(one, text)
            continue
        (value,) = one.outputs
        expression = _expression(one, text)
        inline = is_temporary(value.name) and uses.get(value.name, 0) == 1 and len(expression[0]) <= LONGEST
        if inline:
            known[value.name] = expression
        else:
            yield f"{value.name} = {expression[0]}"
    yield f"return {', '.join(text(result.value) for result in function.outputs.values())}" + (
        "," if len(function.outputs) == 1 else ""
    )


def _scan(one: Operation, text: Callable[..., str]) -> str:
    sequences, carried = one.options["sequences"], one.options["carried"]
    inputs = [text(value) for value in one.inputs]
    groups = inputs[:sequences], inputs[sequences : len(inputs) - carried], inputs[len(inputs) - carried :]
    lists = ", ".join(f"[{', '.join(group)}]" for group in groups)
    back = ", backwards=True" if one.options["backwards"] else ""
    names = ", ".join(value.name for value in one.outputs)
    comma = "," if len(one.outputs) == 1 else ""
    return f"{names}{comma} = scan({one.options['function']}, {lists}{back})"


def _expression(one: Operation, text: Callable[..., str]) -> Text:
    x, options = one.inputs[0], one.options
    match one.kind:
        case "linear":
            weight = text(one.inputs[1], ATOM)
            product = f"{weight} @ {text(x, ATOM)}" if len(x.shape) == 1 else f"{text(x, ATOM)} @ {weight}.T"
            return (f"{product} + {text(one.inputs[2])}", SUM) if len(one.inputs) > 2 else (product, PRODUCT)
        case "lookup":
            return f"{text(x, ATOM)}[{text(one.inputs[1])}]", ATOM
        case "unary":
            name = options["function"]
            return f"{'' if name in HELPERS else 'np.'}{name}({text(x)})", ATOM
        case "binary" if options["function"] in OPERATORS:
            sign, binds = OPERATORS[options["function"]]
            return f"{text(x, binds)} {sign} {text(one.inputs[1], binds + 1)}", binds
        case "binary":
            return f"{CALLS[options['function']]}({text(x)}, {text(one.inputs[1])})", ATOM
        case "where":
            condition, a, b = one.inputs
            return f"np.where({text(condition)}, {text(a)}, {text(b)})", ATOM
        case "slice":
            stop = options["stop"] or ""
            return f"{text(x, ATOM)}[{':, ' * options['axis']}{options['start']}:{stop}]", ATOM
        case "reverse":
            return f"{text(x, ATOM)}[..., ::-1]", ATOM
        case "reshape":
            return f"{text(x, ATOM)}.reshape({_numbers(one.outputs[0].shape) or '()'})", ATOM
        case "transpose":
            return f"{text(x, ATOM)}.transpose({_numbers(options['order'])})", ATOM
        case "concat":
            return f"joined([{', '.join(map(text, one.inputs))}], {options['axis']})", ATOM
        case "reduce":
            return f"np.{options['function']}({text(x)}, axis={options['axis']}, keepdims=True)", ATOM
        case "softmax" | "successor" | "smoothed":
            return f"{one.kind}({', '.join(map(text, one.inputs))})", ATOM
        case "cast":
            return f"{text(x, ATOM)}.astype(np.{_type(one.outputs[0])})", ATOM
    raise AssertionError(one.kind)


def _type(value: Value) -> str:
    return "int64" if value.type == "index" else value.type


def _numbers(shape: Shape) -> str:
    return ", ".join("-1" if one is None else str(one) for one in shape)


def _shape(shape: Shape) -> str:
    return f"({', '.join('time' if one is None else str(one) for one in shape)}{',' * (len(shape) == 1)})"


def _vocabularies(predictor: Predictor) -> Iterator[str]:
    for name, vocabulary in predictor.vocabularies.items():
        entries = vocabulary.entries
        if vocabulary.kind == "characters":
            yield f"{name.upper()} = {''.join(entries)!a}"
        elif vocabulary.kind == "labels":
            yield f"{name.upper()} = {list(entries)!a}"


def _uses(predictor: Predictor) -> Iterator[str]:
    """Yield functions from data to numbers and back, and a main program."""
    entry = predictor.entry
    for name, one in entry.inputs.items():
        if one.framing is not None:
            yield _framed(name, *one.framing)
    symbols = {
        str(one.vocabulary): None
        for function in map(predictor.functions.__getitem__, predictor.entries)
        for one in function.inputs.values()
        if one.vocabulary and predictor.vocabularies[one.vocabulary].kind != "labels"
    }
    for name in symbols:
        yield _encode(predictor, name)
    if predictor.writer is not None:
        yield from _write(predictor, *predictor.writer)
    elif (labels := next(iter(entry.outputs.values())).vocabulary) is not None and symbols:
        yield (
            f"def answer(text):\n"
            f'    """Return the label of a text, or of each of its symbols."""\n'
            f"    (scores,) = {entry.name}(read_{next(iter(symbols))}(text))\n"
            f"    best = np.argmax(scores, axis=-1)\n"
            f"    return [{labels.upper()}[one] for one in np.atleast_1d(best)]"
        )
        yield 'if __name__ == "__main__":\n    print(*answer(" ".join(sys.argv[1:])))'


def _framed(name: str, length: int, distance: int, before: int) -> str:
    return (
        f"def {name}_of(signal):\n"
        f'    """Return the stretches of a signal that the network reads."""\n'
        f"    padded = np.pad(np.asarray(signal, np.float32), ({before}, {length}))\n"
        f"    starts = range(0, len(signal) + 1, {distance})\n"
        f"    return np.stack([padded[start : start + {length}] for start in starts])"
    )


def _encode(predictor: Predictor, name: str) -> str:
    vocabulary = predictor.vocabularies[name]
    if vocabulary.kind == "bytes":
        return (
            f'def read_{name}(text):\n    """Return the numbers of a text\'s bytes."""\n    return list(text.encode())'
        )
    find = f"{name.upper()}.index(symbol)"
    if vocabulary.unknown is not None:
        find = f"{find} if symbol in {name.upper()} else {vocabulary.unknown}"
    told = '    """Return the numbers of a text\'s symbols."""'
    refused = ""
    if vocabulary.unknown is None:
        refused = (
            f"    if unknown := [symbol for symbol in text if symbol not in {name.upper()}]:\n"
            '        raise ValueError(f"the model does not know {unknown[0]!r}")\n'
        )
    return f"def read_{name}(text):\n{told}\n{refused}    return [{find} for symbol in text]"


def _write(predictor: Predictor, writer: Function, written: Argument) -> Iterator[str]:
    name = str(written.vocabulary)
    vocabulary = predictor.vocabularies[name]
    if vocabulary.kind == "bytes":
        decode = 'bytes(found).decode("utf-8", "replace")'
    else:
        decode = f'"".join({name.upper()}[number] for number in found)'
    source = next((one for one in predictor.entries if one != writer.name), None)
    others = [one for one in predictor.given(writer) if writer.inputs[one] is not written]
    begin = f"[{vocabulary.start}, *read_{name}(prompt)]"
    if vocabulary.end is None:
        begin = f"read_{name}(prompt) or [{vocabulary.start}]"
    start = ""
    if written.value.shape == ():
        fed = [one for one in writer.inputs if one not in (*predictor.given(writer), *writer.carried)]
        states = "".join(f"        {_start(writer.inputs[one])},\n" for one in writer.carried)
        if source is None:
            start = f"    state = [\n{states}    ]\n"
        else:
            (text,) = predictor.functions[source].inputs.values()
            start = f"    {''.join(f'{one}, ' for one in fed)}*state = {source}(read_{text.vocabulary}(text))\n"
            others.insert(0, "text")
        arguments = ["symbol" if given is written else one for one, given in writer.inputs.items()]
        arguments = [one for one in arguments if one not in writer.carried]
        call = f"scores, *state = {writer.name}({', '.join(arguments)}, *state)"
        read, go_on = f"    for symbol in read:\n        {call}\n", f"        {call}\n"
    else:
        call = f"(scores,) = {writer.name}(np.array(read[-{predictor.facts['window']}:]))"
        read, go_on = f"    {call}\n", f"        read.append(symbol)\n        {call}\n"
    never = f"        scores[{vocabulary.never}] = -np.inf\n" if vocabulary.never is not None else ""
    end = "" if vocabulary.end is None else f"        if symbol == {vocabulary.end}:\n            break\n"
    yield (
        f'def write({"".join(f"{one}, " for one in others)}prompt="", length=400, temperature=0.8, seed=0):\n'
        f'    """Return a text that continues the prompt; temperature=0 takes the likeliest symbol each time."""\n'
        f"    random = np.random.default_rng(seed)\n"
        f"{start}    read = {begin}\n{read}    found = []\n"
        f"    for _ in range(length):\n{never}"
        f"        shares = np.exp((scores.astype(np.float64) - scores.max()) / (temperature or 1))\n"
        f"        symbol = random.choice(len(shares), p=shares / shares.sum()) if temperature else shares.argmax()\n"
        f"{end}        found.append(int(symbol))\n{go_on}"
        f"    return {decode}"
    )
    main = 'if __name__ == "__main__":\n'
    if source is not None:
        yield f'{main}    print(write(" ".join(sys.argv[1:]), temperature=0))'
    elif others:
        labels = str(writer.inputs[others[0]].vocabulary).upper()
        yield (
            f"{main}    label = sys.argv[1] if sys.argv[1:] else {labels}[0]\n"
            f'    print(write({labels}.index(label), prompt=" ".join(sys.argv[2:])))'
        )
    else:
        yield f'{main}    print(write(prompt=" ".join(sys.argv[1:])))'


def _start(state: Argument) -> str:
    if state.initial is None or not np.any(state.initial):
        return f"np.zeros({_numbers(state.value.shape)}, np.float32)"
    return f"np.array({state.initial.tolist()}, np.float32)"


def run(predictor: Predictor, folder: Path, probe: Probe) -> Ran:
    """Import the file and call it."""
    module = _imported(folder / "model.py")
    initial: dict[str, Any] = {name: one.initial for name, one in predictor.states.items()}
    known, outputs = dict(initial), list[Arrays]()
    start = time.perf_counter()
    for call in probe.calls:
        function = predictor.functions[call.function]
        known |= {**(initial if call.restarts else {}), **call.inputs}
        found = getattr(module, function.name)(*(known[name] for name in function.inputs))
        outputs.append(dict(zip(function.outputs, found, strict=True)))
        known |= outputs[-1]
    return Ran(outputs, time.perf_counter() - start, f"NumPy {np.__version__}")


def _imported(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location("lstmctl_exported_model", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        spec.loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = before
    return module


def target() -> Target:
    """Return this form of export."""
    return Target(("float32", "float16"), write, run)
