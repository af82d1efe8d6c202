"""An executor: a Ray cluster, which places runs by CPU and GPU. A run whose node is lost continues on another one.

Every node needs the same lstmctl and torch. A run is made by the same process as on one machine; an actor on its node
passes on what it says. A node that does not see the folder of runs and the data at the same paths is sent what the run
needs through Ray's object store, and the run comes back with the messages (`travelling`).
"""

from __future__ import annotations

import json
import logging
import os
import platform
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Self

from lstmctl.comparison.execution import Exit, Job
from lstmctl.comparison.messages import failure
from lstmctl.comparison.plan import PlannedRun, read_plan
from lstmctl.comparison.processes import Maker, Told
from lstmctl.comparison.travelling import Away, Needs, SentData, State, Visit, data_names
from lstmctl.errors import LstmctlError, ResourceError, RunError, UsageError
from lstmctl.runs.comparisons import PLAN
from lstmctl.storage import read_json
from lstmctl.words import plural

log = logging.getLogger(__name__)

SCHEME = "ray://"
MOST_LOSSES = 3
"""Number of times that a run may be lost before the comparison ends."""
SECONDS_OF_A_POLL = 1.0
SECONDS_KEPT = 10.0
"""Time for which an actor without a run keeps its place in the cluster, for the next run."""
STEP_OF_MEMORY = 2**29
"""Bytes; memory is rounded up, so that an actor suits the next run even if that is somewhat larger."""
KILLED = -9
PACKAGES = ("lstmctl", "torch", "numpy")
UNSEEN = {"kind": "unseen"}
"""The message of a node that does not see the comparison's folder."""

Message = Mapping[str, Any] | Exit | State


def check_ray(on: str) -> None:
    """Raise UsageError if `on` names no cluster, or Ray is not installed."""
    if on != "ray" and not (on.startswith(SCHEME) and ":" in on.removeprefix(SCHEME)):
        raise UsageError(f"--on {on}: use ray, or the address of a cluster, ray://HOST:PORT")
    if find_spec("ray") is None:
        raise UsageError(f"--on {on} needs the package ray, which is not installed", hint="pip install 'lstmctl[ray]'")


def versions() -> dict[str, str]:
    """Return the versions that all nodes must share."""
    python = ".".join(platform.python_version_tuple()[:2])
    return {"python": python, **{name: version(name) for name in PACKAGES}}


class MakerOnNode:
    """An actor on a node of the cluster: it makes one run at a time, and keeps what its process says."""

    def __init__(self) -> None:
        self._told: Told = SimpleQueue()
        self._maker = Maker(self._told)
        self._stopped: set[str] = set()
        self._making = ""
        self._changing = threading.Lock()

    def make(self, name: str, folder: str, plan: str, run: PlannedRun, wanted: Mapping[str, str]) -> list[Message]:
        """Start a run, unless this node needs something for it, and poll.

        Args:
            name: of the run, for `stop`.
            folder: of the comparison, where the driver has it.
            plan: the fingerprint of its plan.
            run: one of the plan.
            wanted: the versions that the driver has.
        """
        self._name, self._folder, self._run = name, Path(folder), run
        self._messages: list[Message] = []
        self._forgotten = 0
        """Messages that are no longer kept, as they have arrived."""
        self._visit: Visit | None = None
        self._is_waiting = False
        try:
            _check_versions(wanted)
            self._is_waiting = not _sees(self._folder, plan)
        except RunError as error:
            self._messages = [failure(error), Exit(RunError.exit_code)]
        else:
            if not self._is_waiting:
                self._start(self._folder)
        return self.poll(0)

    def begin(self, needs: Needs, seen: int) -> list[Message]:
        """Start the run with the files and data that it needs, and poll."""
        import ray

        self._is_waiting = False
        try:
            visit = self._visit = Visit(needs, self._run.name, self._folder, ray.get)
        except (ResourceError, RunError) as error:
            text = on_this_node(str(error))
            kind = ResourceError if isinstance(error, ResourceError) else RunError  # a cache in use is not a run in use
            self._messages += [failure(kind(text, hint=error.hint)), Exit(error.exit_code)]
        else:
            self._start(visit.folder, visit.data)
        return self.poll(seen)

    def _start(self, folder: Path, data: Path | None = None) -> None:
        with self._changing:
            self._maker.make(self._name, folder, self._run, data)
            self._making = self._name
            if self._name in self._stopped:
                self._maker.stop()

    def poll(self, seen: int) -> list[Message]:
        """Return the messages after the first `seen`; wait for one if there is none. `UNSEEN` asks for what is needed
        here, and is not counted."""
        if self._is_waiting:
            return [UNSEEN]
        del self._messages[: seen - self._forgotten]
        self._forgotten = seen
        if not self._messages:
            with suppress(Empty):
                self._take(self._told.get(timeout=SECONDS_OF_A_POLL)[1])
                while True:
                    self._take(self._told.get_nowait()[1])
        return self._messages

    def _take(self, message: Mapping[str, Any] | Exit) -> None:
        if isinstance(message, Exit):
            with self._changing:
                self._making = ""
        elif message.get("type") == ResourceError.__name__:
            message = {**message, "messages": [on_this_node(text) for text in message["messages"]]}
        self._messages += [message] if self._visit is None else self._visit.passed_on(message)

    def stop(self, name: str) -> None:
        """Let a run finish its step and save; it may be asked for before it has been started."""
        with self._changing:
            self._stopped.add(name)
            if self._making == name:
                self._maker.stop()


def on_this_node(text: str) -> str:
    """Return an error's text with the name of this machine, whose folders and memory it is about."""
    return f"the node {platform.node()}: {text}"


def _check_versions(wanted: Mapping[str, str]) -> None:
    node, own = platform.node(), versions()
    for name, needed in wanted.items():
        if own[name] != needed:
            raise RunError(
                f"the node {node} has {name} {own[name]}, but the comparison was started with {needed}",
                hint="install the same versions on every node; other versions give other bits",
            )


def _sees(folder: Path, plan: str) -> bool:
    """Return whether this node has the comparison's folder and its data where they were planned."""
    if not (folder / PLAN).is_file() or _fingerprint(folder) != plan:
        return False
    settings = read_plan(folder, trust=True).arms[0].candidates[0].settings
    return all(Path(name).exists() for name in data_names(settings))


def _fingerprint(folder: Path) -> str:
    """Return the SHA-256 of a plan, without the arms, which get candidates while they are tuned."""
    plan = {key: value for key, value in read_json(folder / PLAN).items() if key != "arms"}
    return sha256(json.dumps(plan, sort_keys=True).encode()).hexdigest()


class Cluster:
    """A Ray cluster: an existing one, or one on this machine that ends with this context.

    Args:
        on: `ray`, or `ray://HOST:PORT` for Ray's client server.
        jobs: runs in parallel; None for the number that the CPUs of the cluster allow.

    Raises:
        ResourceError: it cannot be reached.
    """

    def __init__(self, on: str, jobs: int | None) -> None:
        self._on, self._jobs = on, jobs
        self._jobs_by_name: dict[str, Job] = {}
        self._actors: dict[str, Any] = {}
        """By the name of the run that each makes."""
        self._idle: list[tuple[Any, dict[str, int], float]] = []
        """Actors without a run, the resources that they hold, and the time since when."""
        self._polls: dict[Any, str] = {}
        """The outstanding poll of each actor."""
        self._seen: dict[str, int] = {}
        self._away: dict[str, Away] = {}
        """Runs on nodes that do not see their folders."""
        self._sent: dict[str, SentData] = {}
        self._losses: dict[str, int] = {}
        self._stopped: set[str] = set()
        self._warned: set[str] = set()
        self._ready: SimpleQueue[tuple[str, Mapping[str, Any] | Exit]] = SimpleQueue()

    def __enter__(self) -> Self:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        import ray

        logging.getLogger("ray").setLevel(logging.ERROR)  # it logs before `init` has set the level
        self._ray = ray
        self._is_own = not ray.is_initialized()
        if self._is_own:
            address = self._on if self._on.startswith(SCHEME) else None
            try:
                ray.init(address, log_to_driver=False, configure_logging=False, logging_level=logging.ERROR)
            except (ConnectionError, RuntimeError, ValueError) as error:
                ray.shutdown()  # of what it had begun, or no later attempt of this process succeeds
                raise ResourceError(
                    f"--on {self._on}: the cluster cannot be reached: {str(error).splitlines()[0]}",
                    hint="check the address and that the cluster runs; docs/scaling.md shows how to start one",
                ) from error
        self._remote = ray.remote(MakerOnNode)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        if self._is_own:
            self._ray.shutdown()

    def has_room(self) -> bool:
        if self._jobs is not None:
            return len(self._actors) < self._jobs
        taken = sum(self._jobs_by_name[name].threads for name in self._actors)
        return taken < max(1, int(self._ray.cluster_resources().get("CPU", 1)))

    def start(self, job: Job) -> None:
        taken = _taken(job)
        actor = next((actor for actor, has, _ in self._idle if has == taken), None)
        if actor is None:
            self._warn_if_too_large(taken)
            # It can be asked to stop while it is polled.
            actor = self._remote.options(**taken, max_concurrency=2, scheduling_strategy="SPREAD").remote()
        self._idle = [kept for kept in self._idle if kept[0] is not actor]
        self._stopped.discard(job.name)
        self._jobs_by_name[job.name] = job
        self._actors[job.name], self._seen[job.name] = actor, 0
        folder = str(job.folder.resolve())
        made = actor.make.remote(job.name, folder, _fingerprint(job.folder), job.run, versions())
        self._polls[made] = job.name

    def _warn_if_too_large(self, taken: Mapping[str, int]) -> None:
        """Log that a run waits for a node that the cluster does not have, as one that grows may get it."""
        nodes = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        names = {"num_cpus": "CPU", "num_gpus": "GPU", "memory": "memory"}
        if any(all(node.get(names[key], 0) >= amount for key, amount in taken.items()) for node in nodes):
            return
        gpu = ", a GPU" if taken["num_gpus"] else ""
        needs = f"{plural(taken['num_cpus'], 'CPU')}{gpu} and {taken['memory'] / 2**30:.1f} GiB of memory"
        if needs not in self._warned:
            self._warned.add(needs)
            log.warning("no node of the cluster has %s: runs wait until one has", needs)

    def stop(self, name: str) -> None:
        self._stopped.add(name)
        if name in self._actors:  # otherwise it has ended, and `next` will say so
            self._actors[name].stop.remote(name)

    def next(self, seconds: float) -> tuple[str, Mapping[str, Any] | Exit] | None:
        self._release(SECONDS_KEPT)
        if self._ready.empty() and self._polls:
            done, _ = self._ray.wait(list(self._polls), timeout=seconds)
            for poll in done:
                self._take(poll)
        with suppress(Empty):
            return self._ready.get_nowait()
        return None

    def close(self) -> None:
        self._release(0)
        for actor in self._actors.values():
            self._ray.kill(actor)
        for away in self._away.values():
            away.close()
        for known in (self._actors, self._polls, self._away):
            known.clear()

    def _release(self, seconds: float) -> None:
        """Give up the places of actors that have had no run for some seconds."""
        oldest = time.monotonic() - seconds
        for actor, _, since in self._idle:
            if since <= oldest:
                self._ray.kill(actor)
        self._idle = [kept for kept in self._idle if kept[2] > oldest]

    def _poll(self, name: str) -> None:
        self._polls[self._actors[name].poll.remote(self._seen[name])] = name

    def _take(self, poll: Any) -> None:
        """Take the answer to a poll, and ask again unless it is the last."""
        from ray.exceptions import ActorUnavailableError, RayActorError, RayError

        name = self._polls.pop(poll)
        try:
            messages = self._ray.get(poll)
        except ActorUnavailableError:  # it may come back
            self._poll(name)
            return
        except RayActorError:
            self._lost(name, "its node or its process ended")
            return
        except RayError as error:
            self._end(name, Exit(1, str(error).strip().splitlines()[-1]))
            return
        try:
            self._hear(name, messages)
        except LstmctlError as error:  # of this machine's disk, or its data
            self._ready.put((name, failure(error)))
            self._end(name, Exit(error.exit_code))

    def _hear(self, name: str, messages: Sequence[Message]) -> None:
        """Take a run's messages, and ask again unless there was the last one.

        Raises:
            LstmctlError: what the run needs cannot be read here, or what came back cannot be written.
        """
        for message in messages:
            if message == UNSEEN:
                away = self._away.get(name) or self._away.setdefault(name, Away(self._jobs_by_name[name]))
                needs = away.needs(self._ray.put, self._sent)
                self._polls[self._actors[name].begin.remote(needs, self._seen[name])] = name
                return
            self._seen[name] += 1
            if isinstance(message, State):
                self._away[name].take(message)
            elif not isinstance(message, Exit):
                self._ready.put((name, message))
            elif message.code == KILLED:
                self._lost(name, "it was killed")
                return
            else:
                self._idle.append((self._leave(name), _taken(self._jobs_by_name[name]), time.monotonic()))
                self._ready.put((name, message))
                return
        self._poll(name)

    def _lost(self, name: str, why: str) -> None:
        self._losses[name] = self._losses.get(name, 0) + 1
        self._ray.kill(self._leave(name))
        if name in self._stopped or self._losses[name] > MOST_LOSSES:
            self._ready.put((name, Exit(KILLED)))
            return
        log.warning("%s was lost (%s); it continues from its last checkpoint", name, why)
        self.start(self._jobs_by_name[name])

    def _end(self, name: str, ended: Exit) -> None:
        """End a run, and its actor, which may still be making it."""
        self._ray.kill(self._leave(name))
        self._ready.put((name, ended))

    def _leave(self, name: str) -> Any:
        """Part with a run, and return its actor."""
        if (away := self._away.pop(name, None)) is not None:
            away.close()
        return self._actors.pop(name)


def _taken(job: Job) -> dict[str, int]:
    """Return the resources that a job takes from its node, as Ray's options."""
    memory = -(-job.memory // STEP_OF_MEMORY) * STEP_OF_MEMORY
    return {"num_cpus": job.threads, "num_gpus": 1 if job.on_gpu else 0, "memory": memory}
