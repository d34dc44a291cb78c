"""`Run.log`: rows, the current step, and the step metrics that rows are given.

What a row needs is held here and not looked up in the recorder: `log` is the hot path, and each
attribute of an attribute is one lookup more per row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from runlog.arguments import whole
from runlog.errors import ArgumentTypeError, ArgumentValueError, UsageError
from runlog.interrupts import raised_by_handler
from runlog.messages import brief
from runlog.records import Blob
from runlog.run.facade import Facade
from runlog.run.recorder import Recorder, blob_of
from runlog.run.step_sync import StepSync
from runlog.run.storable import BINS, Storing, leaves
from runlog.wire.row import LATE, row_flags

LogRow = Callable[[Mapping[str, Any], int, int], bool]
"""Writes a row of plain numbers, given its step and flags; False if it is not one."""


class Log(Facade):
    """The part of `Run` that logs rows.

    `log` keeps the promise of `facade.public` by itself.
    """

    def __init__(self, recorder: Recorder) -> None:
        super().__init__(recorder)
        self._step = recorder.start.step
        self._sync = StepSync()
        self._lock = recorder.lock
        self._log_row: LogRow = recorder.journal.log_row
        recorder.step_now = lambda: self._step
        recorder.on_fork.append(self._refuse_rows)
        recorder.on_open.append(self._take_rows)

    @property
    def step(self) -> int:
        """The current step: that of the next row."""
        return self._step

    def log(
        self,
        data: Mapping[str, Any],
        step: int | None = None,
        commit: bool | None = None,
        sync: bool | None = None,
    ) -> None:
        """Log metrics. When this returns, they survive the death of the process (law L1).

        Args:
            data: values by metric name; nested dicts are paths.
            step: step that they belong to; None for the current one. One already behind is kept and
                marked late.
            commit: whether the current step is complete. None: yes, unless `step` is given.
            sync: accepted and ignored, as in W&B.

        Raises:
            ArgumentTypeError: `data` is not a mapping with str keys, a value cannot be stored, or
                `step` or `commit` has a wrong type. Nothing is logged and the step does not move.
            UsageError: the run is finished.

        Nothing else is raised: a row that is lost in another way is told of on stderr, and the
        step moves on as if it were there.
        """
        if step is None and commit is None:
            try:
                with self._lock:  # not acquire() and try: a signal may come between the two
                    if not self._log_row(data, self._step, 0):
                        self._log_other(data, self._step, 0)
                    self._step += 1
            except UsageError as error:
                self._recorder.reject("log", error)
                raise
            except Exception as error:  # noqa: BLE001 - law L8
                self._not_logged(data, error)
                with self._lock:
                    self._step += 1
            return
        del sync
        try:
            _check_mapping(data)
            self._log_at(data, step, commit)
        except UsageError as error:
            self._recorder.reject("log", error)
            raise
        except Exception as error:  # noqa: BLE001 - law L8
            self._not_logged(data, error)
            with self._lock:  # rows that come are not to be taken for this one
                at = self._step if step is None else step
                if isinstance(at, int) and at >= self._step:
                    self._step = at + (commit is True)

    def _log_at(self, data: Mapping[str, Any], step: int | None, commit: bool | None) -> None:
        if step is not None:
            step = whole("step", step)
        if commit is not None and not isinstance(commit, bool):
            raise ArgumentTypeError(f"commit must be True, False or None, not {commit!r}")
        with self._lock:
            late = step is not None and step < self._step
            flags = row_flags(late=late, commit=commit, explicit_step=step is not None)
            if late and self._recorder.settings.steps == "strict":
                raise ArgumentValueError(
                    f"step {step} is behind the current step {self._step}, and steps are strict"
                )
            at = self._step if step is None else step
            if not self._log_row(data, at, flags):
                self._log_other(data, at, flags)
            if late:
                self._recorder.warn(
                    "late",
                    f"step {step} is behind the current step {self._step}; such rows are kept and "
                    f"marked late",
                )
                return
            self._step = at + (1 if commit else 0)

    def _log_other(self, data: Mapping[str, Any], step: int, flags: int) -> None:
        """Log what is not a flat row of plain numbers."""
        recorder = self._recorder
        if recorder.journal.closed:
            recorder.after_fork()
            recorder.check_open("log")
            if self._log_row(data, step, flags):
                return
        blobs: list[Blob] = []

        def keep(content: bytes, media_type: str) -> str:
            blobs.append(blob_of(content, media_type))
            return blobs[-1].digest

        whole = recorder.settings.arrays == "whole"
        found = leaves(data, Storing(keep, whole, self._tell_of_histogram))
        for blob in blobs:  # only now: a row that is refused leaves nothing behind
            recorder.append(blob, "log")
        recorder.journal.log_leaves(found, step, flags)

    def _tell_of_histogram(self, what: str, size: int) -> None:
        self._recorder.warn(
            "histogram",
            f"{what} is an array of {size:,} numbers: a histogram of {BINS} bins is kept of it, as "
            f"of all large arrays; settings={{'arrays': 'whole'}} keeps them as lists",
        )

    def _not_logged(self, data: object, error: Exception) -> None:
        """A row could not be logged: because it is no mapping, or through no fault of the caller.

        Raises:
            ArgumentTypeError: it is no mapping.
        """
        if not isinstance(data, Mapping):
            refused = _no_mapping(data)
            self._recorder.reject("log", refused)
            raise refused from None
        if raised_by_handler(error):
            raise error
        self._recorder.lose(f"a row could not be made ({type(error).__name__})")
        self._recorder.swallow("bug", f"a row could not be logged ({brief(error)})", error)

    # ------------------------------------------------------------ which journal, and what is added

    def _take_rows(self) -> None:
        """From here on rows go to the recorder's journal, with the step metrics that they lack."""
        journal_row, fill = self._recorder.journal.log_row, self._sync.fill

        def filled(data: Mapping[str, Any], step: int, flags: int) -> bool:
            full = data if flags & LATE else fill(data)
            if journal_row(full, step, flags):
                return True
            if full is not data:
                self._log_other(full, step, flags)
            return full is not data

        self._log_row = filled if self._sync.active else journal_row

    def _refuse_rows(self) -> None:
        """In a forked child: the first row takes the slow way, which opens a journal."""
        self._lock = self._recorder.lock
        self._log_row = _refuse


def _refuse(data: Mapping[str, Any], step: int, flags: int) -> bool:
    del data, step, flags
    return False


def _check_mapping(data: object) -> None:
    if not isinstance(data, Mapping):
        raise _no_mapping(data)


def _no_mapping(data: object) -> ArgumentTypeError:
    return ArgumentTypeError(
        f"log() takes a mapping of metric names to values, not a {type(data).__name__}"
    )
