"""A recurrence over the channels of a forecast, which corrects the forecasts of all channels jointly.

After xLSTM-Mixer (Kraus, Divo, Dhami & Kersting 2024, xLSTM-Mixer: Multivariate time series forecasting by mixing via
scalar memories): the sequence runs over the channels, and each step is the vector of one channel's forecast, after a
first step that is learned. The recurrence reads two views, one with the elements of each vector in reverse order; a
linear map of both outputs is added to the channel's forecast. In both views, a channel therefore depends on the
channels before it in the table. xLSTM-Mixer refines a linear forecast; this module refines any forecast.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from lstmctl.models.initialisation import initialise
from lstmctl.models.recurrence import Recurrence


class Refinement(nn.Module):
    """Adds a correction, at first 0, to the outputs of all channels.

    Args:
        values: outputs per channel, over the whole horizon.
        make_recurrence: builds a stack for a number of inputs.
        embedding: width of the vector of a channel's forecast.
    """

    def __init__(self, values: int, make_recurrence: Callable[[int], Recurrence], embedding: int) -> None:
        super().__init__()
        self.input_map = nn.Linear(values, embedding)
        self.begin = nn.Parameter(torch.empty(embedding))
        self.recurrence = make_recurrence(embedding)
        self.head = nn.Linear(2 * self.recurrence.outputs, values)

    def initialise(self, generator: torch.Generator) -> None:
        """Draw the weights from `generator`: the map uniform in ±1/√inputs, the first step standard normal."""
        initialise(generator, self.recurrence, self.input_map)
        with torch.no_grad():
            self.begin.normal_(generator=generator)
        self.begin_as_identity()

    def begin_as_identity(self) -> None:
        """Set the correction to 0."""
        with torch.no_grad():
            self.head.weight.zero_()
            self.head.bias.zero_()

    def forward(self, outputs: Tensor) -> Tensor:
        """Map outputs (horizon, batch, channels, outputs) to corrected ones."""
        horizon, batch, channels, each = outputs.shape
        vectors = self.input_map(outputs.permute(2, 1, 0, 3).reshape(channels, batch, horizon * each))
        steps = torch.cat([self.begin.expand(1, batch, -1), vectors])
        views = torch.cat([steps, steps.flip(-1)], dim=1)
        hidden, _ = self.recurrence(views, self.recurrence.initial_state(2 * batch, views))
        correction = self.head(torch.cat(hidden[1:].chunk(2, dim=1), dim=-1))
        refined: Tensor = outputs + correction.view(channels, batch, horizon, each).permute(2, 1, 0, 3)
        return refined
