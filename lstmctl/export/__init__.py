"""Exports of a run: other forms that need neither lstmctl nor torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lstmctl.on_demand import names_on_demand

if TYPE_CHECKING:
    from lstmctl.export.exporting import describe, export
    from lstmctl.export.page import export_page

__all__ = ["describe", "export", "export_page"]

__getattr__ = names_on_demand(
    __name__,
    {
        "describe": "lstmctl.export.exporting",
        "export": "lstmctl.export.exporting",
        "export_page": "lstmctl.export.page",
    },
)
