"""Unpack known downloads that cannot be used directly: archives, and tables with a series in each row."""

from __future__ import annotations

import csv
import os
import shutil
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import IO

from lstmctl.data.sources import Source
from lstmctl.errors import DataError
from lstmctl.storage import disk_errors, rename_over


def unpack(source: Source, downloaded: Path) -> Path:
    """Return the file or folder of a download that configs name; it is created once, next to the download.

    Raises:
        DataError: the download is not the archive or table that was expected.
        ResourceError: it cannot be written.
    """
    if source.unpacked is None:
        return downloaded
    target = downloaded.with_name(source.unpacked)
    if target.exists():
        return target
    temporary = target.with_name(f".{target.name}.tmp-{os.getpid()}")
    try:
        with disk_errors(target):
            if not source.members:
                _in_rows(downloaded, temporary)
            elif target.suffix:
                with temporary.open("wb") as file:
                    for _, content in _members(source, downloaded):
                        shutil.copyfileobj(content, file)
            else:
                temporary.mkdir()
                for name, content in _members(source, downloaded):
                    with (temporary / name).open("xb") as file:
                        shutil.copyfileobj(content, file)
            rename_over(temporary, target)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"{downloaded} cannot be unpacked: {error}", hint="remove it, then download it again"
        ) from error
    finally:
        with suppress(OSError):
            shutil.rmtree(temporary) if temporary.is_dir() else temporary.unlink(missing_ok=True)
    return target


def _members(source: Source, archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """Yield the name, without folders, and the content of each file that is wanted, in the order of the patterns.

    Raises:
        DataError: a pattern matches nothing.
    """
    with zipfile.ZipFile(archive) if zipfile.is_zipfile(archive) else tarfile.open(archive) as opened:
        is_zip = isinstance(opened, zipfile.ZipFile)
        names = opened.namelist() if isinstance(opened, zipfile.ZipFile) else opened.getnames()
        for pattern in source.members:
            found = sorted(name for name in names if fnmatchcase(name, pattern))
            if not found:
                raise DataError(f"{archive} does not contain {pattern}", hint="it was changed at its source")
            for name in found:
                content = opened.open(name) if isinstance(opened, zipfile.ZipFile) else opened.extractfile(name)
                assert is_zip or content is not None
                if content is not None:
                    yield PurePosixPath(name).name, content


def _in_rows(wide: Path, long: Path) -> None:
    """Convert a table with one series per row, its name first, to one row per value: `unique_id,ds,y`."""
    with wide.open(encoding="utf-8", newline="") as source, long.open("w", encoding="utf-8", newline="") as file:
        rows, table = csv.reader(source), csv.writer(file, lineterminator="\n")
        next(rows, None)
        table.writerow(["unique_id", "ds", "y"])
        for name, *values in rows:
            table.writerows([name, number, value] for number, value in enumerate(values, 1) if value)
