"""Minimisation of a smooth convex function by limited-memory BFGS."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

MEMORY = 10
"""Number of latest steps that the curvature is estimated from."""
SUFFICIENT = 1e-4
"""Share of the linear decrease that a step must reach (Armijo 1966)."""
HALVINGS = 30


def minimise(loss: Callable[[Array], tuple[float, Array]], start: Array, *, steps: int, tolerance: float) -> Array:
    """Return a point near the minimum: the two-loop recursion of Nocedal 1980 with steps halved until they suffice.

    Products are summed without BLAS, whose threads would compete with those of other programs for vectors this small.

    Args:
        loss: returns the value and the gradient at a point.
        start: (numbers,).
        steps: maximum number of steps.
        tolerance: stop once the largest entry of the gradient is below this share of the first one's.
    """
    point = start
    value, gradient = loss(point)
    enough = tolerance * float(np.abs(gradient).max(initial=0.0))
    moves: list[tuple[Array, Array, float]] = []
    for _ in range(steps):
        if float(np.abs(gradient).max(initial=0.0)) <= enough:
            break
        direction = -_scaled(gradient, moves)
        slope = _dot(direction, gradient)
        if slope >= 0:  # rounding errors; start again from the gradient
            moves, direction, slope = [], -gradient, -_dot(gradient, gradient)
        length = 1.0 if moves else 1.0 / max(1.0, float(np.sqrt(-slope)))
        for _ in range(HALVINGS):
            reached = point + length * direction
            after, gradient_after = loss(reached)
            if after <= value + SUFFICIENT * length * slope:
                break
            length /= 2
        else:
            break
        step, change = reached - point, gradient_after - gradient
        curvature = _dot(step, change)
        if curvature > 0:
            moves = [*moves[-MEMORY + 1 :], (step, change, curvature)]
        point, value, gradient = reached, after, gradient_after
    return point


def _scaled(gradient: Array, moves: list[tuple[Array, Array, float]]) -> Array:
    """Multiply the gradient with the estimated inverse of the Hessian."""
    found, shares = gradient, []
    for step, change, curvature in reversed(moves):
        shares.append(_dot(step, found) / curvature)
        found = found - shares[-1] * change
    if moves:
        _, change, curvature = moves[-1]
        found = found * (curvature / _dot(change, change))
    for (step, change, curvature), share in zip(moves, reversed(shares), strict=True):
        found = found + (share - _dot(change, found) / curvature) * step
    return found


def _dot(one: Array, other: Array) -> float:
    return float((one * other).sum())
