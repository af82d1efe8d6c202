"""Kill a run that saves at every step, again and again, and check that its result is the same as without kills.

After each kill, the checkpoint that `last` names must be intact. Each run that was killed and resumed to its end must
equal, bit for bit, one that was never killed. The exit status is 1 if one does not.

    python benchmarks/kill_sweep.py --kills 200
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

import disturbing
import torch

from lstmctl.errors import RunError
from lstmctl.runs.checkpoint_files import read_checkpoint
from lstmctl.runs.checkpoints import Checkpoints


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--steps", type=int, default=60, help="of one run")
    parser.add_argument("--longest", type=float, default=0.04, help="seconds from a first step to a kill")
    parser.add_argument("--cell", default="lstm")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    draw = random.Random(arguments.seed)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        text = Path(folder) / "small.txt"
        disturbing.write_text(text)
        config = disturbing.settings(text, arguments.cell, arguments.steps, save_every=1, evaluate_every=20)
        undisturbed = disturbing.next_run(arguments.cell)
        if disturbing.Child(disturbing.train(config)).wait() != 0:
            return 1
        expected = disturbing.left_by(undisturbed)
        kills, within_a_save, unsound, runs, different = 0, 0, 0, 0, 0
        while kills < arguments.kills:
            run = disturbing.next_run(arguments.cell)
            runs += 1
            child = disturbing.Child(disturbing.train(config))
            window, saved = arguments.longest, -1
            while True:
                # Until its first step a process only reads; then it does little else than save.
                next((event for event in child.events() if event[0] == "step"), None)
                time.sleep(draw.uniform(0, window))
                child.signal(signal.SIGKILL)
                if (code := child.wait()) == 0:
                    break
                if code != -signal.SIGKILL:
                    return 1
                kills += 1
                within_a_save += _was_saving(run)
                unsound += not _is_sound(run)
                # An evaluation takes longer than a step and a save: give a process that got no further more time.
                before, saved = saved, Checkpoints(run).pointers().get("last", -1)
                window = arguments.longest if saved > before else 2 * window
                child = disturbing.Child(disturbing.resume(run))
                if kills >= arguments.kills:
                    if child.wait() != 0:
                        return 1
                    break
            different += disturbing.left_by(run) != expected
        os.chdir("/")
    print(
        f"torch {torch.__version__}, {os.cpu_count()} cores, {platform.machine()}; "
        f"{arguments.cell}, {arguments.steps} steps, a save at each"
    )
    print(f"kills {kills}, of these within a save {within_a_save}, unsound checkpoints {unsound}")
    print(f"runs {runs}, of these not equal to the undisturbed one {different}")
    return int(unsound > 0 or different > 0)


def _was_saving(run: Path) -> bool:
    """Return True if a kill left something incomplete: a temporary file, or a step that no pointer names."""
    checkpoints = Checkpoints(run)
    named = {f"step-{step}" for step in checkpoints.pointers().values()}
    return any(run.rglob(".*.tmp-*")) or {path.name for path in checkpoints.folder.glob("step-*")} != named


def _is_sound(run: Path) -> bool:
    try:
        checkpoints = Checkpoints(run)
        read_checkpoint(checkpoints.folder / f"step-{checkpoints.pointers()['last']}")
    except (RunError, KeyError) as error:
        print(error, file=sys.stderr)
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
