"""Compare derived configs with baselines: for each table or text, the score of the run and of its best baseline.

    python benchmarks/own_files.py FILE… [--set KEY=VALUE …] [--time TIME] [--jobs N]

Prints, for each file, the run's MASE (or the primary metric of other tasks), its ratio to the best baseline's, every
baseline's, the coverage of the 80 % interval with its number of windows, and the seconds from the command to the end;
then the median ratio. For a file that cannot be used, its error is printed.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path


def row(file: str, settings: Sequence[str], time_given: str | None, folder: str) -> tuple[str, float | None, str]:
    import os

    os.environ["LSTMCTL_RUNS"] = folder
    from lstmctl import LstmctlError, train
    from lstmctl.metrics import metric
    from lstmctl.reporting.stored_evaluation import read_evaluation

    begun = time.monotonic()
    try:
        run = train(file, settings, time=time_given)
    except LstmctlError as error:
        return file, None, f"{type(error).__name__}: {error} (hint: {error.hint})"
    stored = read_evaluation(run.path)
    assert stored is not None
    found = stored.evaluation
    name = "mase" if "mase" in found.metrics else found.primary
    own = found.metrics[name]
    others = {of: values[name] for of, values in found.baselines.items() if name in values}
    if name == "nats_per_byte" and "nats_per_character" in found.metrics:
        name, own = "nats_per_character", found.metrics["nats_per_character"]
        others = {of: values[name] for of, values in found.baselines.items()}
    best = (min if metric(name).sign > 0 else max)(others, key=lambda of: others[of])
    better, worse = (others[best], own) if metric(name).sign > 0 else (own, others[best])
    ratio = worse / better if better else 1.0 if worse == better else float("inf")
    covered = found.metrics.get("coverage_80")
    parts = [f"{own:.4f} {name}", f"ratio {ratio:.3f}", "baselines"]
    parts[-1] += "".join(f" {of} {value:.4f}" for of, value in sorted(others.items(), key=lambda each: each[1]))
    if covered is not None:
        parts.append(f"coverage of 80 % {100 * covered:.0f} % over {found.windows:,} windows")
    parts.append(f"{time.monotonic() - begun:.0f} s")
    parts += [note for note in found.notes if note.startswith("The forecast is")]
    return file, ratio, " · ".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+")
    parser.add_argument("--set", nargs="*", default=["threads=1"], help="settings for every file")
    parser.add_argument("--time", help="training time to derive budgets for; default: that of lstmctl train")
    parser.add_argument("--jobs", type=int, default=1)
    given = parser.parse_args()
    ratios = []
    with tempfile.TemporaryDirectory() as folder, ProcessPoolExecutor(given.jobs) as pool:
        for found in [pool.submit(row, file, given.set, given.time, folder) for file in given.files]:
            file, ratio, text = found.result()
            print(f"{Path(file).name:<24} {text}", flush=True)
            if ratio is not None:
                ratios.append(ratio)
    print(f"median ratio {statistics.median(ratios):.3f}, worst {max(ratios):.3f}, of {len(ratios)} files")


if __name__ == "__main__":
    main()
