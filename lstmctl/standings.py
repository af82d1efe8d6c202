"""The standing of several models over several tests, with intervals of a bootstrap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lstmctl.results.bench import Estimate, Standing

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DRAWS = 2000


def standings(skills: Mapping[str, Mapping[str, Sequence[float]]]) -> tuple[Standing, ...]:
    """Return the mean skill, win rate and mean rank of every model, the best rank first.

    Intervals contain 95 % of `DRAWS` bootstrap samples. Each draws the same number of tests with replacement, and for
    each test the same number of seeds. So they show how much the standing depends on the choice of tests and on seeds.

    Args:
        skills: by model and test, the skill of each seed; every model has the same tests.
    """
    import numpy as np

    models = list(skills)
    tests = list(skills[models[0]])
    values = [[np.asarray(skills[model][test], float) for test in tests] for model in models]
    means = np.array([[seeds.mean() for seeds in of_model] for of_model in values])
    observed = _measured(means)
    random = np.random.default_rng(0)
    drawn = np.empty((DRAWS, *observed.shape))
    for draw in range(DRAWS):
        places = random.integers(0, len(tests), len(tests))
        again = [
            [random.choice(of_model[place], len(of_model[place])).mean() for place in places] for of_model in values
        ]
        drawn[draw] = _measured(np.array(again))
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    ends = np.stack([observed, low, high], axis=-1).tolist()  # (3, models, 3)
    found = [Standing(model, *(Estimate(*of[place]) for of in ends)) for place, model in enumerate(models)]
    return tuple(sorted(found, key=lambda standing: (standing.rank.value, -standing.skill.value)))


def _measured(means: NDArray[np.float64]) -> NDArray[Any]:
    """Return (3, models): the mean skill, the win rate and the mean rank, from mean skills (models, tests)."""
    import numpy as np

    others = means[:, None] - means[None]
    wins = (others > 0) + 0.5 * (others == 0)  # (models, models, tests), a half against oneself
    count = len(means)
    against = wins.sum(1) - 0.5
    rate = against.mean(1) / (count - 1) if count > 1 else np.full(count, 0.5)
    found: NDArray[Any] = np.stack([means.mean(1), rate, (count - against).mean(1)])
    return found
