"""A media type is a test and a converter, one line in a table; its bytes are kept by themselves."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

import runlog
from runlog.run import storable


class Sketch:
    """A toy: what a picture or a sound is to `run.log`."""

    def __init__(self, strokes: bytes) -> None:
        self.strokes = strokes


def is_sketch(value: object) -> bool:
    return type(value) is Sketch


def to_row(sketch: Sketch, keep: storable.Keep) -> dict[str, Any]:
    digest = keep(sketch.strokes, "image/x-sketch")
    return {"_type": "sketch", "sha256": digest, "size": len(sketch.strokes)}


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storable, "CONVERTERS", [(is_sketch, to_row)])


def records(run: runlog.Run) -> list[Any]:
    with runlog.open(run.dir) as view:
        return [entry.record for entry in view.records()][2:]  # after Run and Enter


def test_its_bytes_are_in_the_journal_before_the_row_that_names_them(run: runlog.Run) -> None:
    run.log({"loss": 0.5, "drawn": Sketch(b"/\\")})
    run.finish()
    digest = hashlib.sha256(b"/\\").hexdigest()
    blob, row, _ = records(run)
    assert (blob.digest, blob.media_type) == (digest, "image/x-sketch")
    assert row.data == {"loss": 0.5, "drawn": {"_type": "sketch", "sha256": digest, "size": 2}}
    with runlog.open(run.dir) as view:
        assert view.blob(digest) == b"/\\"


def test_several_in_a_list_are_each_kept(run: runlog.Run) -> None:
    run.log({"drawn": [Sketch(b"a"), {"again": Sketch(b"b")}]})
    *blobs, _ = records(run)
    assert [blob.size for blob in blobs] == [1, 1]


def test_a_row_that_is_refused_leaves_no_bytes_behind(run: runlog.Run) -> None:
    with pytest.raises(runlog.ArgumentTypeError):
        run.log({"drawn": Sketch(b"a"), "bad": object()})
    assert [type(record).__name__ for record in records(run)] == ["Rejected"]


def test_where_there_is_no_place_for_bytes_it_is_refused_in_one_sentence(run: runlog.Run) -> None:
    with pytest.raises(runlog.ArgumentTypeError, match=r"'best'.*Sketch.*logged row only"):
        run.summary.update({"best": Sketch(b"a")})
