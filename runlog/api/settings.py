"""Settings of a run: from arguments, else `RUNLOG_*`, else `WANDB_*` where it means the same."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

from runlog.errors import ArgumentTypeError, ArgumentValueError

Mode = Literal["offline", "disabled"]
MODES = ("offline", "disabled")


@dataclass(frozen=True, slots=True)
class Settings:
    """How a run is written.

    Attributes:
        root: folder of all runs; `RUNLOG_DIR`, default `runs`.
        mode: "offline" writes a journal; "disabled" writes nothing, and every call works.
            `RUNLOG_MODE`.
        fsync_interval: seconds between syncs to disk, which a crash of the machine (not of the
            process) may cost; 0 syncs every record, None leaves it to the system.
            `RUNLOG_FSYNC_INTERVAL`.
        seal_bytes: size at which open tails are sealed into chunks.
        quiet: print nothing but trouble. `RUNLOG_QUIET`.
        strict_steps: raise on a step that is already behind, instead of keeping it, marked late.
    """

    root: Path = Path("runs")
    mode: Mode = "offline"
    fsync_interval: float | None = 5.0
    seal_bytes: int = 1 << 20
    quiet: bool = False
    strict_steps: bool = False

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ArgumentValueError(f"mode must be one of {', '.join(MODES)}, not {self.mode!r}")
        interval = self.fsync_interval
        if interval is not None and not (isinstance(interval, int | float) and interval >= 0):
            raise ArgumentValueError(f"fsync_interval must be seconds from 0 on, not {interval!r}")
        if not isinstance(self.seal_bytes, int) or not 4096 <= self.seal_bytes <= 1 << 28:
            raise ArgumentValueError("seal_bytes must be from 4,096 to 268,435,456")


def resolve(given: Settings | Mapping[str, Any] | None, **arguments: Any) -> Settings:
    """Settings in force; arguments win over `given`, and that over the environment.

    Raises:
        ArgumentTypeError, ArgumentValueError: a setting is unknown or makes no sense.
    """
    base = given if isinstance(given, Settings) else _from_environment()
    if isinstance(given, Mapping):
        known = {f.name for f in fields(Settings)}
        for key in given:
            if key not in known:
                raise ArgumentValueError(
                    f"there is no setting {key!r}; there are: {', '.join(sorted(known))}"
                )
        values: dict[str, Any] = dict(given)
        if "root" in values:
            values["root"] = Path(values["root"])
        base = replace(base, **values)
    elif given is not None and not isinstance(given, Settings):
        raise ArgumentTypeError(f"settings must be runlog.Settings or a dict, not {given!r}")
    return replace(base, **{k: v for k, v in arguments.items() if v is not None})


def _from_environment() -> Settings:
    settings = Settings()
    if root := _variable("DIR"):
        settings = replace(settings, root=Path(root))
    mode = _variable("MODE")
    if mode in MODES:
        settings = replace(settings, mode=mode)  # type: ignore[arg-type]
    elif os.environ.get("RUNLOG_MODE"):
        raise ArgumentValueError(
            f"RUNLOG_MODE must be one of {', '.join(MODES)}, not {os.environ['RUNLOG_MODE']!r}"
        )
    if interval := os.environ.get("RUNLOG_FSYNC_INTERVAL"):
        try:
            settings = replace(settings, fsync_interval=float(interval))
        except ValueError:
            raise ArgumentValueError(
                f"RUNLOG_FSYNC_INTERVAL must be seconds, not {interval!r}"
            ) from None
    if (_variable("QUIET") or _variable("SILENT") or "").lower() in {"1", "true", "yes"}:
        settings = replace(settings, quiet=True)
    return settings


def _variable(name: str) -> str | None:
    return os.environ.get(f"RUNLOG_{name}") or os.environ.get(f"WANDB_{name}")
