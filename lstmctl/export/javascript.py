"""Export to one ES module without dependencies: `runtime.js`, the description, and the weights in base64."""

from __future__ import annotations

import base64
import json
import math
import re
import shutil
import subprocess
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from lstmctl.export.description import described
from lstmctl.export.graph import Predictor
from lstmctl.export.probes import Probe
from lstmctl.export.targets import Ran, Target, UnavailableError

LINE = 120
CHECK = """\
import { readFileSync } from "node:fs";
import { model } from "./model.js";
const numbers = (value) => (value === null ? NaN : Array.isArray(value) ? value.map(numbers) : value);
const calls = JSON.parse(readFileSync(0, "utf8"));
for (const call of calls) for (const name of Object.keys(call.inputs)) call.inputs[name] = numbers(call.inputs[name]);
let known = {};
const start = performance.now();
const outputs = calls.map(({ name, inputs, restarts }) => {
  if (restarts) known = {};
  const found = model.run(name, { ...known, ...inputs });
  known = { ...known, ...found };
  return found;
});
const seconds = (performance.now() - start) / 1000;
const plain = (found) => Object.fromEntries(Object.entries(found).map(([key, one]) => [key, [...one]]));
console.log(JSON.stringify({ seconds, outputs: outputs.map(plain) }));
"""


def runtime() -> str:
    """Return the source of the module that runs any description."""
    return resources.files("lstmctl.export").joinpath("runtime.js").read_text(encoding="utf-8")


def write(predictor: Predictor, folder: Path, precision: str) -> None:
    """Write `model.js`."""
    (folder / "model.js").write_text(module(predictor, precision), encoding="utf-8")


def module(predictor: Predictor, precision: str) -> str:
    """Return an ES module that exports `model`, in addition to the exports of `runtime.js`."""
    description, weights = described(predictor, precision)
    text = json.dumps(description, ensure_ascii=True, allow_nan=False)
    encoded = base64.b64encode(weights).decode()
    lines = "\n".join(encoded[start : start + LINE] for start in range(0, len(encoded), LINE))
    return (
        f"{runtime()}\n"
        f"export const description = {text};\n\n"
        f"export const weights = decodeBase64(`\n{lines}\n`);\n\n"
        "export const model = new Model(description, weights);\n"
        "export default model;\n"
    )


def run(predictor: Predictor, folder: Path, probe: Probe) -> Ran:
    """Run the module in Node."""
    node = shutil.which("node")
    if node is None:
        raise UnavailableError("node is not installed")
    calls = [
        {
            "name": call.function,
            "inputs": {name: plain(np.asarray(array).tolist()) for name, array in call.inputs.items()},
            "restarts": call.restarts,
        }
        for call in probe.calls
    ]
    script = folder / "check.mjs"
    script.write_text(CHECK, encoding="utf-8")
    try:
        version = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout.strip()
        if (found := re.match(r"v(\d+)", version)) is None or int(found[1]) < 16:
            raise UnavailableError(f"node {version or 'without a version'} is too old; 16 or newer is needed")
        done = subprocess.run(
            [node, script.name],
            cwd=folder,
            input=json.dumps(calls),
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )
    finally:
        script.unlink()
    if done.returncode:
        raise RuntimeError(f"the exported module fails in node {version}: {done.stderr[-2000:]}")
    told = json.loads(done.stdout)
    outputs = [{name: np.array(values, dtype=np.float64) for name, values in one.items()} for one in told["outputs"]]
    return Ran(outputs, told["seconds"], f"node {version}")


def plain(value: Any) -> Any:
    """Return nested lists with null instead of NaN, which JSON lacks."""
    if isinstance(value, list):
        return [plain(one) for one in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def target() -> Target:
    """Return this form of export."""
    return Target(("float32", "float16"), write, run)
