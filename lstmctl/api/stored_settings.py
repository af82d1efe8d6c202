"""The settings of a run on the disk, read without its network, and the files that settings name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lstmctl.config import Settings, derive, load
from lstmctl.data.locating import locate
from lstmctl.errors import UsageError
from lstmctl.runs.folder import RunFolder


def settings_of(folder: RunFolder, *, trust: bool = False, overrides: Sequence[str] = ()) -> Settings:
    """Read a run's settings, with the location of its data from `overrides`.

    Raises:
        RunError, ConfigError: the config is missing or damaged, or names code without `trust`.
        UsageError: an override sets something else than the location of the run's own data.
    """
    settings = load(str(folder.config_path()), trust=trust).settings
    source = f"data.{settings.data.source}"
    for override in overrides:
        if override.partition("=")[0] not in (source, "data.test"):
            raise UsageError(
                f"{override}: {folder.name} is already trained; only the location of its data can be set: {source}=PATH"
            )
    return derive(settings, overrides) if overrides else settings


def require_files(settings: Settings, config_folder: Path | None) -> None:
    """Check that every file or folder that settings name as their data exists; contents are not read.

    Raises:
        DataError: one does not exist.
    """
    source = settings.data.source
    names = getattr(settings.data, source)
    for name in names if isinstance(names, tuple) else ():  # else the data are drawn by the program
        if "://" not in name:
            locate(name, config_folder, f"data.{source}")
