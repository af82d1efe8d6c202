"""Names of the columns that a forecaster's weights belong to, by which another run takes them over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lstmctl.config.schema import Forecast as ForecastSettings
from lstmctl.data.series_encoding import SeriesEncoding
from lstmctl.models.categories import width_of
from lstmctl.tasks.problem import Rows


def weight_names(
    settings: ForecastSettings, encoding: SeriesEncoding, outputs: int, *, masked: bool
) -> Mapping[str, Rows]:
    """Return the names of the rows or inputs of weights, by their names in a member of the ensemble.

    Args:
        settings: the config's `task`.
        encoding: the columns and their categories.
        outputs: numbers that the head has per value.
        masked: the network sees which values are missing.
    """
    joint, steps = settings.channels == "joint", settings.segment
    reach = settings.horizon if settings.shape == "many-to-one" else steps
    values = list(encoding.targets) if joint else ["value"]
    calendar = [f"{feature} {number}" for feature in encoding.calendar for number in (1, 2)]
    known = _inputs(encoding, encoding.known, calendar)
    seen = [f"{name} is known" for name in values] if masked else []
    read = [*values, *seen, *_inputs(encoding, encoding.past), *known]
    found = {
        "input_map.weight": Rows("input", read, times=steps, are_inputs=True),
        "decoder_map.weight": Rows("decoder input", [*values, *known], times=steps, are_inputs=True),
        "static_map.weight": Rows("static input", _inputs(encoding, encoding.static), are_inputs=True, optional=True),
        "future_map.weight": Rows("future input", known, times=reach, are_inputs=True, optional=True),
    }
    if joint:
        names = [f"{name} {number}" if outputs > 1 else name for name in values for number in range(outputs)]
        found["head.weight"] = found["head.bias"] = Rows("target", names, times=reach)
    else:
        found["channel"] = Rows("channel", encoding.targets, optional=True)
    for use, columns in categorical(encoding).items():
        for place, name in enumerate(columns):
            found[f"categories.{use}.vectors.{place}"] = Rows(f"`{name}` value", encoding.categories[name])
    return found


def categorical(encoding: SeriesEncoding) -> dict[str, list[str]]:
    """Return the columns with categories, by use."""
    uses = {"past": encoding.past, "known": encoding.known, "static": encoding.static}
    return {use: [name for name in names if encoding.categories.get(name)] for use, names in uses.items()}


def _inputs(encoding: SeriesEncoding, columns: Sequence[str], more: Sequence[str] = ()) -> list[str]:
    """Return names of the numbers that columns become, in the order of `CategoryVectors`."""
    counts = {name: len(encoding.categories.get(name, ())) for name in columns}
    vectors = [f"{name} {number}" for name, count in counts.items() if count for number in range(width_of(count))]
    return [*(name for name, count in counts.items() if not count), *more, *vectors]
