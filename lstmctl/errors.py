"""Every error a user can meet, and the exit code each one ends with.

LstmctlError            1  unexpected
├── UsageError          2  the command line asks for something that cannot be
├── ConfigError         2  one or more problems in a config, all of them at once
├── DataError           3  a corpus or table is missing, unreadable or unfit
├── RunError            4  a run folder or checkpoint is missing, locked, damaged or foreign
├── DivergedError       5  a loss or gradient is NaN or infinite
└── ResourceError       6  the disk or the memory is not enough

A message is one line without a final full stop that names the file, line, key or row and says what would be
right; `hint` is the next thing to try.
"""

from __future__ import annotations

from collections.abc import Sequence


class LstmctlError(Exception):
    """Base of all errors that are shown to a user as `error: …` and `hint: …` instead of a traceback."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint

    @property
    def messages(self) -> Sequence[str]:
        """One line for each thing that is wrong."""
        return [str(self)]


class UsageError(LstmctlError):
    """The command line asks for something that cannot be."""

    exit_code = 2


class ConfigError(LstmctlError):
    """Everything that is wrong with one config, each problem on its own line."""

    exit_code = 2

    def __init__(self, problems: Sequence[str] | str, *, hint: str | None = None) -> None:
        self.problems = [problems] if isinstance(problems, str) else list(problems)
        super().__init__("\n".join(self.problems), hint=hint)

    @property
    def messages(self) -> Sequence[str]:
        return self.problems


class DataError(LstmctlError):
    """A corpus or table is missing, unreadable or unfit for the task."""

    exit_code = 3


class RunError(LstmctlError):
    """A run folder or checkpoint is missing, locked, damaged or belongs to another model."""

    exit_code = 4


class DivergedError(LstmctlError):
    """A loss or gradient became NaN or infinite."""

    exit_code = 5


class ResourceError(LstmctlError):
    """The disk or the memory is not enough."""

    exit_code = 6
