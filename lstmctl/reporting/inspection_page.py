"""Inspection results for a notebook: the plot, then the tables."""

from __future__ import annotations

from lstmctl.reporting.blocks import Block, known
from lstmctl.reporting.gate_plots import gate_plot
from lstmctl.reporting.inspection_plots import gradient_plot, memory_plot, recall_plot
from lstmctl.reporting.inspection_tables import gate_blocks, gradient_blocks, memory_blocks, recall_blocks
from lstmctl.results.inspection import GateFindings, GradientFindings, MemoryFindings, RecallFindings


def gate_view(findings: GateFindings) -> list[Block]:
    return [gate_plot(findings), *gate_blocks(findings)]


def memory_view(findings: MemoryFindings) -> list[Block]:
    return known(memory_plot(findings), *memory_blocks(findings))


def gradient_view(findings: GradientFindings) -> list[Block]:
    return known(gradient_plot([findings]), *gradient_blocks([findings]))


def recall_view(findings: RecallFindings) -> list[Block]:
    return known(recall_plot([findings]), *recall_blocks([findings]))
