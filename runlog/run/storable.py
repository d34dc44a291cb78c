"""What a training script logs, turned into storable values (the rules of the Run API).

Numbers keep their type and width. Containers become lists and dicts; anything else
becomes text or numbers, as stated in spec/writing.md, Values.
"""

from __future__ import annotations

import datetime as dt
import enum
import json
import math
from collections.abc import Callable, Mapping
from typing import Any, Final

from runlog.errors import ArgumentTypeError
from runlog.frozen import frozen
from runlog.keys import Key, flatten
from runlog.wire.types import SCALARS, scalar_code

MAX_LIST: Final = 32
"""Arrays of more elements become histograms, unless they are to stay whole."""
BINS: Final = 32
_MAX_DEPTH: Final = 64

_PLAIN: Final = frozenset({int, float, bool, str, type(None)})

Keep = Callable[[bytes, str], str]
"""Stores bytes of a media type, such as "image/png"; gives their digest, to refer to them by."""

Test = Callable[[Any], bool]
"""Whether a value is of a media type. Must be quick, and import nothing: most values are not."""

Convert = Callable[[Any, Keep], Mapping[str, Any]]
"""Keeps a value's bytes; gives what the row holds in their place, storable values by name."""


@frozen(eq=False)
class Storing:
    """How values of a row become storable.

    Attributes:
        keep: stores the bytes of media; None where there is no place for them.
        whole: arrays of any size are kept as they are, as lists.
        reduced: told of each array that becomes a histogram: where it was given, and its size.
    """

    keep: Keep | None = None
    whole: bool = False
    reduced: Callable[[str, int], None] | None = None


_AS_EVER: Final = Storing()

CONVERTERS: Final[list[tuple[Test, Convert]]] = []
"""Values whose bytes are kept apart: a line for each media type; the first fit wins."""


def leaves(data: Mapping[str, Any], how: Storing = _AS_EVER) -> dict[Key, Any]:
    """Storable values of a logged mapping, by path.

    Args:
        data: the mapping.
        how: see `storable`.

    Raises:
        ArgumentTypeError: it is not a mapping, a key is not a str, or a value cannot be stored.
    """
    if not isinstance(data, Mapping):
        raise ArgumentTypeError(
            f"log() takes a mapping of metric names to values, not a {type(data).__name__}"
        )
    return flatten(mapping(data, "log", how=how))


def mapping(
    data: Mapping[Any, Any], what: str, depth: int = 0, how: Storing = _AS_EVER
) -> dict[str, Any]:
    """A copy of a mapping with storable values.

    Args:
        data: the mapping.
        what: where it was given, for messages: a call or a key.
        depth: nesting level.
        how: see `storable`.

    Raises:
        ArgumentTypeError: a key is not a str (in a nested mapping: nor a number, bool or None,
            which become their text), or a value cannot be stored.
    """
    out = {}
    for key, value in data.items():
        if not isinstance(key, str):
            if depth == 0 or not isinstance(key, int | float | None):
                raise ArgumentTypeError(
                    f"{what}: keys must be str, not {type(key).__name__} ({key!r})"
                )
            key = key_text(key)  # noqa: PLW2901 - as W&B stores it
        try:
            key.encode()
        except UnicodeEncodeError:
            raise ArgumentTypeError(f"{what}: the key {key!r} is not valid Unicode") from None
        out[str(key)] = storable(value, f"{what}: {key!r}", depth, how)
    return out


def key_text(key: float | None) -> str:
    """A nested mapping's key as JSON has it: `1` is "1", `True` is "true", `None` is "null"."""
    return json.dumps(key) if key is None or isinstance(key, bool) else str(key)


def storable(  # noqa: C901, PLR0912 - a table of types
    value: Any, what: str, depth: int = 0, how: Storing = _AS_EVER
) -> Any:
    """One value as it will be stored.

    Args:
        value: anything.
        what: where it was given, for messages.
        depth: nesting level.
        how: what becomes of media and of large arrays; by default media are refused.

    Raises:
        ArgumentTypeError: it cannot be.
    """
    if type(value) in _PLAIN:
        return value
    if depth > _MAX_DEPTH:
        raise ArgumentTypeError(f"{what} is nested more than {_MAX_DEPTH} levels deep")
    for test, convert in CONVERTERS:
        if test(value):
            if how.keep is None:
                raise ArgumentTypeError(
                    f"{what} has a value of type {_type_name(value)}, whose content can be kept in "
                    f"a logged row only; call run.log with it"
                )
            return mapping(convert(value, how.keep), what, depth + 1)
    if isinstance(value, enum.Enum):
        return value.name
    if isinstance(value, Mapping):
        return mapping(value, what, depth + 1, how)
    if isinstance(value, list | tuple | set | frozenset):
        items = sorted(value, key=repr) if isinstance(value, set | frozenset) else value
        return [storable(v, what, depth + 1, how) for v in items]
    if isinstance(value, bytes | bytearray):
        return bytes(value).decode("utf-8", "replace")
    if isinstance(value, dt.datetime | dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, complex):
        return str(value)
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        return _array(value, what, depth, how)
    if scalar_code(value) is not None:
        return value
    bases: tuple[type[Any], ...] = (bool, int, float, str)
    for base in bases:
        if isinstance(value, base):
            return base(value)
    if callable(value):
        module = getattr(value, "__module__", None) or ""
        name = getattr(value, "__qualname__", type(value).__name__)
        return f"{module}.{name}" if module else name
    raise ArgumentTypeError(
        f"{what} has a value of type {_type_name(value)}, which cannot be stored; log numbers, "
        f"strings, lists, dicts or arrays"
    )


def _type_name(value: object) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"


def _array(value: Any, what: str, depth: int, how: Storing) -> Any:
    """A numpy array or scalar, or what turns into one: a torch, JAX or TensorFlow tensor."""
    import numpy as np

    if not isinstance(value, np.ndarray | np.generic):
        value = _to_numpy(value, what)
    if value.dtype.kind in "OUSMmcV":
        if value.ndim == 0:
            return storable(value.item(), what, depth + 1, how)
        return [storable(v, what, depth + 1, how) for v in value.tolist()]
    if value.dtype.itemsize > 8:
        raise ArgumentTypeError(
            f"{what} is a {value.dtype}, wider than any type that can be stored"
        )
    if value.size == 1:
        only = value.reshape(())[()]
        code = scalar_code(only)
        return only if code and code in SCALARS else only.item()
    if value.size <= MAX_LIST or how.whole:
        return _items(value)
    if how.reduced is not None:
        how.reduced(what, value.size)
    return _histogram(value)


def _items(value: Any) -> list[Any]:
    """An array of numbers as a list, of lists if it has more than one dimension."""
    if value.ndim > 1:
        return [_items(row) for row in value]
    code = scalar_code(value[:1].reshape(())[()]) if len(value) else None
    items: list[Any] = list(value) if code and code in SCALARS else value.tolist()
    return items


def _to_numpy(value: Any, what: str) -> Any:
    import numpy as np

    try:
        if hasattr(value, "detach"):  # torch
            value = value.detach().cpu()
            if "bfloat16" in str(value.dtype):
                value = value.float()  # exact: every bfloat16 is a float32
        return np.asarray(value.numpy() if hasattr(value, "numpy") else value)
    except Exception as error:  # noqa: BLE001 - any tensor library may refuse in its own way
        raise ArgumentTypeError(f"{what}: the tensor could not be read: {error}") from None


def _histogram(value: Any) -> dict[str, Any]:
    """32 equal bins over the finite values, in W&B's form."""
    import numpy as np

    finite = value[np.isfinite(value)] if value.dtype.kind == "f" else value.astype(np.float64)
    counts: Any = []
    edges: Any = []
    if finite.size:
        counts, edges = np.histogram(finite.astype(np.float64), bins=BINS)
    return {
        "_type": "histogram",
        "values": [int(c) for c in counts],
        "bins": [float(e) for e in edges if math.isfinite(e)],
    }


def described(value: Any) -> Any:
    """A value that is set in the summary by hand: larger arrays become a few figures.

    Raises:
        ArgumentTypeError: a tensor could not be read.
    """
    if isinstance(value, Mapping):
        return {key: described(below) for key, below in value.items()}
    if not (hasattr(value, "dtype") and hasattr(value, "shape")):
        return value
    import numpy as np

    array = value if isinstance(value, np.ndarray | np.generic) else _to_numpy(value, "summary")
    if array.size <= MAX_LIST or array.dtype.kind not in "biuf":
        return value
    wide = array.astype(np.float64)
    with np.errstate(all="ignore"):
        shares = np.percentile(wide, (10, 25, 75, 90))
        figures = {"var": wide.var(), "mean": wide.mean(), "min": wide.min(), "max": wide.max()}
    figures |= dict(zip(("10%", "25%", "75%", "90%"), shares, strict=True))
    return {
        "_type": "numpy.ndarray",
        **{name: float(figure) for name, figure in figures.items()},
        "size": int(array.size),
    }
