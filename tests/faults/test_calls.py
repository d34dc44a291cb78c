"""System calls that fail, and real trouble: neither job nor records may suffer (L1, L3, L8)."""

from __future__ import annotations

import errno
import shutil
from collections import Counter
from typing import Final

import pytest

from tests.faults import inject, layer
from tests.faults.conftest import SEED
from tests.faults.layer import FOR_EVER, Fault, Kind
from tests.faults.scenes import SCENES
from tests.faults.server import Server
from tests.laws import kit

POINTS: Final = 4 if kit.FULL else 1
"""Played of each scene, drawn by the seed; `make faults` plays all."""


SLEEPS: Final = {"paced"}
"""Scenes that take their time: test_power.py plays them too."""


@pytest.mark.parametrize("name", [name for name in SCENES if kit.FULL or name not in SLEEPS])
def test_whatever_the_system_answers_nothing_is_raised_lost_in_silence_or_left_behind(
    servers: inject.Servers, name: str
) -> None:
    (tally,) = inject.found(servers, [SCENES[name]], POINTS, SEED)
    assert tally.played
    if tally.findings:
        pytest.fail("\n".join(map(str, tally.findings)), pytrace=False)


@pytest.mark.skipif(not kit.FULL, reason="another server, for machines without a compiler")
def test_the_layer_in_python_sees_and_fails_the_calls_that_the_one_in_c_does() -> None:
    base = layer.scratch()
    changing = {Kind.CREATE, Kind.WRITE, Kind.SYNC, Kind.RENAME, Kind.UNLINK}
    try:
        seen = []
        for name, shim in (("c", layer.build(base)), ("python", None)):
            with Server(base / name, shim) as server:
                calls = server.point("recover", Fault()).calls
                fault = Fault(calls.index(Kind.WRITE) + 1, errno.ENOSPC, FOR_EVER)
                outcome = server.point("recover", fault)
            assert outcome.wrong == []
            seen.append((Counter(kind for kind in calls if kind in changing), outcome.failed))
        assert seen[0] == seen[1]
    finally:
        shutil.rmtree(base)
