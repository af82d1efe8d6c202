"""Several processes, on one machine or on several, that train one model together: started by `torchrun`.

Every process makes the whole batch of a step, which is a pure function of the step, and takes lanes of its own from it:
of B lanes process r of W has r·B/W to (r+1)·B/W, in every step. The gradient of a step is the sum of what the processes
found, each over its own lanes and divided by the targets of the whole batch; so it is that of one process whatever the
lanes hold, and so are the weights after it.

What is sent in a step is one flat buffer, by one `all_reduce`, and not `DistributedDataParallel`: a recurrence's
gradients are only known at the end of the way back through time, so there is nothing to send early, which is what DDP
is for; these models fill about one of its buckets; and the sum stays a sum, where DDP takes a mean of means.
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
"""For a process that neither ends nor answers: the others wait while the first evaluates or writes. One that ended is
noticed at once."""
SECONDS_TO_TELL = 2.0
"""For the first process to tell of an error that all of them may have met."""
SECONDS_BETWEEN_WORDS = 0.25
"""How often the processes ask each other whether to stop."""
MOST_STEPS_BETWEEN_WORDS = 1000


class Processes:
    """The processes that train together. One alone sends nothing and waits for nobody.

    What is sent on the way goes as numbers and JSON, never as pickles.

    Args:
        rank: which this one is, from 0.
        size: how many there are.

    Raises:
        LstmctlError: from any method that talks to the others, when one of them has ended.
    """

    def __init__(self, rank: int = 0, size: int = 1) -> None:
        self.rank, self.size = rank, size

    @property
    def first(self) -> bool:
        """Whether this one writes, evaluates and speaks for all."""
        return self.rank == 0

    @property
    def local_rank(self) -> int | None:
        """Which this one is on its machine; None where it is alone."""
        return None if self.size == 1 else int(os.environ.get("LOCAL_RANK", self.rank))

    @property
    def stream(self) -> tuple[int, ...]:
        """What stands behind the step in the name of a stream that each process draws from for its own lanes."""
        return () if self.size == 1 else (self.rank,)

    def share(self, batch: Batch) -> Batch:
        """This process's lanes of a batch."""
        return batch if self.size == 1 else batch.part(*self._bounds(batch.lanes))

    def own_lanes(self, state: Tensor) -> Tensor:
        """This process's lanes of a state (batch, …) of all."""
        start, stop = self._bounds(len(state))
        return state[start:stop]

    def all_lanes(self, state: Tensor) -> Tensor:
        """The state (batch, …) of all lanes, in their order, from each process's own."""
        if self.size == 1:
            return state
        parts = [torch.empty_like(state) for _ in range(self.size)]
        with _others_may_be_gone():
            dist.all_gather(parts, state.contiguous())
        return torch.cat(parts)

    def add_up(self, parameters: Sequence[nn.Parameter], losses: Tensor) -> Tensor:
        """Put the sum over all processes into every gradient, and give that of `losses`, a float64 scalar.

        All of it goes as one buffer, in the type of the weights. The order of the sums is the library's, and the same
        each time for a number of processes.
        """
        if self.size == 1:
            return losses
        # A weight that this process's lanes did not reach may have been reached by another's.
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
        """Give every process the first one's weights: another kind of processor may have drawn others in a last bit."""
        if self.size > 1:
            with _others_may_be_gone():
                for weight in model.state_dict().values():
                    dist.broadcast(weight, 0)

    def have_the_same(self, weights: Sequence[Tensor]) -> bool:
        """Whether these weights are the same bits in every process."""
        if self.size == 1:
            return True
        whole = {4: torch.int32, 8: torch.int64}
        bits = sum(int(weight.detach().view(whole[weight.element_size()]).sum()) for weight in weights) % (1 << 62)
        largest, smallest = self._largest(bits, -bits)
        return largest == -smallest

    def from_first(self, compute: Callable[[], Result]) -> Result:
        """What `compute` gives in the first process, where alone it is called; it has to be JSON."""
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
        """What `do` gives in each process; in the first it is over before it begins in the others, which find what it
        has put into a cache."""
        if not self.first:
            self.from_first(lambda: None)
            return do()
        result = do()
        self.from_first(lambda: None)
        return result

    def check_same(self, facts: Mapping[str, Any]) -> None:
        """Raises RunError when a fact, which has to be JSON, is not what it is in the first process."""
        for name, expected in self.from_first(lambda: dict(facts)).items():
            if facts[name] != expected:
                raise RunError(
                    f"process {self.rank} has another {name} than the first: {facts[name]}, not {expected}",
                    hint="every machine needs the same program, config and data",
                )

    def part(self) -> None:
        """Wait for all to have got here, and go on as one that is alone: there is nothing left to do together."""
        if self.size > 1:
            self.from_first(lambda: None)
            dist.destroy_process_group()

    def _bounds(self, lanes: int) -> tuple[int, int]:
        if lanes % self.size:
            raise RunError(f"{lanes} lanes cannot be shared out among {self.size} processes")
        return self.rank * lanes // self.size, (self.rank + 1) * lanes // self.size

    def _largest(self, *numbers: int) -> list[int]:
        """For each number the largest that any process gave."""
        said = torch.tensor(numbers)
        with _others_may_be_gone():
            dist.all_reduce(said, dist.ReduceOp.MAX)
        return [int(number) for number in said]


ALONE = Processes()


class Agreement:
    """What is decided by a clock or a signal, decided for all after the same step.

    The processes ask each other some four times a second, at steps that the first one names each time, and not at
    every step: a question takes as long as the way there and back, and a GPU need not be waited for.
    """

    def __init__(self, processes: Processes) -> None:
        self.processes = processes
        self._asked, self._asked_at, self._next = 0, time.monotonic(), 0

    def __call__(self, step: int, stop: bool, save: bool) -> tuple[bool, bool]:
        """Whether to stop, as any process was told to, and whether to save, as the first one wants to."""
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
    """Join the others that `torchrun` has started, as its variables say; without any, this process is alone.

    Of an error that leaves this context, one process tells: it goes through in the first that meets one, and ends the
    others quietly. Inside of another `joined`, this is the same one.

    Raises:
        LstmctlError: the others cannot be reached.
        SystemExit: another process tells of the error.
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
        logging.disable(logging.WARNING)  # the first one warns
    try:
        yield _joined
    except UsageError:
        raise  # met by all, before they have done anything: the command line tells of it once
    except Exception as error:
        if not _is_mine_to_tell(store, _joined):
            raise SystemExit(getattr(error, "exit_code", 1)) from None
        raise
    finally:
        logging.disable(before)
        _joined = None
        _leave()


def _leave() -> None:
    """End the threads that talk to the others: they must not outlive the program that started them.

    A group on GPUs stays, because its end would wait for the others, which may have ended by an error."""
    if dist.is_initialized() and not torch.cuda.is_available():
        with suppress(RuntimeError):
            dist.destroy_process_group()


def launch() -> str | None:
    """What names this start of `torchrun`, the same when it starts its processes anew; None without it.

    Raises:
        RunError: the processes were started anew, and nothing says what they had begun.
    """
    name = os.environ.get("TORCHELASTIC_RUN_ID")
    if name != "none":  # what it is called by torchrun where nobody gave a name
        return name
    if restarts():
        raise RunError(
            "torchrun has started the processes anew, and without a name of the job nothing says which run they began",
            hint="lstmctl train --resume RUN goes on with it; next time, torchrun --rdzv-id=NAME",
        )
    return None


def restarts() -> int:
    """How often `torchrun` has started its processes anew."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"))


def _join(processes: Processes) -> PrefixStore:
    """Make the group, and give a store that all can reach as long as any process is there."""
    env = os.environ
    loopback = {"linux": "lo", "darwin": "lo0"}.get(sys.platform)
    if loopback is not None and env.get("LOCAL_WORLD_SIZE") == env["WORLD_SIZE"]:
        # All are on this machine: what they say need not be heard on any network.
        env.setdefault("GLOO_SOCKET_IFNAME", loopback)
    hosted = env.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    # Numbers on a CPU, among them all that is decided, go by gloo whatever the weights go by.
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
            hint="torchrun starts them, and sets what they need to know of each other",
        ) from error
    return store


def _is_mine_to_tell(store: PrefixStore, processes: Processes) -> bool:
    """Whether no other process has told of an error, or is about to."""
    try:
        waited_until = time.monotonic() + SECONDS_TO_TELL
        # The first one knows most: the folder, and the checkpoint that stands.
        while not processes.first and not store.check(["told"]) and time.monotonic() < waited_until:
            time.sleep(0.05)
        return bool(store.add("told", 1) == 1)
    except RuntimeError:  # the store is gone, and with it whoever started all of us
        return processes.first


@contextmanager
def _others_may_be_gone() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise LstmctlError(
            "another process of this training ended, or cannot be reached",
            hint="what torchrun says of it, or it said itself, tells why",
        ) from error
