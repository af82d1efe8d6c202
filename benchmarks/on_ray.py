"""A comparison of 12 runs on a Ray cluster of three nodes on this machine, one of which is killed in the middle.

usage: python benchmarks/on_ray.py [--steps 150]

It prints whether the weights and metrics are those of `--jobs 1`, how often each run ended, the overhead of Ray per
run, and the seconds from the command to the first step; where `unshare` may hide a folder from a node, also the
overhead of a run that is sent to its node and back.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from ray.cluster_utils import Cluster

from lstmctl.comparison import compare
from lstmctl.events import ComparisonEvent, RunBegan, RunEnded, RunEvent, Stepped
from lstmctl.results.comparison import Comparison

CONFIG = """\
task: {{type: language-model, shape: many-to-many}}
data: {{text: small.txt}}
model: {{cell: lstm, hidden: 24, layers: 1, embedding: 8}}
training: {{budget: {steps} steps, batch: 8, window: 32, learning_rate: 1e-2, evaluate_every: 100, save_every: 25,
  sample_every: 1000, precision: float32}}
threads: 1
"""
CELLS, SEEDS = ["rnn", "lstm", "gru"], 4
MEMORY = 80_000_000


class Followed:
    """The events of a comparison, with the time of the first step."""

    def __init__(self) -> None:
        self.start, self.first_step = time.perf_counter(), 0.0
        self.began: list[str] = []
        self.ended: list[str] = []
        self.seconds = 0.0

    def __call__(self, event: ComparisonEvent) -> None:
        if isinstance(event, RunBegan):
            self.began.append(event.run)
        elif isinstance(event, RunEnded):
            self.ended.append(event.run)
            self.seconds = time.perf_counter() - self.start
        elif isinstance(event, RunEvent) and isinstance(event.event, Stepped) and not self.first_step:
            self.first_step = time.perf_counter() - self.start

    def report(self, how: str) -> None:
        runs = len(self.ended)
        seconds = (self.seconds - self.first_step) / runs
        print(
            f"{how}: first step after {self.first_step:.1f} s, then {seconds:.2f} s for each of {runs} runs", flush=True
        )


class Killing(Followed):
    """Kills a node once five runs have ended."""

    def __init__(self, cluster: Cluster, node: Any) -> None:
        super().__init__()
        self.cluster, self.node = cluster, node
        self.killed_after = 0

    def __call__(self, event: ComparisonEvent) -> None:
        super().__call__(event)
        if not self.killed_after and len(self.ended) == 5 and isinstance(event, RunEvent):
            self.killed_after = len(self.ended)
            self.cluster.remove_node(self.node, allow_graceful=False)


def made(observe: Followed, cells: list[str] = CELLS, **where: Any) -> Comparison:
    return compare(cells, "small.yaml", seeds=SEEDS, observe=observe, **where)


def results(comparison: Comparison) -> dict[str, Any]:
    """The metrics and the weights of every run."""
    found = {}
    for arm in comparison.arms:
        for run in arm.runs:
            folder = Path(comparison.path) / run.name
            info = json.loads((folder / "run.json").read_text())
            found[run.name] = info["metrics"], (folder / "best.safetensors").read_bytes()
    return found


def made_away(alone: Comparison, folder: Path) -> None:
    """Compare on a node that does not see the folder, and print what that takes."""
    hide = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs tmpfs "$0" && cd / && exec "$@"', str(folder)]
    if shutil.which("unshare") is None or subprocess.run([*hide, "true"], capture_output=True, check=False).returncode:
        print("no folder may be hidden from a node here: runs without a shared folder are not measured")
        return
    cluster = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 0, "object_store_memory": MEMORY, "include_dashboard": False},
    )
    start = [sys.executable, "-m", "ray.scripts.scripts", "start", f"--address={cluster.address}", "--num-cpus=1"]
    with tempfile.TemporaryDirectory() as cache:
        node = subprocess.Popen(
            [*hide, *start, f"--object-store-memory={MEMORY}", "--block"],
            env={**os.environ, "LSTMCTL_CACHE": cache},
            stdout=subprocess.DEVNULL,
        )
        try:
            time.sleep(20)  # for the node to join
            os.environ["RAY_ADDRESS"] = cluster.address
            away = Followed()
            second = made(away, ["lstm"], on="ray", jobs=1)
            away.report("--on ray --jobs 1, without a shared folder")
            lstm = {name: made for name, made in results(alone).items() if name.startswith("lstm")}
            print(f"same metrics and weights as with --jobs 1: {lstm == results(second)}")
        finally:
            cluster.shutdown()
            node.wait(60)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=150)
    asked = parser.parse_args()
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1"}
    logging.basicConfig(level=logging.WARNING, format="  %(message)s")
    with tempfile.TemporaryDirectory() as name:
        os.chdir(name)
        Path("small.txt").write_text("Ann sees the sea. Bob likes two birds. Cyr finds a tree.\n" * 300)
        Path("small.yaml").write_text(CONFIG.format(steps=asked.steps))
        alone, one_by_one = Followed(), Followed()
        first = made(alone)
        alone.report("--jobs 1")
        lstm = Followed()
        made(lstm, ["lstm"])
        lstm.report("--jobs 1, the LSTM alone")
        limits = {"num_cpus": 1, "object_store_memory": MEMORY, "include_dashboard": False}
        cluster = Cluster(initialize_head=True, head_node_args=limits)
        try:
            os.environ["RAY_ADDRESS"] = cluster.address
            made(one_by_one, ["lstm"], on="ray", jobs=1)
            one_by_one.report("--on ray --jobs 1, on a cluster that has just started")
            again = Followed()
            made(again, ["lstm"], on="ray", jobs=1)
            again.report("--on ray --jobs 1, again")
            nodes = [cluster.add_node(num_cpus=1, object_store_memory=MEMORY) for _ in range(2)]
            cluster.wait_for_nodes()
            killing = Killing(cluster, nodes[0])
            second = made(killing, on="ray")
            killing.report("--on ray, with the loss")
        finally:
            cluster.shutdown()
        print(f"{len(killing.ended)} runs on three nodes, one killed after {killing.killed_after} of them")
        print(f"same metrics and weights as with --jobs 1: {results(first) == results(second)}")
        print(f"every run ended once: {sorted(killing.ended) == sorted(alone.ended)}")
        made_away(first, Path(name))


if __name__ == "__main__":
    main()
