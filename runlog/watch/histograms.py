"""Histograms of torch tensors, made where the tensor is and fetched many at a time.

On a GPU `row` waits for nothing: range, counts and even the special cases are tensor operations,
and `fetch` copies all rows of a device at once. On a CPU, numpy is quicker. Only finite values
count; each of them does, and counts are exact, whatever the number of elements.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np

from runlog.wire.encodings import Array

BINS: Final = 64

_CPU_PIECE: Final = 1 << 16
"""Elements looked at together on a CPU: as float64 they fit a core's own cache."""

_GPU_PIECE: Final = 1 << 22
"""The same on a GPU: bounds the extra memory to some 100 MB, and keeps the counts of one piece,
which histc makes as float32, far below 2**24, where they would stop being exact."""

Tensor = Any
"""A `torch.Tensor`; torch is no dependency, so type checkers may not know it."""

Row = Any
"""Counts of 64 equal bins, then the least and the greatest finite value: float64, shape (66,).

A numpy array, or a tensor on a GPU. Without a finite value the least is +inf. If all values are the
same one, it is the first bin that counts them.
"""


def row(tensor: Tensor) -> Row | None:
    """Count a tensor. Complex numbers count as their two parts, implied zeros of sparse ones too.

    Args:
        tensor: of any shape, type and layout; not changed.

    Returns:
        The row; None for a tensor without elements or without data.
    """
    torch = sys.modules["torch"]
    with torch.no_grad():
        tensor = tensor.detach()
        if tensor.is_meta or tensor.numel() == 0:
            return None
        zeros = 0
        if tensor.layout != torch.strided:
            zeros = tensor.numel()
            tensor = (tensor.coalesce() if tensor.is_sparse else tensor).values()
            zeros -= tensor.numel()
        if tensor.is_complex():
            tensor = torch.view_as_real(tensor.resolve_conj())
        flat = tensor.resolve_neg().reshape(-1)
        if flat.is_cuda:
            return _on_gpu(torch, flat, zeros)
        return _on_cpu(torch, flat.cpu(), zeros)


# ---------------------------------------------------------------- on a CPU


def _on_cpu(torch: Any, flat: Tensor, zeros: int) -> Array:
    low, high, clean = (0.0, 0.0, True) if zeros else (math.inf, -math.inf, True)
    for piece in _pieces(torch, flat):
        ends = float(piece.min()), float(piece.max())
        if not math.isfinite(ends[0]) or not math.isfinite(ends[1]):
            clean = False
            ends = _finite_ends(piece)
        low, high = min(low, ends[0]), max(high, ends[1])
    counts = np.zeros(BINS + 1)  # the last one for the greatest value itself
    if low <= high:
        for piece in _pieces(torch, flat):
            finite = piece if clean else piece[np.isfinite(piece)]
            counts += np.bincount(_places(finite, low, high), minlength=BINS + 1)
        if zeros:
            counts[_places(np.zeros(1), low, high)] += zeros
    counts[BINS - 1] += counts[BINS]
    return np.append(counts[:BINS], (low, high))


def _pieces(torch: Any, flat: Tensor) -> Iterator[Array]:
    for piece in flat.split(_CPU_PIECE) if flat.numel() else ():
        plain = piece.dtype in (torch.float32, torch.float64)  # numpy lacks bfloat16
        yield (piece if plain else piece.float()).numpy()


def _finite_ends(piece: Array) -> tuple[float, float]:
    finite = piece[np.isfinite(piece)]
    return (float(finite.min()), float(finite.max())) if finite.size else (math.inf, -math.inf)


def _places(values: Array, low: float, high: float) -> Array:
    """The bin of each value, from 0 to 64: rounding may take the greatest ones to the last edge."""
    kind = values.dtype.type
    if 1e-30 < high - low < 1e30:
        share = values - kind(low)
        share *= kind(BINS / (high - low))
    else:  # slower; the steps above would leave the range of float32, or of float64
        share = values.astype(np.float64)
        share *= 0.5
        share -= low / 2
        share /= high / 2 - low / 2 or 1.0
        share *= BINS
    places: Array = share.astype(np.intp)
    return places


# ---------------------------------------------------------------- on a GPU


def _on_gpu(torch: Any, flat: Tensor, zeros: int) -> Tensor:
    pieces = flat.split(_GPU_PIECE) if flat.numel() else ()
    nothing = torch.zeros(1, dtype=torch.float64, device=flat.device)
    lows, highs = [nothing] if zeros else [], [nothing] if zeros else []
    for piece in pieces:
        finite, wide = piece.isfinite(), piece.double()
        lows.append(torch.where(finite, wide, math.inf).amin().reshape(1))
        highs.append(torch.where(finite, wide, -math.inf).amax().reshape(1))
    low, high = torch.cat(lows).amin(), torch.cat(highs).amax()
    span = high / 2 - low / 2
    span = torch.where(span == 0, 1.0, span)
    counts = torch.zeros(BINS, dtype=torch.float64, device=flat.device)
    for piece in pieces:
        # Rounding keeps order, so each finite value ends between 0 and 1, and only those do.
        share = piece.double().mul_(0.5).sub_(low / 2).div_(span).float()
        counts += torch.histc(share, BINS, 0, 1)
    if zeros:
        place = ((nothing - low / 2) / span * BINS).long().clamp_(0, BINS - 1)
        counts.index_add_(0, place, torch.full_like(nothing, zeros))
    return torch.cat((counts, low.reshape(1), high.reshape(1)))


# ---------------------------------------------------------------- as they are logged


def fetch(rows: Mapping[str, Row]) -> dict[str, dict[str, Any]]:
    """Rows in the form in which histograms are logged; those without a finite value left out.

    Args:
        rows: by name.
    """
    by_device: dict[Any, list[str]] = {}
    for name, found in rows.items():
        by_device.setdefault(getattr(found, "device", "cpu"), []).append(name)
    plain: dict[str, list[float]] = {}
    for device, names in by_device.items():
        here = [rows[name] for name in names]
        on_gpu = getattr(device, "type", "cpu") == "cuda"
        table = sys.modules["torch"].stack(here) if on_gpu else np.stack(here)
        plain |= zip(names, table.tolist(), strict=True)  # from a GPU: one copy, one wait
    return {name: _logged(plain[name]) for name in rows if plain[name][-2] <= plain[name][-1]}


def _logged(numbers: list[float]) -> dict[str, Any]:
    counts, (low, high) = numbers[:BINS], numbers[BINS:]
    if low == high:
        # As numpy does it: the one value is in the middle; far from zero, the range grows with it.
        counts = [0.0] * BINS
        counts[BINS // 2] = sum(numbers[:BINS])
        reach = max(1.0, abs(low)) / 2
        low, high = max(low - reach, -sys.float_info.max), min(high + reach, sys.float_info.max)
    shares = [i / BINS for i in range(BINS + 1)]
    return {
        "_type": "histogram",
        "values": [int(c) for c in counts],
        "bins": [low * (1 - s) + high * s for s in shares],
    }
