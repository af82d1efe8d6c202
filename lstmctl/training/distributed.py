"""Several processes, on one machine or several, that train one model together, started by `torchrun`.

Every process computes the whole batch of a step, which is a pure function of the step, and takes its own lanes: of B
lanes, process r of W takes r·B/W to (r+1)·B/W in every step. Each process divides its gradient by the number of targets
in the whole batch, and the gradient of a step is the sum over processes; so gradient and weights are the same as
in a single process, whatever the lanes contain.

Each step sends one flat buffer with one `all_reduce` instead of using `DistributedDataParallel`. A recurrence's
gradients are known only at the end of backpropagation through time, so DDP could not overlap communication with
computation; these models fill about one of its buckets; and DDP averages means, whereas here sums remain sums.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed import PrefixStore, TCPStore  # type: ignore[attr-defined]

from lstmctl.errors import LstmctlError, RunError, UsageError
from lstmctl.protocols import Batch

Result = TypeVar("Result")

LONGEST_WAIT = timedelta(hours=1)
"""Timeout for a process that neither ends nor answers: the others wait while the first evaluates or writes. A process
that ended is noticed at once."""
SECONDS_TO_TELL = 2.0
"""Time for the first process to report an error that all processes may have hit."""
SECONDS_BETWEEN_WORDS = 0.25
"""Interval at which the processes agree on whether to stop."""
MOST_STEPS_BETWEEN_WORDS = 1000


class Processes:
    """The processes that train together. A single process sends nothing and never waits.

    Data is sent as numbers and JSON, never as pickles.

    Args:
        rank: rank of this process, from 0.
        size: number of processes.

    Raises:
        LstmctlError: from any method that communicates, when another process has ended.
    """

    def __init__(self, rank: int = 0, size: int = 1) -> None:
        self.rank, self.size = rank, size

    @property
    def first(self) -> bool:
        """True for the process that writes, evaluates and reports for all."""
        return self.rank == 0

    @property
    def local_rank(self) -> int | None:
        """Rank of this process on its machine; None if it is the only process."""
        return None if self.size == 1 else int(os.environ.get("LOCAL_RANK", self.rank))

    @property
    def stream(self) -> tuple[int, ...]:
        """Suffix, after the step, of the names of random streams that each process draws from for its own lanes."""
        return () if self.size == 1 else (self.rank,)

    def share(self, batch: Batch) -> Batch:
        """Return this process's lanes of a batch."""
        return batch if self.size == 1 else batch.part(*self._bounds(batch.lanes))

    def own_lanes(self, state: Tensor) -> Tensor:
        """Return this process's lanes of a complete state (batch, …)."""
        start, stop = self._bounds(len(state))
        return state[start:stop]

    def all_lanes(self, state: Tensor) -> Tensor:
        """Gather the state (batch, …) of all lanes, in order, from all processes."""
        if self.size == 1:
            return state
        parts = [torch.empty_like(state) for _ in range(self.size)]
        with _others_may_be_gone():
            dist.all_gather(parts, state.contiguous())
        return torch.cat(parts)

    def add_up(self, parameters: Sequence[nn.Parameter], losses: Tensor) -> Tensor:
        """Sum every gradient over all processes in place, and return the sum of `losses`, a float64 scalar.

        Everything is sent as one buffer, in the type of the weights. The order of summation is the library's, and is
        always the same for a given number of processes.
        """
        if self.size == 1:
            return losses
        # A weight without a gradient here may have one in another process.
        grads = [torch.zeros_like(weight) if weight.grad is None else weight.grad for weight in parameters]
        flat = torch.cat([*(grad.flatten() for grad in grads), losses.to(grads[0]).view(1)])
        with _others_may_be_gone():
            dist.all_reduce(flat)
        *summed, total = flat.split([*(grad.numel() for grad in grads), 1])
        for weight, grad in zip(parameters, summed, strict=True):
            weight.grad = grad.view_as(weight)
        summed_losses: Tensor = total[0].to(losses)
        return summed_losses

    def take_weights(self, model: nn.Module) -> None:
        """Copy the first process's weights to all: on another processor, the drawn weights may differ in the last
        bit."""
        if self.size > 1:
            with _others_may_be_gone():
                for weight in model.state_dict().values():
                    dist.broadcast(weight, 0)

    def have_the_same(self, weights: Sequence[Tensor]) -> bool:
        """Return whether these weights are identical, bit for bit, in all processes."""
        if self.size == 1:
            return True
        whole = {4: torch.int32, 8: torch.int64}
        bits = sum(int(weight.detach().view(whole[weight.element_size()]).sum()) for weight in weights) % (1 << 62)
        largest, smallest = self._largest(bits, -bits)
        return largest == -smallest

    def from_first(self, compute: Callable[[], Result]) -> Result:
        """Call `compute` in the first process only, and return its result, which must be JSON, in all."""
        if self.size == 1:
            return compute()
        content = json.dumps(compute(), default=float).encode() if self.first else b""
        with _others_may_be_gone():
            length = torch.tensor(len(content))
            dist.broadcast(length, 0)
            data = torch.tensor(list(content), dtype=torch.uint8) if self.first else torch.empty(int(length)).byte()
            dist.broadcast(data, 0)
        result: Result = json.loads(bytes(data.tolist()))
        return result

    def first_before_others(self, do: Callable[[], Result]) -> Result:
        """Call `do` in each process and return its result; the first process finishes before the others start, so that
        they find its results in a cache."""
        if not self.first:
            self.from_first(lambda: None)
            return do()
        result = do()
        self.from_first(lambda: None)
        return result

    def check_same(self, facts: Mapping[str, Any]) -> None:
        """Raise RunError if a fact, which must be JSON, differs from the first process's."""
        for name, expected in self.from_first(lambda: dict(facts)).items():
            if facts[name] != expected:
                raise RunError(
                    f"{name} of process {self.rank} is {facts[name]}, but {expected} in the first process",
                    hint="use the same program, config and data on every machine",
                )

    def part(self) -> None:
        """Wait for all processes to arrive here, then leave the group: each continues alone."""
        if self.size > 1:
            self.from_first(lambda: None)
            dist.destroy_process_group()

    def _bounds(self, lanes: int) -> tuple[int, int]:
        if lanes % self.size:
            raise RunError(f"{lanes} lanes cannot be divided evenly among {self.size} processes")
        return self.rank * lanes // self.size, (self.rank + 1) * lanes // self.size

    def _largest(self, *numbers: int) -> list[int]:
        """Return, for each number, the largest over all processes."""
        said = torch.tensor(numbers)
        with _others_may_be_gone():
            dist.all_reduce(said, dist.ReduceOp.MAX)
        return [int(number) for number in said]


ALONE = Processes()


class Agreement:
    """Joint decisions that depend on a clock or a signal, made by all processes after the same step.

    The processes communicate about four times a second, at steps that the first one sets each time, instead of at every
    step: each exchange costs a round trip, and a GPU should not be waited for.
    """

    def __init__(self, processes: Processes) -> None:
        self.processes = processes
        self._asked, self._asked_at, self._next = 0, time.monotonic(), 0

    def __call__(self, step: int, stop: bool, save: bool) -> tuple[bool, bool]:
        """Return (stop, save): stop if any process was asked to stop, save if the first one wants to."""
        if self.processes.size == 1:
            return stop, save
        if step < self._next:
            return False, False
        now = time.monotonic()
        pace = (step - self._asked) / max(now - self._asked_at, 1e-6)
        ahead = min(max(1, int(pace * SECONDS_BETWEEN_WORDS)), MOST_STEPS_BETWEEN_WORDS)
        first = self.processes.first
        any_stop, any_save, ahead = self.processes._largest(stop, first and save, ahead if first else 0)
        self._asked, self._asked_at, self._next = step, now, step + ahead
        return bool(any_stop), bool(any_save)


_joined: Processes | None = None


@contextmanager
def joined() -> Iterator[Processes]:
    """Join the processes started by `torchrun`, as described by its environment variables; without them, stay alone.

    If an error leaves this context, only one process reports it: the first to hit one raises it, and the others exit
    quietly. Nested uses return the same `Processes`.

    Raises:
        LstmctlError: the others cannot be reached.
        SystemExit: another process reports the error.
    """
    global _joined
    size = int(os.environ.get("WORLD_SIZE", "1")) if "RANK" in os.environ else 1
    if _joined is not None or size == 1:
        yield _joined or ALONE
        return
    _joined = Processes(int(os.environ["RANK"]), size)
    store = _join(_joined)
    before = logging.root.manager.disable
    if not _joined.first:
        logging.disable(logging.WARNING)  # only the first process warns
    try:
        yield _joined
    except UsageError:
        raise  # raised by all processes before any work; the command line reports it once
    except Exception as error:
        if not _is_mine_to_tell(store, _joined):
            raise SystemExit(getattr(error, "exit_code", 1)) from None
        raise
    finally:
        logging.disable(before)
        _joined = None
        _leave()


def _leave() -> None:
    """End the threads that communicate with the other processes: they must not outlive the program.

    A group on GPUs is kept: ending it would wait for the other processes, which may have failed."""
    if dist.is_initialized() and not torch.cuda.is_available():
        with suppress(RuntimeError):
            dist.destroy_process_group()


def launch() -> str | None:
    """Return the name of this `torchrun` job, which stays the same across restarts; None if it has none.

    Raises:
        RunError: the processes were restarted, and without a job name it is unknown which run they had started.
    """
    name = os.environ.get("TORCHELASTIC_RUN_ID")
    if name != "none":  # torchrun's default name
        return name
    if restarts():
        raise RunError(
            "torchrun restarted the processes, but the job has no name, so the run they had started is unknown",
            hint="continue it with lstmctl train --resume RUN; next time, name the job: torchrun --rdzv-id=NAME",
        )
    return None


def restarts() -> int:
    """Return how many times `torchrun` has restarted its processes."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"))


def _join(processes: Processes) -> PrefixStore:
    """Create the process group, and return a store that every process can reach as long as any of them runs."""
    env = os.environ
    loopback = {"linux": "lo", "darwin": "lo0"}.get(sys.platform)
    if loopback is not None and env.get("LOCAL_WORLD_SIZE") == env["WORLD_SIZE"]:
        # All processes are on this machine, so keep their traffic off the network.
        env.setdefault("GLOO_SOCKET_IFNAME", loopback)
    hosted = env.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    # Tensors on the CPU, including all decisions, are sent by gloo, whatever the weights use.
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() and dist.is_nccl_available() else "gloo"
    try:
        server = TCPStore(
            env["MASTER_ADDR"],
            int(env["MASTER_PORT"]),
            processes.size,
            is_master=processes.first and not hosted,
            timeout=LONGEST_WAIT,
        )
        store = PrefixStore(f"lstmctl/{restarts()}", server)
        dist.init_process_group(
            backend, store=store, rank=processes.rank, world_size=processes.size, timeout=LONGEST_WAIT
        )
    except (KeyError, ValueError, RuntimeError) as error:
        raise LstmctlError(
            f"process {processes.rank} cannot join the others: {str(error).partition(chr(10))[0]}",
            hint="start the processes with torchrun, which sets the variables they need",
        ) from error
    return store


def _is_mine_to_tell(store: PrefixStore, processes: Processes) -> bool:
    """Return True if this process should report its error: no other process has done so or is about to."""
    try:
        waited_until = time.monotonic() + SECONDS_TO_TELL
        # The first process knows most (the run folder, the latest checkpoint), so the others let it report first.
        while not processes.first and not store.check(["told"]) and time.monotonic() < waited_until:
            time.sleep(0.05)
        return bool(store.add("told", 1) == 1)
    except RuntimeError:  # the store is gone, and with it the launcher
        return processes.first


@contextmanager
def _others_may_be_gone() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise LstmctlError(
            "another process of this training run ended or cannot be reached",
            hint="see the output of torchrun and of the other process for the reason",
        ) from error
