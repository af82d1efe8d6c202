"""Measure the difference between the stepwise path and the fused kernels, in values and gradients, for every cell.

Differences are the largest absolute one over all outputs, states or gradients, divided by the largest absolute value
of the fused path.

    python benchmarks/stepwise_equals_fused.py
"""

from __future__ import annotations

import argparse
import os
import platform

import torch
from precisions import precisions
from torch import Tensor

from lstmctl.cells.cell import Cell, checked_options
from lstmctl.cells.kernels import kernel_used
from lstmctl.models.recurrence import Recurrence
from lstmctl.registry import CELLS, resolve
from lstmctl.training.precision import autocast


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--time", type=int, default=40)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--hidden", type=int, default=48)
    parser.add_argument("--layers", type=int, default=3, help="stacks of 1 to this many layers")
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    print(
        f"torch {torch.__version__}, {os.cpu_count()} cores, {where}; time {arguments.time}, batch {arguments.batch}, "
        f"hidden {arguments.hidden}\n"
    )
    kinds = precisions(device)
    print("| cell | layers | precision | kernel | values | gradients |\n| --- | --- | --- | --- | --- | --- |")
    for name in CELLS:
        for precision in ("float64", *kinds):
            for layers in range(1, arguments.layers + 1):
                kernel, values, gradients = _difference(name, layers, precision, device, arguments)
                print(f"| {name} | {layers} | {precision} | {kernel} | {values:.1e} | {gradients:.1e} |")


def _difference(
    name: str, layers: int, precision: str, device: torch.device, arguments: argparse.Namespace
) -> tuple[str, float, float]:
    cell = resolve(name, CELLS, Cell)
    draw = torch.Generator().manual_seed(layers)
    stack = Recurrence(lambda inputs: cell(inputs, arguments.hidden, checked_options(cell, {})), 20, layers)
    stack.initialise(draw)
    dtype = torch.float64 if precision == "float64" else torch.float32
    stack.to(device, dtype)
    sequence = torch.randn(arguments.time, arguments.batch, 20, generator=draw, dtype=torch.float64).to(device, dtype)
    target = torch.randn(arguments.time, arguments.batch, arguments.hidden, generator=draw).to(device, dtype)

    def run(stepwise: bool) -> tuple[list[Tensor], list[Tensor]]:
        stack.zero_grad()
        input = sequence.clone().requires_grad_()
        with autocast(precision, device):
            state = stack.initial_state(arguments.batch, input)
            if stepwise:
                outputs = []
                for now in input:
                    step = stack.step(now, state)
                    outputs.append(step.output)
                    state = step.state
                output = torch.stack(outputs)
            else:
                output, state = stack(input, state)
        (output.to(dtype) * target).mean().backward()
        gradients = [parameter.grad for parameter in (input, *stack.parameters()) if parameter.grad is not None]
        return [output, *(part for layer in state for part in layer)], [gradient.clone() for gradient in gradients]

    with autocast(precision, device):
        kernel = kernel_used(lambda: stack(sequence, stack.initial_state(arguments.batch, sequence)))
    (values, gradients), (stepwise_values, stepwise_gradients) = run(False), run(True)
    return kernel, _largest(values, stepwise_values), _largest(gradients, stepwise_gradients)


def _largest(fused: list[Tensor], stepwise: list[Tensor]) -> float:
    scale = max(float(tensor.detach().abs().max()) for tensor in fused)
    return (
        max(
            float((a.detach().double() - b.detach().double()).abs().max()) for a, b in zip(fused, stepwise, strict=True)
        )
        / scale
    )


if __name__ == "__main__":
    main()
