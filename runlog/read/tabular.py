"""What everything that can be an Arrow table can be, too."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

    from runlog.wire.encodings import Array

_EXACT_INT = 2**53


class Tabular(ABC):
    """Rows that other libraries take, by way of Arrow."""

    __slots__ = ()

    @abstractmethod
    def to_arrow(self) -> pa.Table:
        """All rows as an Arrow table."""

    def to_pandas(self) -> pd.DataFrame:
        """All rows as a pandas DataFrame.

        As pandas has it: a missing number is NaN, so integers become float64 where one is missing.
        Where that would round one they are Int64 instead, and booleans are `boolean`: both know a
        missing value of their own.

        Raises:
            ModuleNotFoundError: pandas is not installed.
        """
        import pandas as pd

        table = self.to_arrow()
        frame: pd.DataFrame = table.to_pandas()
        for name, column in zip(table.column_names, table.columns, strict=True):
            kind = _nullable(column)
            if kind is not None:
                dtype = pd.api.types.pandas_dtype(kind)
                frame[name] = column.to_pandas(types_mapper={column.type: dtype}.get)
        return frame

    def to_polars(self) -> pl.DataFrame:
        """All rows as a polars DataFrame.

        Raises:
            ModuleNotFoundError: polars is not installed.
        """
        import polars as pl

        frame = pl.from_arrow(self.to_arrow())
        assert isinstance(frame, pl.DataFrame)  # noqa: S101 - narrows a union for the type checker
        return frame

    def to_numpy(self) -> dict[str, Array]:
        """All rows as numpy arrays, by name of the column.

        Numbers and booleans are arrays of their type, lists that all have N numbers one array of
        shape (rows, N). Where a row has no value such an array is masked (`numpy.ma`): whatever
        stands there is no value. All else is an array of objects, None where a row has no value.
        """
        from runlog.read.as_numpy import as_numpy  # deferred: pyarrow

        table = self.to_arrow()
        return {name: as_numpy(table[n]) for n, name in enumerate(table.column_names)}


def _nullable(column: Any) -> str | None:
    """The pandas type of a column that would not be itself any more by default; None for others."""
    import pyarrow.compute as pc
    import pyarrow.types as arrow

    if not column.null_count:
        return None
    if arrow.is_boolean(column.type):
        return "boolean"
    if arrow.is_integer(column.type) and column.type.bit_width == 64:
        range_ = pc.min_max(column).as_py()
        low, high = range_["min"] or 0, range_["max"] or 0
        if low < -_EXACT_INT or high > _EXACT_INT:
            return "UInt64" if arrow.is_unsigned_integer(column.type) else "Int64"
    return None
