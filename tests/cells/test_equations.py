"""Every cell against its equations, written once more in plain NumPy, and against torch where torch has it."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from lstmctl import registry
from lstmctl.cells.cell import Cell, State, checked_options
from lstmctl.cells.scan import linear_recurrence

Array = NDArray[np.float64]
TIME, BATCH, INPUTS, HIDDEN = 11, 3, 5, 8
OPTIONS: dict[str, dict[str, object]] = {"transformer": {"heads": 2, "context": 4}, "mlstm": {"heads": 2}}
ALL = list(registry.CELLS)
NEW = [name for name in ALL if name not in ("rnn", "lstm", "gru", "feedforward")]


def make(name: str, inputs: int = INPUTS, hidden: int = HIDDEN, seed: int = 1, **options: object) -> Cell:
    """A cell in float64 with random numbers for everything that starts at 0 or 1 and for large gates."""
    cls = registry.resolve(name, registry.CELLS, Cell)
    cell = cls(inputs, hidden, checked_options(cls, {**OPTIONS.get(name, {}), **options}))
    generator = torch.Generator().manual_seed(seed)
    cell.initialise(generator)
    with torch.no_grad():
        for parameter in cell.parameters():
            if parameter.unique().numel() <= 3 or name == "mlstm":
                parameter.uniform_(-0.9, 0.9, generator=generator)
    return cell.double()


def inputs(time: int = TIME, seed: int = 2, width: int = INPUTS) -> torch.Tensor:
    return torch.randn(time, BATCH, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def reached_state(cell: Cell) -> State:
    """A state that the cell reaches itself; a random one may be impossible, such as a negative normaliser."""
    zero = cell.initial_state(BATCH, inputs())
    return tuple(part.detach() for part in Cell.sequence(cell, inputs(3, seed=7, width=cell.inputs), zero)[1])


def numbers(cell: Cell) -> dict[str, Array]:
    return {name: value.detach().numpy() for name, value in cell.state_dict().items()}


def sigmoid(a: Array) -> Array:
    return 1 / (1 + np.exp(-a))


def norm(a: Array, scale: Array | float = 1.0, shift: Array | float = 0.0) -> Array:
    return scale * (a - a.mean(-1, keepdims=True)) / np.sqrt(a.var(-1, keepdims=True) + 1e-5) + shift


def gelu(a: Array) -> Array:
    return np.vectorize(lambda value: value * 0.5 * (1 + math.erf(value / math.sqrt(2))))(a)


def gates_of(w: dict[str, Array], x: Array, h: Array, count: int) -> list[Array]:
    return np.split(x @ w["input_weight"].T + h @ w["recurrent_weight"].T + w["bias"], count, axis=-1)


def peephole(w: dict[str, Array], xs: Array) -> list[Array]:
    h = c = np.zeros((BATCH, HIDDEN))
    outputs = []
    p_i, p_f, p_o = w["peepholes"]
    for x in xs:
        i, f, g, o = gates_of(w, x, h, 4)
        c_new = sigmoid(f + p_f * c) * c + sigmoid(i + p_i * c) * np.tanh(g)
        h, c = sigmoid(o + p_o * c_new) * np.tanh(c_new), c_new
        outputs.append(h)
    return outputs


def lstm_1997(w: dict[str, Array], xs: Array) -> list[Array]:
    h = c = np.zeros((BATCH, HIDDEN))
    outputs = []
    for x in xs:
        i, g, o = gates_of(w, x, h, 3)
        c = c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        outputs.append(h)
    return outputs


def cifg(w: dict[str, Array], xs: Array) -> list[Array]:
    h = c = np.zeros((BATCH, HIDDEN))
    outputs = []
    for x in xs:
        f, g, o = gates_of(w, x, h, 3)
        c = sigmoid(f) * c + (1 - sigmoid(f)) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        outputs.append(h)
    return outputs


def layernorm_lstm(w: dict[str, Array], xs: Array) -> list[Array]:
    h = c = np.zeros((BATCH, HIDDEN))
    outputs = []
    for x in xs:
        of_input = norm(x @ w["input_weight"].T, w["input_scale"])
        of_state = norm(h @ w["recurrent_weight"].T, w["recurrent_scale"])
        i, f, g, o = np.split(of_input + of_state + w["bias"], 4, axis=-1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(norm(c, w["cell_scale"], w["cell_bias"]))
        outputs.append(h)
    return outputs


def mogrifier(w: dict[str, Array], xs: Array) -> list[Array]:
    h = c = np.zeros((BATCH, HIDDEN))
    outputs = []
    for x in xs:
        x = 2 * sigmoid(h @ w["modulate.0"].T) * x
        h = 2 * sigmoid(x @ w["modulate.1"].T) * h
        x = 2 * sigmoid(h @ w["modulate.2"].T) * x
        h = 2 * sigmoid(x @ w["modulate.3"].T) * h
        x = 2 * sigmoid(h @ w["modulate.4"].T) * x
        i, f, g, o = gates_of(w, x, h, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        outputs.append(h)
    return outputs


def mgu(w: dict[str, Array], xs: Array) -> list[Array]:
    """In the paper's letters: f = 1 − k, so the weights of f are the negatives of those of k."""
    (w_k, w_n), (u_k, u_n), (b_k, b_n) = (np.split(w[key], 2) for key in ("input_weight", "recurrent_weight", "bias"))
    h = np.zeros((BATCH, HIDDEN))
    outputs = []
    for x in xs:
        f = sigmoid(-(x @ w_k.T + h @ u_k.T + b_k))
        n = np.tanh(x @ w_n.T + (f * h) @ u_n.T + b_n)
        h = (1 - f) * h + f * n
        outputs.append(h)
    return outputs


def indrnn(w: dict[str, Array], xs: Array) -> list[Array]:
    h = np.zeros((BATCH, HIDDEN))
    outputs = []
    for x in xs:
        h = np.maximum(0, x @ w["input.weight"].T + w["input.bias"] + w["recurrent"] * h)
        outputs.append(h)
    return outputs


def slstm(w: dict[str, Array], xs: Array) -> list[Array]:
    """Equations 8 to 14 of the paper, without its stabiliser."""
    h = c = n = np.zeros((BATCH, HIDDEN))
    outputs = []
    for x in xs:
        i, f, z, o = gates_of(w, x, h, 4)
        c = sigmoid(f) * c + np.exp(i) * np.tanh(z)
        n = sigmoid(f) * n + np.exp(i)
        h = sigmoid(o) * c / n
        outputs.append(h)
    return outputs


def mlstm(w: dict[str, Array], xs: Array) -> list[Array]:
    """Equations 19 to 27 of the paper, one lane and one head at a time, without its stabiliser."""
    heads, d = 2, HIDDEN // 2
    outputs = np.zeros((len(xs), BATCH, HIDDEN))
    for lane in range(BATCH):
        for head in range(heads):
            memory, n, rows = np.zeros((d, d)), np.zeros(d), slice(head * d, (head + 1) * d)
            for t, x in enumerate(xs[:, lane]):
                q, k, v, o = (part[rows] for part in np.split(w["input.weight"] @ x + w["input.bias"], 4))
                i, f = (w["gates_of_heads.weight"] @ x + w["gates_of_heads.bias"])[[head, heads + head]]
                k = k / math.sqrt(d)
                memory = sigmoid(f) * memory + np.exp(i) * np.outer(v, k)
                n = sigmoid(f) * n + np.exp(i) * k
                outputs[t, lane, rows] = sigmoid(o) * (memory @ q) / max(abs(n @ q), 1)
    return list(outputs)


def in_logarithms(log_a: Array, log_b: Array) -> list[Array]:
    """Heinsen's scan, as in appendix B of the paper: cumulative sums of logarithms, from a state of 0."""
    a = log_a.cumsum(0)
    return list(np.exp(a + np.logaddexp.accumulate(log_b - a, axis=0)))


def log_g(a: Array) -> Array:
    return np.where(a >= 0, np.log(np.maximum(a, 0) + 0.5), np.log(sigmoid(a)))


def mingru(w: dict[str, Array], xs: Array) -> list[Array]:
    k, n = np.split(xs @ w["input.weight"].T + w["input.bias"], 2, axis=-1)
    return in_logarithms(np.log(sigmoid(k)), np.log(1 - sigmoid(k)) + log_g(n))


def minlstm(w: dict[str, Array], xs: Array) -> list[Array]:
    f, i, n = np.split(xs @ w["input.weight"].T + w["input.bias"], 3, axis=-1)
    total = sigmoid(f) + sigmoid(i)
    return in_logarithms(np.log(sigmoid(f) / total), np.log(sigmoid(i) / total) + log_g(n))


def lru(w: dict[str, Array], xs: Array) -> list[Array]:
    eigenvalue = np.exp(-np.exp(w["log_decay"]) + 1j * np.exp(w["log_angle"]))
    b, c = w["read"][:HIDDEN] + 1j * w["read"][HIDDEN:], w["write"][:, :HIDDEN] - 1j * w["write"][:, HIDDEN:]
    s = np.zeros((BATCH, HIDDEN), complex)
    outputs = []
    for x in xs:
        s = eigenvalue * s + np.sqrt(1 - abs(eigenvalue) ** 2) * (x @ b.T)
        y = (s @ c.T).real + x @ w["skip"].T
        h = 0.5 * y * (1 + np.tanh(np.sqrt(2 / np.pi) * (y + 0.044715 * y**3)))
        outputs.append(h * sigmoid(h @ w["gate.weight"].T + w["gate.bias"]))
    return outputs


def transformer(w: dict[str, Array], xs: Array) -> list[Array]:
    """One query at a time; the rotation is a multiplication by complex numbers, with absolute positions."""
    heads, context, d = 2, 4, HIDDEN // 2
    outputs = np.zeros((len(xs), BATCH, HIDDEN))
    rates = 10_000.0 ** -(np.arange(d // 2) / (d // 2))
    for lane in range(BATCH):
        u = xs[:, lane] @ w["widen.weight"].T + w["widen.bias"]
        normed = norm(u, w["before_attention.weight"], w["before_attention.bias"])
        q, k, v = np.split(normed @ w["attend.weight"].T, 3, axis=-1)
        for t in range(len(xs)):
            attended = []
            for head in range(heads):
                rows = slice(head * d, (head + 1) * d)
                seen = range(max(0, t - context), t + 1)
                turned = [
                    (part[: d // 2] + 1j * part[d // 2 :]) * np.exp(1j * position * rates)
                    for part, position in [(q[t, rows], t), *((k[s, rows], s) for s in seen)]
                ]
                scores = np.array([(turned[0] * key.conj()).real.sum() for key in turned[1:]]) / math.sqrt(d)
                weights = np.exp(scores) / np.exp(scores).sum()
                attended.append(weights @ v[list(seen), rows])
            r = u[t] + np.concatenate(attended) @ w["join.weight"].T + w["join.bias"]
            inner = norm(r, w["before_feed.weight"], w["before_feed.bias"]) @ w["expand.weight"].T + w["expand.bias"]
            outputs[t, lane] = r + gelu(inner) @ w["reduce.weight"].T + w["reduce.bias"]
    return list(outputs)


def tcn(w: dict[str, Array], xs: Array) -> list[Array]:
    def convolution(u: Array, index: int) -> Array:
        weight, dilation = w[f"convolutions.{index}.weight"], 2 ** (index // 2)
        out = np.zeros_like(u) + w[f"convolutions.{index}.bias"]
        for t in range(len(u)):
            for j in range(3):  # the last tap is the present step
                if t - j * dilation >= 0:
                    out[t] += u[t - j * dilation] @ weight[:, :, 2 - j].T
        return np.maximum(out, 0)

    u = xs @ w["widen.weight"].T + w["widen.bias"]
    for level in range(5):
        u = np.maximum(u + convolution(convolution(u, 2 * level), 2 * level + 1), 0)
    return list(u)


REFERENCES: dict[str, Callable[[dict[str, Array], Array], list[Array]]] = {
    name: getattr(sys.modules[__name__], name.replace("-", "_")) for name in NEW
}


@pytest.mark.parametrize("name", NEW)
@pytest.mark.parametrize("path", ["whole", "stepwise"])
@torch.no_grad()
def test_a_cell_computes_its_equations(name: str, path: str) -> None:
    cell = make(name)
    sequence = Cell.sequence if path == "stepwise" else type(cell).sequence
    output, _ = sequence(cell, inputs(), cell.initial_state(BATCH, inputs()))
    expected = torch.tensor(np.stack(REFERENCES[name](numbers(cell), inputs().numpy())))
    assert output.abs().max() > 0.05
    torch.testing.assert_close(output, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", NEW)
def test_steps_equal_the_whole_sequence_in_values_states_and_gradients(name: str) -> None:
    cell = make(name)
    results = []
    for path in (type(cell).sequence, Cell.sequence):
        fed = inputs().requires_grad_()
        state = tuple(part.clone().requires_grad_() for part in reached_state(cell))
        output, after = path(cell, fed, state)
        weight = torch.linspace(-1, 1, output.numel(), dtype=output.dtype).view_as(output)
        cell.zero_grad()
        (output * weight).sum().backward()
        gradients = [part.grad for part in (fed, *state, *cell.parameters())]
        results.append([output, *after, *(gradient for gradient in gradients if gradient is not None)])
    assert len(results[0]) == len(results[1])
    for whole, stepwise in zip(*results, strict=True):
        torch.testing.assert_close(whole, stepwise, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", NEW)
@torch.no_grad()
def test_a_sequence_in_parts_equals_the_whole(name: str) -> None:
    cell = make(name)
    long = inputs(150)
    whole, last = cell.sequence(long, cell.initial_state(BATCH, long))
    state, parts = cell.initial_state(BATCH, long), []
    for part in long.split([1, 70, 79]):
        output, state = cell.sequence(part, state)
        parts.append(output)
    torch.testing.assert_close(torch.cat(parts), whole, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(state, last, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", NEW)
def test_gradients_agree_with_finite_differences(name: str) -> None:
    cell = make(name, 2, 4)
    input = torch.randn(4, BATCH, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(3)).requires_grad_()
    state = reached_state(cell)
    floating = [part.requires_grad_() for part in state if part.dim() < 3 or name not in ("transformer",)]
    rest = state[len(floating) :]

    def output(x: torch.Tensor, *s: torch.Tensor) -> torch.Tensor:
        return cell.sequence(x, (*s, *rest))[0]

    assert torch.autograd.gradcheck(output, (input, *floating))


@pytest.mark.parametrize("name", NEW)
@torch.no_grad()
def test_a_masked_step_leaves_the_state_as_it_was(name: str) -> None:
    cell, input = make(name), inputs(6)
    mask = torch.tensor([[True, True, True]] * 4 + [[True, False, True]] * 2)
    state = reached_state(cell)
    _, after = cell.sequence(input, state, mask)
    _, whole = cell.sequence(input, state)
    _, short = cell.sequence(input[:4], state)
    for got, long, cut in zip(after, whole, short, strict=True):
        torch.testing.assert_close(got[0], long[0])
        torch.testing.assert_close(got[1], cut[1])


@pytest.mark.parametrize("name", NEW)
@torch.no_grad()
def test_a_step_returns_the_gates_that_the_cell_names(name: str) -> None:
    cell = make(name)
    step = cell.step(cell.project(inputs()[0]), reached_state(cell))
    assert tuple(step.gates) == cell.gates
    assert all(gate.shape == (BATCH, HIDDEN) for gate in step.gates.values())
    assert cell.keeps is None or cell.keeps in cell.gates


@pytest.mark.parametrize("name", ["cifg", "layernorm-lstm", "mogrifier", "peephole", "mgu", "mingru", "minlstm"])
def test_a_longest_memory_starts_the_gate_that_retains(name: str) -> None:
    """With inputs and states of zero, the gate is σ of its bias log u: u/(1 + u), for u from 1 to T − 1."""
    cls = registry.resolve(name, registry.CELLS, Cell)
    for options, low, high in (({}, 0.5, 0.74), ({"longest_memory": 200}, 0.5, 0.995)):
        cell = cls(2, 400, checked_options(cls, options))
        cell.initialise(torch.Generator().manual_seed(0))
        step = cell.step(cell.project(torch.zeros(1, 2)), cell.initial_state(1, torch.zeros(1)))
        assert cell.keeps is not None
        gate = step.gates[cell.keeps]
        assert low - 1e-3 <= gate.min()
        assert gate.max() <= high
        assert bool(options) == bool(gate.max() > gate.min() + 0.1)


def test_without_what_they_add_cells_are_the_lstm_of_torch() -> None:
    theirs = nn.LSTM(INPUTS, HIDDEN).double()
    expected, _ = theirs(inputs())
    for cell in (make("peephole"), make("mogrifier", rounds=0)):
        with torch.no_grad():
            cell.get_parameter("input_weight").copy_(theirs.weight_ih_l0)
            cell.get_parameter("recurrent_weight").copy_(theirs.weight_hh_l0)
            cell.get_parameter("bias").copy_(theirs.bias_ih_l0 + theirs.bias_hh_l0)
            if hasattr(cell, "peepholes"):
                cell.get_parameter("peepholes").zero_()
        output, _ = cell.sequence(inputs(), cell.initial_state(BATCH, inputs()))
        torch.testing.assert_close(output, expected, rtol=1e-12, atol=1e-12)


@torch.no_grad()
def test_the_first_step_of_a_transformer_is_that_of_torchs_layer() -> None:
    """A single step attends to itself, however it is turned."""
    cell = make("transformer", HIDDEN, HIDDEN)
    theirs = nn.TransformerEncoderLayer(HIDDEN, 2, 4 * HIDDEN, 0.0, "gelu", norm_first=True).double()
    own = cell.state_dict()
    names = {
        "self_attn.in_proj_weight": own["attend.weight"],
        "self_attn.in_proj_bias": torch.zeros(3 * HIDDEN),
        "self_attn.out_proj.weight": own["join.weight"],
        "self_attn.out_proj.bias": own["join.bias"],
        "linear1.weight": own["expand.weight"],
        "linear1.bias": own["expand.bias"],
        "linear2.weight": own["reduce.weight"],
        "linear2.bias": own["reduce.bias"],
    }
    for number, norm_name in ((1, "before_attention"), (2, "before_feed")):
        names |= {f"norm{number}.{kind}": own[f"{norm_name}.{kind}"] for kind in ("weight", "bias")}
    theirs.load_state_dict(names)
    input = inputs(1, width=HIDDEN)
    output, _ = cell.sequence(input, cell.initial_state(BATCH, input))
    torch.testing.assert_close(output, theirs(input), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
@pytest.mark.parametrize("time", [1, 2, 7, 16])
@pytest.mark.parametrize("width", [3, 3000])
def test_a_scan_equals_a_loop(dtype: torch.dtype, time: int, width: int) -> None:
    """A width of 3,000 is computed by a loop of its own on a CPU."""
    generator = torch.Generator().manual_seed(0)
    decay, input = (torch.randn(time, 1, width, dtype=dtype, generator=generator) for _ in range(2))
    hidden = before = torch.randn(1, width, dtype=dtype, generator=generator)
    outputs = []
    for a, b in zip(decay, input, strict=True):
        hidden = a * hidden + b
        outputs.append(hidden)
    torch.testing.assert_close(linear_recurrence(decay, input, before), torch.stack(outputs))


@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
def test_the_gradient_of_a_scan_agrees_with_finite_differences(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    decay, input = (torch.randn(5, 2, 2, dtype=dtype, generator=generator).requires_grad_() for _ in range(2))
    before = torch.randn(2, 2, dtype=dtype, generator=generator).requires_grad_()
    assert torch.autograd.gradcheck(linear_recurrence, (decay, input, before))
    assert torch.autograd.gradgradcheck(linear_recurrence, (decay, input, before))


@torch.no_grad()
@pytest.mark.parametrize("name", ["slstm", "mlstm"])
def test_exponential_gates_do_not_overflow(name: str) -> None:
    """With pre-activations of hundreds, exp overflows in float32, but the outputs are weighted means of tanh and v."""
    cell = make(name).float()
    input = 400 * inputs(30).float()
    for path in (type(cell).sequence, Cell.sequence):
        output, state = path(cell, input, cell.initial_state(BATCH, input))
        assert all(part.isfinite().all() for part in (output, *state))


@pytest.mark.parametrize("name", ALL)
def test_parameters_are_as_many_as_the_docstring_says(name: str) -> None:
    cell = make(name)
    doc = sys.modules[type(cell).__module__].__doc__
    assert doc is not None
    formula = re.search(r"^Parameters: (.*?)(?: \(with .*?\))?(, and h\(x \+ 1\) where x ≠ h)?$", doc, re.MULTILINE)
    assert formula is not None
    python = re.sub(r"(?<=[\dhx)])(?=[hx(])", "*", formula[1].replace("²", "**2"))
    cls = type(cell)
    counted = cls(INPUTS, HIDDEN, checked_options(cls, {}))
    expected = eval(python, {"h": HIDDEN, "x": INPUTS}) + (HIDDEN * (INPUTS + 1) if formula[2] else 0)
    assert sum(parameter.numel() for parameter in counted.parameters()) == expected
