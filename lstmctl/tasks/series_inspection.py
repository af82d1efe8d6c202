"""Inspection of a forecaster's recurrence: its first member reads the segments of a window's lookback."""

from __future__ import annotations

import torch
from torch import Tensor

from lstmctl.data.calendar import feature_names
from lstmctl.data.series_encoding import SeriesEncoding
from lstmctl.models.forecaster import Ensemble
from lstmctl.protocols import ModelState
from lstmctl.tasks.inspection_input import InspectionInput
from lstmctl.tasks.series_predictor import SeriesPredictor
from lstmctl.tasks.series_windows import SeriesPart


def windows_to_inspect(
    predictor: SeriesPredictor, encoding: SeriesEncoding, model: Ensemble, part: SeriesPart, amount: int
) -> InspectionInput:
    """Return windows evenly spread over a part, one lane each, or one per channel if channels are independent.

    A lane's loss is the mean loss of its forecast over the horizon, without missing values. Steps after the lookback
    are part of the loss and are not shown. About `amount` steps are read in all.
    """
    member = model.each()[0]
    segment, rows = member.sizes.segment, member.sizes.lookback
    segments = rows // segment
    count = min(len(part), max(1, amount // (segments * member.sequences)))
    batch = part.observed(torch.linspace(0, len(part) - 1, count, device=part.rows.device).long())
    window, shift, scale = predictor.window(model, batch)
    target = batch.target.to(shift)

    def loss(outputs: Tensor, state: ModelState) -> Tensor:
        read = predictor.read(member.after_lookback(window, outputs, state), shift, scale)
        seen = ~target.isnan()
        each = torch.where(seen, predictor.likelihood.loss(read, target.nan_to_num()), 0)
        if member.sequences == 1:
            return each.sum((0, 2)) / seen.sum((0, 2)).clamp(min=1)
        return (each.sum(0) / seen.sum(0).clamp(min=1)).flatten()

    def properties() -> dict[str, Tensor]:
        means = window.values.unflatten(0, (segments, segment)).mean(1)  # (segments, batch, channels)
        lanes = member.sequences
        if lanes == 1:
            found = {f"{name}, mean of the segment": means[..., place] for place, name in enumerate(encoding.targets)}
        else:
            found = {"its channel, mean of the segment": means.flatten(1)}
        begins = window.known[:rows:segment].repeat_interleave(lanes, dim=1)
        numbers = [name for name in encoding.known if name not in encoding.categories]
        found |= {name: begins[..., place] for place, name in enumerate([*numbers, *feature_names(encoding.calendar)])}
        position = torch.arange(segments, device=means.device).unsqueeze(1)
        found["position in the window"] = position.expand(segments, means.shape[1] * lanes).to(means)
        return found

    return InspectionInput(
        recurrence=member.recurrence,
        input=member.lookback(window),
        symbols=tuple(f"−{rows - place * segment}" for place in range(segments)),
        step=f"segments of {segment:,} rows, by their first row counted from the first one to forecast",
        loss=loss,
        properties=properties,
        carried=False,
    )
