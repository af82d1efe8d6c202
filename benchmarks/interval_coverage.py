"""Coverage of 95 % intervals over few seeds, and false positives of the tests between arms.

Values of seeds are simulated: normal, skewed (lognormal, the logarithm with standard deviation 1), and heavy-tailed
(Student's t with 3 degrees of freedom). For the tests, three arms have the same distribution. Welch's test gets
independent values; the paired test gets the same values plus a term that the arms share at each seed. "One pair" is the
share of p below 0.05 for a single pair; "any of 3" is the share of simulations with at least one of three pairs below.

A second table is about values near a bound: accuracies of mean 0.95 with standard deviation 0.07 (a beta distribution,
between 0 and 1), accuracies of mean 0.7 with standard deviation 0.05, and positive lognormal values. It compares the
interval that stays within the bounds with the one that ignores them.

    python benchmarks/interval_coverage.py --repetitions 4000
"""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Callable
from itertools import combinations

import numpy as np
import scipy
from numpy.typing import NDArray

from lstmctl.statistics import Bounds, difference, holm, interval

Draw = Callable[[np.random.Generator, tuple[int, ...]], NDArray[np.float64]]
DISTRIBUTIONS: dict[str, tuple[Draw, float]] = {
    "normal": (lambda generator, shape: generator.normal(size=shape), 0.0),
    "skewed": (lambda generator, shape: generator.lognormal(size=shape), float(np.exp(0.5))),
    "heavy-tailed": (lambda generator, shape: generator.standard_t(3, size=shape), 0.0),
}
"""Distributions of values, and their true means."""
BOUNDED: dict[str, tuple[Draw, float, Bounds]] = {
    "accuracy near 1": (lambda generator, shape: _beta(generator, shape, 0.95, 0.07), 0.95, (0.0, 1.0)),
    "accuracy of 0.7": (lambda generator, shape: _beta(generator, shape, 0.7, 0.05), 0.7, (0.0, 1.0)),
    "positive, skewed": (lambda generator, shape: generator.lognormal(size=shape), float(np.exp(0.5)), (0.0, None)),
}
"""Distributions of values with bounds, their true means, and the bounds."""
SEEDS = (2, 3, 5, 10)
LEVEL = 0.05


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    print(f"numpy {np.__version__}, scipy {scipy.__version__}, {os.cpu_count()} cores, {platform.machine()}")
    print(f"{arguments.repetitions:,} repetitions, in percent, ± one standard error\n")
    tests = [f"{test}, {what}" for test in ("paired", "Welch") for what in ("one pair", "any of 3", "any of 3, Holm")]
    print("| values | seeds | " + " | ".join(["interval holds the mean", *tests]) + " |")
    print("| --- " * (3 + len(tests)) + "|")
    for name, (draw, mean) in DISTRIBUTIONS.items():
        for seeds in SEEDS:
            generator = np.random.default_rng([arguments.seed, seeds])
            outcomes = [_outcomes(draw, mean, seeds, generator) for _ in range(arguments.repetitions)]
            shares = np.mean(outcomes, axis=0)
            errors = np.sqrt(shares * (1 - shares) / len(outcomes))
            figures = (f"{100 * share:.1f} ± {100 * error:.1f}" for share, error in zip(shares, errors, strict=True))
            print(f"| {name} | {seeds} | " + " | ".join(figures) + " |")
    print("\n| values | seeds | within the bounds | ignoring the bounds |\n| --- | --- | --- | --- |")
    for name, (draw, mean, bounds) in BOUNDED.items():
        for seeds in SEEDS:
            generator = np.random.default_rng([arguments.seed, seeds])
            samples = draw(generator, (arguments.repetitions, seeds)).tolist()
            shares = [
                np.mean([_holds(sample, mean, limits) for sample in samples]) for limits in (bounds, (None, None))
            ]
            print(f"| {name} | {seeds} | " + " | ".join(f"{100 * share:.1f}" for share in shares) + " |")


def _beta(generator: np.random.Generator, shape: tuple[int, ...], mean: float, deviation: float) -> NDArray[np.float64]:
    """Draw from the beta distribution of this mean and standard deviation."""
    concentration = mean * (1 - mean) / deviation**2 - 1
    return generator.beta(mean * concentration, (1 - mean) * concentration, size=shape)


def _holds(values: list[float], mean: float, bounds: Bounds) -> bool:
    found = interval(values, bounds=bounds)
    assert found.low is not None
    assert found.high is not None
    return found.low <= mean <= found.high


def _outcomes(draw: Draw, mean: float, seeds: int, generator: np.random.Generator) -> list[bool]:
    """Outcomes of one comparison for one row."""
    arms = draw(generator, (3, seeds))
    shared = draw(generator, (seeds,))
    outcomes = [_holds(arms[0].tolist(), mean, (None, None))]
    for values, paired in ((arms + shared, True), (arms, False)):
        p_values = [difference(a, b, paired=paired).p for a, b in combinations(values.tolist(), 2)]
        outcomes += [_found(p_values[:1]), _found(p_values), _found(holm(p_values))]
    return outcomes


def _found(p_values: list[float | None]) -> bool:
    return any(p is not None and p < LEVEL for p in p_values)


if __name__ == "__main__":
    main()
