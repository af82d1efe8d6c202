"""Coverage and width of a forecaster's intervals by channel: calibrated, adaptive over every origin, and the seasonal
naive forecast's.

python benchmarks/interval_quality.py [--run RUN]

RUN is a forecaster with a test part, such as a run of `lstmctl train etth1`; by default the newest.
"""

from __future__ import annotations

import argparse

import lstmctl


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", default=None)
    run = lstmctl.load_run(parser.parse_args().run, task="forecast")
    evaluation = run.evaluate("test")
    kinds = {
        "calibrated": evaluation.by_channel["run"],
        "adaptive": run.backtest(stride=1).scores["adaptive"].by_channel,
        "seasonal naive": evaluation.by_channel.get("seasonal naive", {}),
    }
    levels = run.settings.task.levels  # type: ignore[union-attr]
    print(f"{run.name}, {evaluation.windows:,} windows of the test part\n")
    columns = [f"{kind} {level} %" for kind in kinds for level in levels]
    print(f"| channel | {' | '.join(columns)} |\n| --- |{' --- |' * len(columns)}")
    for channel in evaluation.by_channel["run"]:
        cells = [
            f"{figures[channel][f'coverage_{level}']:.3f}, {figures[channel][f'width_{level}']:.2f}"
            if channel in figures
            else ""
            for figures in kinds.values()
            for level in levels
        ]
        print(f"| {channel} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
