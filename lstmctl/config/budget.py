"""Training budgets in readable form: `2000 steps`, `10 epochs`, `3M characters`, `90 seconds`."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from decimal import Decimal

# Units for the targets that enter the loss; each task accepts only some of them.
TARGETS = ("characters", "symbols", "bytes", "windows", "sequences")
UNITS = ("steps", "epochs", *TARGETS, "seconds")

_SECONDS = {"minutes": 60, "hours": 3600}
_SUFFIXES = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9}
_FORM = re.compile(r"([0-9]{1,20}(?:\.[0-9]{1,20})?) ?([kMG]?) +([a-z]+)")
_MOST = 2**53  # whole numbers are exact in a float up to here
_EXAMPLES = "write an amount and a noun, such as `2000 steps`, `10 epochs`, `3M characters` or `90 seconds`"


@dataclass(frozen=True)
class Budget:
    """An amount of training. `unit` is one of UNITS; only epochs and seconds may be fractional."""

    amount: float
    unit: str

    @classmethod
    def parse(cls, text: str) -> Budget:
        """Parse a budget.

        Raises:
            ValueError: it is not a budget; the error describes the valid forms.
        """
        match = _FORM.fullmatch(text.strip())
        if match is None:
            raise ValueError(f'"{text[:40]}" is not a budget; {_EXAMPLES} (k, M and G are allowed after the number)')
        number, suffix, noun = match.groups()
        unit = noun if noun.endswith("s") else noun + "s"
        amount = Decimal(number) * _SUFFIXES[suffix]
        if unit in _SECONDS:
            amount, unit = amount * _SECONDS[unit], "seconds"
        if unit not in UNITS:
            raise ValueError(f"`{noun}` is not a unit of training; use one of {', '.join((*UNITS, *_SECONDS))}")
        if amount <= 0 or amount > _MOST:
            raise ValueError(f"`{number}{suffix} {noun}` is out of range; must be above 0 and at most {_MOST}")
        if unit not in ("epochs", "seconds") and amount != int(amount):
            raise ValueError(f"`{number}{suffix} {noun}` is not a whole number of {unit}")
        return cls(float(amount), unit)

    def steps(self, units_per_step: int, steps_per_epoch: int) -> int:
        """Return the number of steps, at least 1, in a budget of steps, epochs or targets.

        Raises:
            ValueError: the budget is a duration.
        """
        match self.unit:
            case "steps":
                return int(self.amount)
            case "epochs":
                return max(1, round(self.amount * steps_per_epoch))
            case "seconds":
                raise ValueError(f"{self} is a duration, not a number of steps")
            case _:
                return max(1, math.ceil(self.amount / units_per_step))

    def __str__(self) -> str:
        for suffix in ("G", "M", "k"):
            short = f"{self.amount / _SUFFIXES[suffix]:.12g}"
            if (
                self.amount >= max(_SUFFIXES[suffix], 10_000)
                and self.unit != "seconds"
                and re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,2})?", short)
            ):
                text = f"{short}{suffix} {self.unit}"
                if Budget.parse(text) == self:
                    return text
        number = str(int(self.amount)) if self.amount == int(self.amount) else f"{Decimal(repr(self.amount)):f}"
        return f"{number} {self.unit}"
