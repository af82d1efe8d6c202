"""A config from a file of the user's own: what the file holds, and what suits it."""

from lstmctl.deriving.derived import Decision, Derived
from lstmctl.deriving.files import derive, is_config, load_config

__all__ = ["Decision", "Derived", "derive", "is_config", "load_config"]
