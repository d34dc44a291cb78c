"""What is told after reading a part of a run is what that part met."""

from __future__ import annotations

from pathlib import Path

import msgpack
import pytest

import runlog
from runlog import DamageKind
from runlog.records import Config, Finish, RunStart
from runlog.testing import JournalBuilder, flip_bit, strike
from runlog.wire import codec
from tests.laws import kit


@pytest.fixture
def hurt(tmp_path: Path) -> Path:
    """A finished run of 4 rows; the page of "b" cannot be read."""
    journal = JournalBuilder(tmp_path).add(RunStart("r", "p"))
    for step in range(4):
        journal.log(step, {"a": step / 4, "b": step / 3})
    journal.add(Finish(0)).finish()
    page = kit.page(journal.journal, "b")
    strike(journal.journal, lambda data: flip_bit(data, 8 * (page.end - 3)))
    return tmp_path


def test_another_metric_is_read_without_a_word(hurt: Path) -> None:
    with runlog.open(hurt) as view:
        assert len(view.history(["a"]).to_arrow()) == 4
        assert view.damage_met == ()
        assert [d.key for d in view.damage] == ["b"]


@pytest.mark.parametrize("how", ["rows", "to_arrow"])
def test_the_metric_itself_is_told(hurt: Path, how: str) -> None:
    with runlog.open(hurt) as view:
        found = getattr(view.history(["b"]), how)()
        if how == "rows":
            list(found)
        assert [d.key for d in view.damage_met] == ["b"]
        assert view.damage == view.damage_met


def test_a_timestamp_of_msgpack_is_no_storable_value(tmp_path: Path) -> None:
    journal = JournalBuilder(tmp_path).add(RunStart("r", "p"))
    for stamp in (msgpack.Timestamp(1), msgpack.Timestamp(1, 2), msgpack.Timestamp(-1, 2)):
        journal.payload(17, msgpack.packb([{"at": [{"deep": stamp}]}]))
    alike = b"\xd6\xff\xd7\xff\xc7\x0c\xff"
    journal.add(Config({"bytes": alike, "list": [alike]})).close()
    with runlog.open(tmp_path) as view:
        assert [d.reason for d in view.damage] == [DamageKind.MALFORMED] * 3
        assert view.config == {"bytes": alike, "list": [alike]}
    with pytest.raises(codec.Malformed):
        codec.unpack(msgpack.packb({msgpack.Timestamp(1): 1}))
