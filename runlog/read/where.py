"""Which records of a history to read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runlog.errors import ArgumentTypeError, ArgumentValueError
from runlog.frozen import frozen

Range = tuple[int | None, int | None]


@frozen
class Where:
    """Which records of a history to read.

    Ranges are (from, to), `to` exclusive; None, for one end or for both, is open.

    Attributes:
        step: steps.
        seq: sequence numbers within each journal.
        time: µs since the Unix epoch, UTC.
    """

    step: Range | None = (None, None)
    seq: Range | None = (None, None)
    time: Range | None = (None, None)

    def __post_init__(self) -> None:
        for name in ("step", "seq", "time"):
            pair = getattr(self, name)
            if pair is None:
                object.__setattr__(self, name, (None, None))
                continue
            if not (isinstance(pair, tuple) and len(pair) == 2):
                raise ArgumentTypeError(f"where.{name} must be a pair (from, to), not {pair!r}")
            if not all(v is None or isinstance(v, int) for v in pair):
                raise ArgumentTypeError(
                    f"where.{name} must hold whole numbers or None, not {pair!r}"
                )

    @property
    def everything(self) -> bool:
        """Whether no record is left out."""
        return self.step == self.seq == self.time == (None, None)


def coerce_where(where: Where | Mapping[str, Any] | None) -> Where:
    """A `Where` from what a caller gave.

    Raises:
        ArgumentTypeError, ArgumentValueError: it is not one.
    """
    if where is None:
        return Where()
    if isinstance(where, Where):
        return where
    if not isinstance(where, Mapping):
        raise ArgumentTypeError(f"where must be runlog.Where or a mapping, not {where!r}")
    unknown = set(where) - {"step", "seq", "time"}
    if unknown:
        raise ArgumentValueError(f"where has no {min(unknown)!r}; it has step, seq and time")
    return Where(**{k: None if pair is None else tuple(pair) for k, pair in where.items()})


def overlaps(pair: Range | None, first: int, last: int) -> bool:
    """Whether a range meets [first, last]."""
    low, high = pair or (None, None)
    return (low is None or last >= low) and (high is None or first < high)


def inside(pair: Range | None, value: int) -> bool:
    """Whether a range holds a number."""
    return overlaps(pair, value, value)
