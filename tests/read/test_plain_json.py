"""Plain JSON and CSV: numbers as people expect them."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import runlog
from runlog import export
from tests.laws import kit
from tests.read.kit import logged

NAN, INF = math.nan, math.inf
f32, f16, i8, i32, u64 = np.float32, np.float16, np.int8, np.int32, np.uint64


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (f32(0.06), "0.06"), (f16(0.1), "0.1"), (f32(3), "3.0"), (i8(-3), "-3"),
        (u64(2**64 - 1), str(2**64 - 1)), (10**30, str(10**30)), (NAN, '"NaN"'),
        (INF, '"Infinity"'),
        (f32(-INF), '"-Infinity"'), (b"\x00", '"AA=="'),
        ("a\udc80", '"a\\ufffd"'), ({"$float": "nan"}, '{"$float": "nan"}'),
        ({1: f32(0.06), None: True}, '{"1": 0.06, "null": true}'),
        ([f32(0.1), None], "[0.1, null]"),
    ],
)  # fmt: skip
def test_plain_json_is_what_people_expect(value: Any, plain: str) -> None:
    assert json.dumps(runlog.to_json(value, exact=False), allow_nan=False) == plain


def test_an_integer_that_python_does_not_print_is_hexadecimal() -> None:
    assert runlog.to_json([10**5000], exact=False) == [hex(10**5000)]


@given(st.floats(width=32) | st.floats(width=16))
def test_the_shortest_form_is_the_same_number_of_its_width(value: float) -> None:
    for kind in (f32, f16):
        with np.errstate(over="ignore"):
            narrow: Any = kind(value)
        shown = float(runlog.to_json(narrow, exact=False))
        assert kit.bits(kind(shown)) == kit.bits(narrow) or math.isnan(value)
        assert len(repr(shown)) <= len(repr(float(narrow)))


def test_csv_writes_a_float32_by_its_shortest_form(tmp_path: Path) -> None:
    view = logged(f32(0.06), f32(3), f32(NAN))
    for exact in (False, True):
        export.write(view, tmp_path / "x.csv", "csv", overwrite=True, exact=exact)
        fields = [s.rsplit(",", 1)[1] for s in (tmp_path / "x.csv").read_text().splitlines()]
        assert fields == ['"x"', "0.06", "3.0", "nan"]
    export.write(logged([f32(0.06), f32(1)]), tmp_path / "l.csv", "csv")
    assert (tmp_path / "l.csv").read_text().endswith(',"[0.06,1.0]"\n')


def test_a_column_of_text_and_floats_writes_them_as_csv_does() -> None:
    values = [0.1, 1e-7, 1e16, 123456789.0, 5e-324, -0.0]
    texts = logged("a", *values).history().to_arrow()["x"].to_pylist()[1:]
    assert texts == export.text.csv_fields(pa.array(values)).to_pylist()
    assert [float(text).hex() for text in texts] == [value.hex() for value in values]
