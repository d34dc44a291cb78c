"""L2: what is read equals what was logged, type and bits, wherever it stands by then."""

from __future__ import annotations

import json
import shutil
import struct
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import runlog
from runlog import records
from runlog.journal import recover
from runlog.keys import OWN, flatten, nest
from runlog.wire import codec, types

from . import kit

QUICK = settings(
    max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True
)


def from_bits(code: str, number: int) -> Any:
    """The number of a type whose bits, as an unsigned integer, are given."""
    size = struct.calcsize("<" + code)
    raw = (number % (1 << 8 * size)).to_bytes(size, "little")
    if code in types.SCALARS:
        return codec.scalar(code, raw)
    return struct.unpack("<" + code, raw)[0]


HARD_BITS = [0, 1, 1 << 15, 1 << 31, 1 << 63, 0x7C00, 0x7E01, 0x7F80_0000, 0x7FC0_0001]
HARD_BITS += [0x7FF0 << 48, (0x7FF8 << 48) + 1, (0xFFF8 << 48) + 5, (1 << 64) - 1]
BITS = st.integers(0, 2**64 - 1) | st.sampled_from(HARD_BITS)
FLOATS = st.builds(from_bits, st.just("d"), BITS)
SCALARS = st.builds(from_bits, st.sampled_from(types.SCALARS), BITS)
INTS = st.integers() | st.sampled_from([2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 10**30, 2**64])
TEXTS = st.text() | st.text(st.characters(categories=["Cs", "L"]), max_size=4)
PLAIN = st.none() | st.booleans() | INTS | FLOATS | TEXTS | SCALARS
KEYS = (st.sampled_from(["a", "a.b", "a\\.b", "b", ""]) | st.text(max_size=5)).filter(
    lambda key: key not in OWN and storable_key(key)
)
VALUES = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)
ROWS = st.lists(st.dictionaries(KEYS, VALUES, max_size=4), min_size=1, max_size=5)


def storable_key(key: str) -> bool:
    try:
        key.encode()
    except UnicodeEncodeError:
        return False
    return True


def in_order(data: dict[str, Any]) -> Any:
    """A row in comparable form; empty dicts vanish, and the order of keys within a dict is kept."""
    return kit.bits(nest(flatten(data)))


def logged(folder: Path) -> list[Any]:
    """Rows as records tell them, and checked to be the same in the history."""
    with runlog.open(folder) as view:
        assert view.damage == ()
        data = [in_order(dict(e.record.data)) for e in view.records(["log"])]
        rows = []
        for found in view.history().rows():
            for name in OWN:
                found.pop(name)
            rows.append(in_order(found))
        assert rows == data
        return data


def start(root: str) -> runlog.Run:
    return runlog.init(project="p", dir=root, settings={"quiet": True, "fsync_interval": None})


@QUICK
@given(ROWS)
def test_a_row_comes_back_as_it_was_from_the_tail_a_chunk_and_a_recovered_journal(
    rows: list[dict[str, Any]],
) -> None:
    with tempfile.TemporaryDirectory() as root:
        run = start(root)
        for data in rows:
            run.log(data)
        folder = Path(run.dir)
        expected = [in_order(data) for data in rows]
        assert logged(folder) == expected, "from the open tail"
        copy = Path(root) / "copy"
        shutil.copytree(folder, copy)
        run.finish()
        assert logged(folder) == expected, "from a chunk"
        recover(copy, force=True)
        assert logged(copy) == expected, "after recover"


@QUICK
@given(st.dictionaries(KEYS.filter(lambda k: k.strip("-") == k), VALUES, max_size=4))
def test_config_comes_back_as_it_was(config: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as root:
        run = runlog.init(project="p", dir=root, config=config, settings={"quiet": True})
        with runlog.open(run.dir) as view:
            assert kit.bits(view.config) == kit.bits(config)
        run.finish()
        with runlog.open(run.dir) as view:
            assert kit.bits(view.config) == kit.bits(config)
            assert view.damage == ()


@QUICK
@given(VALUES)
def test_json_gives_back_the_value(value: Any) -> None:
    text = json.dumps(runlog.to_json(value), allow_nan=False)
    back = runlog.from_json(json.loads(text))
    if not has_nan_payload(value):
        assert kit.bits(back) == kit.bits(value)


def has_nan_payload(value: Any) -> bool:
    """Whether there is a NaN in a value: JSON keeps that it is one, and not its bits."""
    if isinstance(value, list):
        return any(map(has_nan_payload, value))
    if isinstance(value, dict):
        return any(map(has_nan_payload, value.values()))
    return isinstance(value, float | np.floating) and bool(np.isnan(value))


@pytest.mark.parametrize("bits", HARD_BITS)
@pytest.mark.parametrize("code", "d" + types.SCALARS)
def test_every_width_keeps_its_bits_in_a_flat_row(code: str, bits: int, tmp_path: Path) -> None:
    values = [from_bits(code, bits), from_bits(code, bits + 1), from_bits(code, ~bits)]
    run = start(str(tmp_path))
    for value in values:
        run.log({"x": value})  # a flat row of numbers is packed
    for value in values:
        run.log({"x": value, "note": "a row with text is not"})
    expected = [in_order({"x": v}) for v in values]
    expected += [in_order({"x": v, "note": "a row with text is not"}) for v in values]
    assert logged(Path(run.dir)) == expected
    run.finish()
    assert logged(Path(run.dir)) == expected


def test_numbers_that_numpy_shares_with_python_come_back_as_pythons(tmp_path: Path) -> None:
    run = start(str(tmp_path))
    run.log({"f": np.float64(0.1), "i": np.int64(-3), "b": np.bool_(True)})
    run.finish()
    (found,) = runlog.open(run.dir).records(["log"])
    assert kit.bits(found.record.data) == kit.bits({"f": 0.1, "i": -3, "b": True})


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "value", [np.int64(3), np.int64(-3), np.int64(2**63 - 1), np.int64(-(2**63))]
)
def test_a_64_bit_numpy_integer_is_stored_at_once(value: np.int64, tmp_path: Path) -> None:
    run = start(str(tmp_path))
    for data in ({"x": value}, {"x": value, "note": "text"}, {"x": [value]}):
        run.log(data)
    run.finish()
    found = [e.record.data["x"] for e in runlog.open(run.dir).records(["log"])]
    assert kit.bits(found) == kit.bits([int(value), int(value), [int(value)]])


def test_a_value_of_another_type_is_not_taken_for_its_equal(tmp_path: Path) -> None:
    values = [1, 1.0, True, np.float32(1), np.int8(1), "1", 0.0, -0.0, 0, False, None]
    run = start(str(tmp_path))
    for value in values:
        run.log({"x": value})
    run.finish()
    rows = [e.record.data["x"] for e in runlog.open(run.dir).records(["log"])]
    assert [kit.bits(v) for v in rows] == [kit.bits(v) for v in values]


def test_a_key_with_a_dot_is_no_nested_key(tmp_path: Path) -> None:
    run = start(str(tmp_path))
    run.log({"a.b": 1, "a": {"b": 2}})
    run.finish()
    (row,) = runlog.open(run.dir).history().rows()
    assert (row["a.b"], row["a"]) == (1, {"b": 2})
    table = runlog.open(run.dir).history().to_arrow()
    assert table["a\\.b"].to_pylist() == [1]
    assert table["a.b"].to_pylist() == [2]


@QUICK
@given(st.binary(max_size=40))
def test_a_blob_comes_back_as_it_was(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as root:
        run = start(root)
        digest = run.log_blob(data, "image/png")
        assert runlog.open(run.dir).blob(digest) == data
        run.finish()
        with runlog.open(run.dir) as view:
            assert view.blob(digest) == data
            (entry,) = view.records(["blob"])
            assert entry.record == records.Blob(digest, len(data), "image/png", None)
