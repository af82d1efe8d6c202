"""Leave models out of a run's predictions."""

from __future__ import annotations

from collections.abc import Collection
from copy import copy
from typing import NamedTuple

from lstmctl.api.trained import Trained
from lstmctl.data.splitting import reported_part
from lstmctl.errors import UsageError
from lstmctl.results.exported import LeftOut


class Lessened(NamedTuple):
    """A run without some of the models in its predictions, and its score with and without them."""

    run: Trained
    left_out: LeftOut | None


def lessened(run: Trained, names: Collection[str]) -> Lessened:
    """Leave models out of a run's predictions; score the run with and without them on its held-out data.

    The shares of the others grow until they are 1 in all, and intervals are calibrated again.

    Args:
        run: remains unchanged.
        names: names of models that have a share.

    Raises:
        UsageError: one of them has no share in the run's predictions.
        DataError: the run's data is missing or has changed.
    """
    if not names:
        return Lessened(run, None)
    known = run.task.mixed_in
    if unknown := [name for name in names if name not in known]:
        having = f"besides the network, they contain {', '.join(known)}" if known else "they are the network's alone"
        raise UsageError(f"the predictions of {run.name} contain no {' and no '.join(unknown)}; {having}")
    corpus, model = run.corpus(), run.model
    less = copy(run)
    less.task = run.task.without(names)
    less.task.calibrate(model, corpus, run.device)
    part, metric = reported_part(corpus.parts), run.task.primary
    whole, rest = (float(one.score(corpus, part).metrics[metric.name]) for one in (run, less))
    shares = {name: known[name] for name in known if name in names}
    return Lessened(less, LeftOut(shares, metric.name, part, with_them=whole, without_them=rest))
