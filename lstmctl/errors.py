"""All errors that a user can encounter, with their exit codes.

LstmctlError            1  unexpected
├── UsageError          2  the command line asks for something impossible
├── ConfigError         2  one or more problems in a config, all reported at once
├── DataError           3  a corpus or table is missing, unreadable or unsuitable
├── RunError            4  a run folder or checkpoint is missing, damaged or belongs to another model
│   └── InUseError      4  another process holds a folder
├── DivergedError       5  a loss or gradient is NaN or infinite
└── ResourceError       6  out of disk space or memory

A message is one line without a final full stop that names the file, line, key or row and what is expected; `hint` is
the next thing to try.
"""

from __future__ import annotations

from collections.abc import Sequence


class LstmctlError(Exception):
    """Base class of all errors that are shown to a user as `error: …` and `hint: …` instead of a traceback."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint

    @property
    def messages(self) -> Sequence[str]:
        """One line per problem."""
        return [str(self)]


class UsageError(LstmctlError):
    """The command line asks for something impossible."""

    exit_code = 2


class ConfigError(LstmctlError):
    """All problems of one config, one per line."""

    exit_code = 2

    def __init__(self, problems: Sequence[str] | str, *, hint: str | None = None) -> None:
        self.problems = [problems] if isinstance(problems, str) else list(problems)
        super().__init__("\n".join(self.problems), hint=hint)

    @property
    def messages(self) -> Sequence[str]:
        return self.problems


class DataError(LstmctlError):
    """A corpus or table is missing, unreadable or unsuitable for the task."""

    exit_code = 3


class RunError(LstmctlError):
    """A run folder or checkpoint is missing, damaged or belongs to another model."""

    exit_code = 4


class InUseError(RunError):
    """Another process holds a folder."""


class DivergedError(LstmctlError):
    """A loss or gradient became NaN or infinite."""

    exit_code = 5


class ResourceError(LstmctlError):
    """Out of disk space or memory."""

    exit_code = 6
