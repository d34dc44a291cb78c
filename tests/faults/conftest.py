"""What the tests of the campaign share: a server with the layer under it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from typing import Final

import pytest

from tests.faults import inject, layer
from tests.laws import kit

SEED: Final = time.time_ns() % 2**32 if kit.FULL else 1
"""The same sample each time, and another with more effort; findings name their points."""


@pytest.fixture(scope="session")
def servers() -> Iterator[inject.Servers]:
    """One process that plays points."""
    base = layer.scratch()
    try:
        with inject.Servers(base / "servers", layer.build(base)) as servers:
            yield servers
    finally:
        shutil.rmtree(base)
