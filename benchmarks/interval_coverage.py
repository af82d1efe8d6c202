"""How often a 95 % interval over few seeds contains the true mean, and how often a test finds a difference that does
not exist.

Values of seeds are simulated: normal, skewed (lognormal, the logarithm with standard deviation 1), and heavy-tailed
(Student's t with 3 degrees of freedom). For the tests, three arms have the same distribution. Welch's test sees
independent values, the paired test the same with a part added that the arms share at each seed. "One pair" is the
share of p below 0.05 for a single pair; "any of 3" that at least one pair of the three is below it.

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

from lstmctl.statistics import difference, holm, interval

Draw = Callable[[np.random.Generator, tuple[int, ...]], NDArray[np.float64]]
DISTRIBUTIONS: dict[str, tuple[Draw, float]] = {
    "normal": (lambda generator, shape: generator.normal(size=shape), 0.0),
    "skewed": (lambda generator, shape: generator.lognormal(size=shape), float(np.exp(0.5))),
    "heavy-tailed": (lambda generator, shape: generator.standard_t(3, size=shape), 0.0),
}
"""Distributions of values, and their true means."""
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


def _outcomes(draw: Draw, mean: float, seeds: int, generator: np.random.Generator) -> list[bool]:
    """Outcomes of one comparison for one row."""
    arms = draw(generator, (3, seeds))
    shared = draw(generator, (seeds,))
    found = interval(arms[0].tolist())
    assert found.low is not None
    assert found.high is not None
    outcomes = [found.low <= mean <= found.high]
    for values, paired in ((arms + shared, True), (arms, False)):
        p_values = [difference(a, b, paired=paired).p for a, b in combinations(values.tolist(), 2)]
        outcomes += [_found(p_values[:1]), _found(p_values), _found(holm(p_values))]
    return outcomes


def _found(p_values: list[float | None]) -> bool:
    return any(p is not None and p < LEVEL for p in p_values)


if __name__ == "__main__":
    main()
