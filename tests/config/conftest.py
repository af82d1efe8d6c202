"""A config file of a given content, and the problems that loading it has."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lstmctl.config import load
from lstmctl.errors import ConfigError

Problems = Callable[..., list[str]]


@pytest.fixture
def problems(tmp_path: Path) -> Problems:
    """`problems(content, *overrides)`: every message, the file called `my.yaml` in them."""

    def collect(content: str | bytes, *overrides: str) -> list[str]:
        path = tmp_path / "my.yaml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        with pytest.raises(ConfigError) as caught:
            load(str(path), overrides)
        assert caught.value.exit_code == 2
        assert str(caught.value) == "\n".join(caught.value.problems)
        return [problem.replace(str(path), "my.yaml") for problem in caught.value.problems]

    return collect
