"""Open the config or run that a command names. What can be checked without torch is checked before it is imported."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lstmctl.api import Run
    from lstmctl.comparison.ensemble import SeedEnsemble
    from lstmctl.config import LoadedConfig


def checked_config(
    source: str | None,
    overrides: Sequence[str],
    *,
    trust: bool = False,
    defaults: Sequence[str] = (),
    time: str | None = None,
) -> LoadedConfig:
    """Load a config, by default the default one, and check that its data exists; see `deriving.load_config`.

    Raises:
        ConfigError: lists all problems of the config.
        DataError: a file that it names does not exist.
        UsageError: `time` is not a time, or is given for a config.
    """
    from lstmctl.api.stored_settings import require_files
    from lstmctl.deriving import load_config

    loaded = load_config(source, overrides, trust=trust, defaults=defaults, time=time)
    require_files(loaded.settings, loaded.folder)
    return loaded


@contextmanager
def origins_named(loaded: LoadedConfig | None) -> Iterator[None]:
    """Add to an error that leaves this context where the settings that it names come from."""
    from lstmctl.errors import ConfigError, DataError

    try:
        yield
    except (ConfigError, DataError) as error:
        if loaded is not None and (found := loaded.named_in(" ".join([*error.messages, error.hint or ""]))):
            error.hint = "; ".join([*([error.hint] if error.hint else []), *found])
        raise


def open_run(
    name: str | None,
    *,
    task: Sequence[Collection[str]] = (),
    files: Sequence[str] = (),
    reads_own_data: bool = False,
    trust: bool = False,
    overrides: Sequence[str] = (),
    quiet: bool = False,
) -> Run:
    """Find a run, check what its command will read, import torch, and open the run; see `api.load_run`.

    Args:
        name, task, trust, overrides: as for `api.load_run`.
        files: the files that are read instead of the run's own data.
        reads_own_data: True if the command reads the run's own data if there are no `files`.
        quiet: show nothing while torch is imported.

    Raises:
        RunError: the run does not exist or is damaged.
        ConfigError, UsageError: see `api.load_run`.
        DataError: the file, or the run's own data, does not exist.
    """
    from lstmctl.api.stored_settings import require_files, settings_of
    from lstmctl.data.locating import locate
    from lstmctl.reporting.console import loading
    from lstmctl.runs.folder import find_run, runs_root

    folder = find_run(name, runs_root(), task)
    folder.info()
    settings = settings_of(folder, trust=trust, overrides=overrides)
    for file in files:
        locate(file, None, None)
    if reads_own_data and not files:
        require_files(settings, folder.path)
    with loading(quiet=quiet):
        from lstmctl.api import Run

    return Run(folder, trust=trust, overrides=overrides)


def open_forecaster(name: str | None, *, files: Sequence[str], trust: bool) -> Run | SeedEnsemble:
    """Open a run that forecasts, or the runs of a comparison of one arm; by default the newest.

    Raises:
        RunError, ConfigError, DataError: see `open_run`.
    """
    from lstmctl.config.schema import tasks_with
    from lstmctl.data.locating import locate
    from lstmctl.reporting.console import loading
    from lstmctl.runs.folder import find_ensemble, runs_root

    tasks = tasks_with("forecast")
    folder = find_ensemble(name, runs_root(), tasks)
    if folder is None:
        return open_run(name, task=[tasks], files=files, reads_own_data=True, trust=trust)
    for file in files:
        locate(file, None, None)
    with loading(quiet=False):
        from lstmctl.comparison.ensemble import SeedEnsemble

    return SeedEnsemble(folder, trust=trust)
