"""Searches for hyperparameters: trials on validation, the best of them again with several seeds, one test score."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lstmctl.on_demand import names_on_demand

if TYPE_CHECKING:
    from lstmctl.search.searching import resume_search, search

__all__ = ["resume_search", "search"]

__getattr__ = names_on_demand(
    __name__, {"resume_search": "lstmctl.search.searching", "search": "lstmctl.search.searching"}
)
