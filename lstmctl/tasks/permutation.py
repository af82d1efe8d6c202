"""A random order of more numbers than memory should hold."""

from __future__ import annotations

import torch
from torch import Tensor

ROUNDS = 6
FACTORS = 0x2C1B3C6D, 0x297A2D39
"""Odd, and below 2³¹, so that products fit into 63 bits (the mixing steps are after T. Mueller's integer hash)."""


class Permutation:
    """The numbers 0 … count − 1 in a random order, computed on demand.

    A Feistel network permutes the smallest power of four that holds them all, and a number outside is permuted again
    until it is inside (cycle walking): Black & Rogaway 2002, Ciphers with arbitrary finite domains.

    Args:
        count: at least 1, at most 2⁶⁰.
        seed: determines the order.
    """

    def __init__(self, count: int, seed: int) -> None:
        self.count = count
        self._half = max(1, ((count - 1).bit_length() + 1) // 2)
        generator = torch.Generator().manual_seed(seed)
        self._keys = torch.randint(1 << 31, (ROUNDS,), generator=generator).tolist()

    def __getitem__(self, places: Tensor) -> Tensor:
        """Return the numbers at some positions, int64."""
        numbers = self._once(places)
        while bool((outside := numbers >= self.count).any()):
            numbers = torch.where(outside, self._once(numbers), numbers)
        return numbers

    def _once(self, numbers: Tensor) -> Tensor:
        mask = (1 << self._half) - 1
        left, right = numbers >> self._half, numbers & mask
        for key in self._keys:
            mixed = (right ^ key) & 0x7FFFFFFF
            for factor in FACTORS:
                mixed = ((mixed ^ (mixed >> 15)) * factor) & 0x7FFFFFFF
            left, right = right, left ^ ((mixed ^ (mixed >> 13)) & mask)
        return (left << self._half) | right
