"""A run to try things on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import runlog


@pytest.fixture
def run() -> Iterator[runlog.Run]:
    """An open run that says nothing on stderr unless there is trouble."""
    with runlog.init(project="tried", settings={"quiet": True}) as run:
        yield run
