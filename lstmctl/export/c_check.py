"""The check of an export to C: a program that reads calls and writes results, compiled and run."""

from __future__ import annotations

import math
import os
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstmctl.export.c_text import TYPES, has_time, product
from lstmctl.export.graph import Function, Predictor, Value
from lstmctl.export.probes import Arrays, Call, Probe
from lstmctl.export.targets import Ran, UnavailableError

COMPILERS = ("gcc", "clang", "cc")
FLAGS = ("-std=c99", "-O2", "-Wall", "-Wextra", "-pedantic")


def run(predictor: Predictor, folder: Path, probe: Probe) -> Ran:
    """Compile the file with a program that reads arguments and writes results, and run it."""
    named = os.environ.get("CC")
    compiler = next(filter(None, map(shutil.which, [named] if named else COMPILERS)), None)
    if compiler is None:
        if named:
            raise UnavailableError(f"the C compiler {named}, which $CC names, is not installed")
        raise UnavailableError(f"no C compiler is installed ({', '.join(COMPILERS)}, or one that $CC names)")
    with tempfile.TemporaryDirectory() as scratch:
        program = compiled(compiler, folder, checking_program(predictor), Path(scratch))
        calls = b"".join(packed(predictor, call) for call in probe.calls)
        done = subprocess.run([str(program)], input=calls, capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the exported program fails: {done.stderr.decode(errors='replace')[-2000:]}")
    told = subprocess.run([compiler, "-dumpversion"], capture_output=True, text=True, check=False).stdout.strip()
    return Ran(_unpacked(predictor, probe, done.stdout), float(done.stderr), f"{Path(compiler).name} {told}")


def compiled(compiler: str, folder: Path, main: str, scratch: Path, flags: Sequence[str] = ()) -> Path:
    """Compile an export with a main program; a warning is an error."""
    program, harness = scratch / "check", scratch / "check.c"
    harness.write_text(main, encoding="ascii")
    command = [
        compiler,
        *FLAGS,
        *flags,
        f"-I{folder}",
        str(harness),
        str(folder / "model.c"),
        "-o",
        str(program),
        "-lm",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode or done.stderr:
        raise RuntimeError(f"{compiler} does not accept the exported file: {done.stderr[-2000:]}")
    return program


def checking_program(predictor: Predictor) -> str:
    """Return a program that reads calls from stdin, and writes their results to stdout and the seconds to stderr. A
    refused call writes nothing."""
    functions = [predictor.functions[name] for name in predictor.entries]
    values = {name: one for function in functions for name, one in _ends(function)}
    arrays = [
        f"{TYPES[value.type]} {name}[{product(value.shape, 'MODEL_MOST_STEPS')}]"
        for name, value in values.items()
        if name not in predictor.states
    ]
    arrays += [f"model_{one.name}_state {one.name}_state" for one in functions if one.carried]
    starts = [f"    model_{one.name}_start(&{one.name}_state);\n" for one in functions if one.carried]
    cases = "".join(
        f"        if (which == {number}) {{\n{_case(predictor, one)}        }}\n"
        for number, one in enumerate(functions)
    )
    declared = "".join(f"static {one};\n" for one in arrays)
    steps = "static int32_t steps;\n" if any(map(has_time, functions)) else ""
    return (
        f'#include "model.h"\n\n#include <stdio.h>\n#include <time.h>\n\n{steps}{declared}\n'
        "static int get(void *to, size_t size, size_t count)\n{\n"
        "    return fread(to, size, count, stdin) == count;\n}\n\n"
        f"int main(void)\n{{\n    clock_t total = 0;\n    int32_t which, restarts;\n{''.join(starts)}"
        "    while (get(&which, sizeof which, 1) && get(&restarts, sizeof restarts, 1)) {\n"
        "        clock_t before;\n        int refused = -1;\n"
        f"        if (restarts) {{\n{''.join(f'        {one}' for one in starts)}        }}\n{cases}"
        "        if (refused)\n            continue;\n    }\n"
        '    fprintf(stderr, "%.9f", (double)total / CLOCKS_PER_SEC);\n    return 0;\n}\n'
    )


def _case(predictor: Predictor, function: Function) -> str:
    given, reads = predictor.given(function), []
    if _length_is_given(predictor, function):
        reads.append("!get(&steps, sizeof steps, 1) || steps < 0 || steps > MODEL_MOST_STEPS")
    for name in given:
        value = function.inputs[name].value
        reads.append(f"!get({name}, sizeof({TYPES[value.type]}), (size_t)({product(value.shape, 'steps')}))")
    arguments = ["steps"] if has_time(function) else []
    for name, one in function.inputs.items():
        if name not in function.carried:
            arguments.append(name if one.value.shape else f"{name}[0]")
    if function.carried:
        arguments.append(f"&{function.name}_state")
    arguments += [_own(predictor, name) for name in function.outputs if name not in function.carried]
    writes = "".join(
        f"                fwrite({_own(predictor, name)}, sizeof({TYPES[result.value.type]}), "
        f"(size_t)({product(result.value.shape, 'steps')}), stdout);\n"
        for name, result in function.outputs.items()
    )
    stop = f"            if ({' || '.join(reads)})\n                break;\n" if reads else ""
    return (
        f"{stop}            before = clock();\n            refused = model_{function.name}({', '.join(arguments)});\n"
        f"            total += clock() - before;\n            if (!refused) {{\n{writes}            }}\n"
    )


def _own(predictor: Predictor, name: str) -> str:
    """Return the program's variable of a value: a state's is in its structure."""
    owner = next((one for one in predictor.entries if name in predictor.functions[one].carried), None)
    return name if owner is None else f"{owner}_state.{name}"


def _ends(function: Function) -> list[tuple[str, Value]]:
    """Return the inputs and outputs of a function, in order."""
    inputs = [(name, one.value) for name, one in function.inputs.items()]
    return [*inputs, *((name, one.value) for name, one in function.outputs.items())]


def _length_is_given(predictor: Predictor, function: Function) -> bool:
    return any(None in function.inputs[name].value.shape for name in predictor.given(function))


def packed(predictor: Predictor, call: Call) -> bytes:
    """Return a call as `checking_program` reads it."""
    function = predictor.functions[call.function]
    found = struct.pack("=ii", predictor.entries.index(call.function), call.restarts)
    if _length_is_given(predictor, function):
        found += struct.pack("=i", _length(function, call.inputs))
    for name in predictor.given(function):
        found += np.asarray(call.inputs[name]).astype(_dtype(function.inputs[name].value)).tobytes()
    return found


def _unpacked(predictor: Predictor, probe: Probe, written: bytes) -> list[Arrays]:
    """Return the results of calls as `checking_program` writes them."""
    found, place, length = list[Arrays](), 0, 0
    for call in probe.calls:
        function, outputs = predictor.functions[call.function], dict[str, NDArray[Any]]()
        length = _length(function, call.inputs) or length
        for name, result in function.outputs.items():
            shape = [length if one is None else one for one in result.value.shape]
            kind = np.dtype(_dtype(result.value))
            outputs[name] = np.frombuffer(written, kind, math.prod(shape), place).reshape(shape)
            place += math.prod(shape) * kind.itemsize
        found.append(outputs)
    return found


def _length(function: Function, inputs: Arrays) -> int:
    """Return the number of time steps of a call; 0 if its arguments have none."""
    timed = (name for name, one in function.inputs.items() if None in one.value.shape and name in inputs)
    return next((len(inputs[name]) for name in timed), 0)


def _dtype(value: Value) -> Any:
    return {"float32": np.float32, "float64": np.float64, "index": np.int32}[value.type]
