"""What the tests of the campaign share: a server with the layer under it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Final

import pytest

from tests.faults import inject, layer

SEED: Final = 1  # the same points each time; `make faults` draws others
"""Findings name their points, so they can be played again."""


@pytest.fixture(scope="session")
def servers() -> Iterator[inject.Servers]:
    """One process that plays points."""
    base = layer.scratch()
    try:
        with inject.Servers(base / "servers", layer.build(base)) as servers:
            yield servers
    finally:
        shutil.rmtree(base)
