"""Find the learning rate that suits each cell on the bundled text, at the budget and sizes of the default comparison.

python benchmarks/default_learning_rate.py --cells rnn lstm --rates 4e-3 8e-3

Each combination is one run of one seed, scored on the validation part; parameters are matched as `compare` does.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile

import torch

from lstmctl import train
from lstmctl.comparison.arms import arms_of
from lstmctl.comparison.comparing import DEFAULT
from lstmctl.comparison.planning import make_plan
from lstmctl.config import load


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", nargs="+", default=["rnn", "lstm", "gru"])
    parser.add_argument("--rates", nargs="+", default=["2e-3", "4e-3", "6e-3", "8e-3", "16e-3"])
    arguments = parser.parse_args()
    config, overrides = DEFAULT
    arms = arms_of(arguments.cells, [])
    plan = make_plan(
        load(config, overrides), arms, [()], seeds=1, match="parameters", overrides=overrides, command=__file__
    )
    settings = [plan.arm(arm.name).candidates[0].settings for arm in arms]
    print(f"Python {platform.python_version()}, torch {torch.__version__}, {os.cpu_count()} cores, {plan.precision}\n")
    print(f"| learning rate | {' | '.join(f'{each.model.cell}, {each.model.hidden} units' for each in settings)} |")
    print("| --- |" + " --- |" * len(settings))
    with tempfile.TemporaryDirectory() as folder:
        os.environ["LSTMCTL_RUNS"] = folder
        for rate in arguments.rates:
            own = [f"training.learning_rate={rate}", f"training.precision={plan.precision}"]
            runs = [train(each.model_dump(mode="json"), own) for each in settings]
            values = [run.metrics["validation"] or {} for run in runs]
            print(f"| {rate} | {' | '.join(f'{value[plan.primary]:.3f}' for value in values)} |", flush=True)


if __name__ == "__main__":
    main()
