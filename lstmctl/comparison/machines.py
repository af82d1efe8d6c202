"""The machines of a study: processes here, GPUs here, or a Ray cluster."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from lstmctl.comparison.execution import Executor
from lstmctl.comparison.plan import Match
from lstmctl.comparison.processes import VISIBLE, Processes
from lstmctl.errors import UsageError

EXAMPLE = "--devices cuda:0,cuda:1, or --devices all"


@dataclass(frozen=True)
class Machines:
    """The requested place for runs."""

    jobs: int | None = None
    """Runs in parallel: in all, or on each of `devices`; None for one, or on Ray for the number that fits."""
    devices: tuple[str, ...] = ()
    """GPUs of this machine, `cuda:0`, or `all`; empty to leave the choice to the runs."""
    on: str | None = None
    """`ray`, or the address of a cluster, `ray://HOST:PORT`; None for this machine."""

    def check(self, match: Match) -> None:
        """Raise UsageError if these machines do not suit the request."""
        if self.jobs is not None and self.jobs < 1:
            raise UsageError(f"--jobs {self.jobs}: 1 or more")
        if match == "time" and (self.at_once > 1 or self.on):
            raise UsageError("--match time needs --jobs 1: runs that share a machine slow each other down")
        if self.on is not None and self.devices:
            raise UsageError("--devices are those of this machine; on Ray, runs that need a GPU get one each")
        if self.on is not None:
            from lstmctl.comparison.on_ray import check_ray

            check_ray(self.on)

    @property
    def at_once(self) -> int:
        """The most runs at once on this machine."""
        return (self.jobs or 1) * max(1, len(self._gpus()))

    def words(self) -> list[str]:
        """Return the options that ask for these machines."""
        jobs = ["--jobs", str(self.jobs)] if self.jobs is not None and (self.jobs > 1 or self.on) else []
        devices = ["--devices", ",".join(self.devices)] if self.devices else []
        return [*jobs, *devices, *(["--on", self.on] if self.on is not None else [])]

    @contextmanager
    def executor(self) -> Iterator[Executor]:
        """Yield the executor; a cluster that was started for it ends with this context.

        Raises:
            ResourceError: the cluster cannot be reached.
        """
        if self.on is None:
            yield Processes(self.jobs or 1, self._gpus())
            return
        from lstmctl.comparison.on_ray import Cluster

        with Cluster(self.on, self.jobs) as cluster:
            yield cluster

    def _gpus(self) -> Sequence[str]:
        """Return the chosen GPUs as in `CUDA_VISIBLE_DEVICES`.

        Raises:
            UsageError: a GPU does not exist.
        """
        if not self.devices:
            return ()
        import torch

        count = torch.cuda.device_count()
        numbers = list(range(count)) if "all" in self.devices else [_number(text) for text in self.devices]
        if not numbers or max(numbers) >= count or len(set(numbers)) < len(numbers):
            there = f"this machine has {count}" if count else "this machine has no GPU that torch can use"
            raise UsageError(f"--devices {','.join(self.devices)}: {there}", hint="--jobs runs several on a CPU")
        known = [name.strip() for name in os.environ.get(VISIBLE, "").split(",") if name.strip()]
        return [known[number] if number < len(known) else str(number) for number in numbers]


def devices_of(text: str | None) -> tuple[str, ...]:
    """Return the devices in `cuda:0,cuda:1`."""
    return tuple(name.strip() for name in (text or "").split(",") if name.strip())


def _number(text: str) -> int:
    kind, _, number = text.partition(":")
    if kind != "cuda" or not number.isdecimal():
        raise UsageError(f"--devices {text}: not a GPU; {EXAMPLE}")
    return int(number)
