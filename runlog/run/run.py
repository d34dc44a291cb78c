"""`Run`: what a training script holds."""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
import weakref
from collections.abc import Mapping
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TextIO

from runlog import messages
from runlog.arguments import whole
from runlog.capture.of_run import Capturing
from runlog.errors import ArgumentTypeError, ArgumentValueError, Error
from runlog.records import (
    Detach,
    Display,
    Enter,
    Exit,
    Join,
    MarkPreempting,
    RunStart,
    StatusAsked,
    ToHtml,
)
from runlog.run import active, alerts, define_metric, endings, identity
from runlog.run.artifacts import ArtifactCalls
from runlog.run.attributes import Naming
from runlog.run.config import RunConfig
from runlog.run.facade import empty, in_notebook, itself, no, nothing, public
from runlog.run.log import Log
from runlog.run.nowhere import Journal
from runlog.run.recorder import Recorder
from runlog.run.restore import restore
from runlog.run.save import Saver
from runlog.run.settings import Settings
from runlog.run.summary import RunSummary
from runlog.run.sync_status import SyncStatus, sync_status

if TYPE_CHECKING:
    from runlog.read.view import RunView
    from runlog.run.resume import Prior
    from runlog.watch import Watching

_RUNS: weakref.WeakSet[Run] = weakref.WeakSet()
"""Runs of this process, so that one that is unpickled where it lives is that one."""


class Run(ArtifactCalls, Naming, Log):
    """One run, being written. Made by `runlog.init`.

    May be used from any thread. A forked child that logs gets a journal of its own in the same run,
    and so does a spawned process that is given the run.
    """

    config: RunConfig
    summary: RunSummary

    def __init__(
        self,
        start: RunStart,
        settings: Settings,
        *,
        config: Mapping[str, Any] | None = None,
        prior: Prior | None = None,
    ) -> None:
        recorder = Recorder(start, settings)
        try:
            super().__init__(recorder, prior)
            self._set_up(recorder, config, prior)
        except Exception as error:
            recorder.end(1, f"the run could not be begun ({messages.brief(error)})")
            raise

    def _set_up(
        self, recorder: Recorder, config: Mapping[str, Any] | None, prior: Prior | None
    ) -> None:
        settings = recorder.settings
        self._alerts = alerts.Shown()
        self._saver = Saver(recorder)
        self._watching: Watching | None = None
        self.config = RunConfig(
            recorder.append,
            allow_val_change=settings.allow_val_change or in_notebook(),
            report=recorder,
            redact=settings.redact_config,
        )
        read = None if recorder.disabled else self._read_summary
        self.summary = RunSummary(recorder.append, read, self._place, report=recorder)
        recorder.before_end.append(self.config.settle)
        if prior is not None:
            self.config.preload(prior.config)
            self._sync.preload(prior.definitions, prior.last)
            self._take_rows()
        if config:
            # What is given now counts; the config that the run had fills in the rest.
            self.config.update(config, allow_val_change=True)
        self._capturing = Capturing(recorder)
        self._capturing.begin()
        recorder.on_fork.append(self._forked)
        recorder.before_end += [self._capturing.stop, self._finish_saving, self._deactivate]
        recorder.after_end.append(self._capturing.after)
        _RUNS.add(self)

    def __repr__(self) -> str:
        start, ended = self._start, " finished" if self._recorder.finished else ""
        return f"<runlog.Run {start.project}/{start.id}{ended}>"

    # ------------------------------------------------------------ metrics

    @public(lambda _, name="", *__, **___: define_metric.Metric(name))
    def define_metric(
        self,
        name: str,
        step_metric: str | define_metric.Metric | None = None,
        step_sync: bool | None = None,
        hidden: bool | None = None,
        summary: str | None = None,
        goal: str | None = None,
        overwrite: bool | None = None,
    ) -> define_metric.Metric:
        r"""Say how a metric is summarised and drawn.

        Args:
            name: of the metric; one "*" at its end stands for any rest. A dot separates nested
                keys; "\\." is a dot within one.
            step_metric: metric that is its x axis.
            step_sync: give rows that lack the x axis its last value; None: if `step_metric` is
                given.
            hidden: do not draw it by itself.
            summary: aggregations, separated by commas: min, max, mean, best, last, first, copy,
                none.
            goal: what best means: "minimize" or "maximize".
            overwrite: forget earlier definitions of this name, instead of adding to them.

        Returns:
            What was said, with defaults filled in.

        Raises:
            ArgumentTypeError, ArgumentValueError: an argument is invalid.
            UsageError: the run is finished.
        """
        record = define_metric.checked(
            name, step_metric, step_sync, hidden, summary, goal, overwrite
        )
        with self._lock:
            self._recorder.append(record, "define_metric")
            self._sync.update(record)
            self._take_rows()
        return define_metric.Metric.of(record)

    @public(nothing)
    def watch(
        self,
        models: Any,
        criterion: Any = None,
        log: Literal["gradients", "parameters", "all"] | None = "gradients",
        log_freq: int = 1000,
        idx: int | None = None,
        log_graph: bool = False,
    ) -> None:
        """Log histograms of a torch model's gradients, parameters or both, as it trains.

        Args:
            models: a `torch.nn.Module`, or a sequence of them.
            criterion: the loss, named in the record.
            log: what to log; None for nothing.
            log_freq: batches between two histograms.
            idx: number of the first model, where several are watched by several calls.
            log_graph: write the layers to the summary.

        Raises:
            ArgumentTypeError: something is not a module.
            ArgumentValueError: a model is watched already, or an argument is invalid.
            UsageError: the run is finished.
        """
        self._recorder.check_open("watch")
        self._watched().watch(models, criterion, log, log_freq, idx, log_graph)

    @public(nothing)
    def unwatch(self, models: Any = None) -> None:
        """Stop watching models; None for all.

        Raises:
            ArgumentTypeError: something is not a module.
            UsageError: the run is finished.
        """
        self._recorder.check_open("unwatch")
        self._watched().unwatch(models)

    def _watched(self) -> Watching:
        if self._watching is None:
            from runlog.watch import Into, Watching

            put = self.summary.__setitem__
            self._watching = Watching(Into(self._recorder, self.log, put))
        return self._watching

    # ------------------------------------------------------------ files, notices, pictures

    @public(lambda *_, **__: [])
    def save(
        self,
        glob_str: str | os.PathLike[str] | None = None,
        base_path: str | os.PathLike[str] | None = None,
        policy: Literal["live", "now", "end"] = "live",
    ) -> bool | list[str]:
        """Keep files with the run, under `files/` in its folder and in the journal.

        Args:
            glob_str: a path or pattern; expanded now, once.
            base_path: the folders below it are kept; None for the working folder, or, for an
                absolute path, the folder above the files' own.
            policy: "now" keeps them as they are; "end" as they are when the run ends; "live" both,
                and whenever they have changed meanwhile.

        Returns:
            Paths of the kept files, none if saving failed; True if nothing is given (an old habit
            that means nothing).

        Raises:
            ArgumentTypeError, ArgumentValueError: an argument is invalid, or the pattern leads
                out of `base_path`.
            UsageError: the run is finished.
        """
        self._recorder.check_open("save")
        return self._saver.save(glob_str, base_path, policy)

    @public(nothing)
    def restore(
        self,
        name: str,
        run_path: str | None = None,
        replace: bool = False,
        root: str | None = None,
    ) -> TextIO | None:
        """Get a file that was saved with a run.

        Args:
            name: path within the run's files.
            run_path: `project/id` or `entity/project/id` of another run below the same root; None
                for this one.
            replace: overwrite a file of that name in `root`.
            root: folder to put it into; None for the run's folder.

        Returns:
            The file, open for reading; None if the run has none of that name, or it cannot be
            read or put there.

        Raises:
            ArgumentTypeError, ArgumentValueError: an argument is invalid, or there is no such
                run.
        """
        return restore(self._recorder, name, run_path, replace, root)

    @public(nothing)
    def alert(
        self,
        title: str,
        text: str,
        level: str | alerts.AlertLevel | None = None,
        wait_duration: float | timedelta | None = None,
    ) -> None:
        """Tell people something. It is recorded always, and shown on stderr.

        Args:
            title: fewer than 64 characters.
            text: the message.
            level: INFO (default), WARN or ERROR.
            wait_duration: the same title is not shown again for so many seconds; default 60.

        Raises:
            ArgumentTypeError, ArgumentValueError: an argument is invalid.
            UsageError: the run is finished.
        """
        record = alerts.checked(title, text, level, wait_duration)
        self._recorder.append(record, "alert")
        self._alerts.show(record, self._recorder.tell)

    @public(no)
    def display(self, height: int = 420, hidden: bool = False) -> bool:
        """Show the run in a notebook: its curves, config and summary so far.

        Args:
            height: of the picture, in pixels.
            hidden: folded behind a button at first.

        Returns:
            Whether it was shown: there was a notebook to show it in.

        Raises:
            ArgumentTypeError, ArgumentValueError: an argument is invalid.
        """
        height, hidden = _picture_size(height, hidden)
        self._recorder.leave(Display(height, hidden))
        if self._recorder.disabled:
            return False
        from runlog import picture

        return picture.display(self._view(), height, hidden)

    @public(empty)
    def to_html(self, height: int = 420, hidden: bool = False) -> str:
        """The run as a piece of HTML that needs no server and no network.

        Args:
            height: of the picture, in pixels.
            hidden: folded behind a button at first.

        Returns:
            The HTML; empty if the run is disabled or could not be drawn.

        Raises:
            ArgumentTypeError, ArgumentValueError: an argument is invalid.
        """
        height, hidden = _picture_size(height, hidden)
        self._recorder.leave(ToHtml(height, hidden))
        if self._recorder.disabled:
            return ""
        from runlog import picture

        return picture.to_html(self._view(), height, hidden)

    @public(nothing)
    def _repr_html_(self) -> str | None:
        if self._recorder.disabled:
            return None
        from runlog import picture

        return picture.to_html(self._view())

    # ------------------------------------------------------------ life

    @public(nothing)
    def mark_preempting(self) -> None:
        """Say that the process is about to be stopped, and will be resumed later.

        Raises:
            UsageError: the run is finished.
        """
        self._recorder.append(MarkPreempting(), "mark_preempting")

    @public(nothing)
    def detach(self) -> None:
        """Do nothing but record it; there is no other process to detach from."""
        self._recorder.leave(Detach())

    @public(lambda *_: SyncStatus(0, 0))
    def status(self) -> SyncStatus:
        """How far the run's journal was sent to a server; all zero if that cannot be found out."""
        self._recorder.leave(StatusAsked())
        recorder = self._recorder
        return sync_status(recorder.folder, recorder.writer_id, recorder.seq - 1)

    @public(nothing)
    def finish(self, exit_code: int | None = None, quiet: bool | None = None) -> None:
        """End the run: write the finish record, seal everything, close. Again does nothing.

        Args:
            exit_code: 0 or None for success.
            quiet: print nothing; deprecated, use the setting.

        Raises:
            ArgumentTypeError: the exit code is not a whole number.
        """
        code = whole("exit_code", exit_code or 0)
        if quiet is not None:
            message = "finish(quiet=) is deprecated; use the setting quiet instead"
            self._recorder.warn("quiet", message)
        self._recorder.end(code, None, quiet=quiet)

    @public(nothing)
    def join(self, exit_code: int | None = None) -> None:
        """Deprecated word for `finish`."""
        code = whole("exit_code", exit_code or 0)
        recorder = self._recorder
        if recorder.finished:
            return
        recorder.warn("join", "join() is deprecated; call finish()")
        recorder.end(code, None, cause=recorder.leave(Join(exit_code)))

    @public(itself)
    def __enter__(self) -> Self:
        self._recorder.leave(Enter())
        return self

    @public(lambda _, __, error, *___: error is None)
    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> bool:
        last = None
        if exc_val is not None:
            last = "".join(traceback.format_exception_only(exc_type, exc_val)).strip()[:2000]
        recorder = self._recorder
        cause = recorder.leave(Exit(last))
        if exc_val is None:
            recorder.end(0, None, cause=cause)
        elif isinstance(exc_val, SystemExit):
            code = exc_val.code
            recorder.end(code if isinstance(code, int) else int(bool(code)), None, cause=cause)
        else:
            # Also printed by Python if nobody catches it; but then the run's output is closed.
            with contextlib.suppress(Exception):  # stderr may be closed, and the run is to end
                traceback.print_exception(exc_type, exc_val, exc_tb, file=sys.stderr)
            recorder.end(endings.code_of(exc_val), last, cause=cause)
        return exc_val is None

    @public(empty)
    def log_blob(self, data: bytes, media_type: str = "application/octet-stream") -> str:
        """Store bytes that other records refer to, each content once.

        Returns:
            Their SHA-256, 64 hex digits; empty if they could not be stored.

        Raises:
            ArgumentTypeError: not bytes.
            UsageError: the run is finished.
        """
        return self._recorder.append_blob(data, media_type)

    def __reduce__(self) -> Any:
        # For a spawned process: it opens a journal of its own in the same run.
        recorder = self._recorder
        return _attached, (recorder.start, recorder.settings, recorder.writer_id, self._step)

    # ------------------------------------------------------------ below

    def _forked(self) -> None:
        """In a forked child."""
        self._saver = Saver(self._recorder)  # the parent keeps its files itself
        self._capturing.forked()

    def _finish_saving(self) -> None:
        self._saver.finish()

    def _deactivate(self) -> None:
        active.forget(self)

    def _place(self) -> tuple[str | None, int]:
        """Changes with every record; says what a reading of the journal is up to."""
        return self._recorder.writer_id, self._recorder.seq

    def _read_summary(self) -> dict[str, Any]:
        with self._view() as view:
            return view.summary

    def _view(self) -> RunView:
        from runlog.read.view import RunView

        return RunView(self._recorder.folder)

    # Names that tests reach for.

    @property
    def _journal(self) -> Journal:
        return self._recorder.journal

    @property
    def _warned(self) -> set[str]:
        return self._recorder.warned

    # Names that scripts for W&B touch.

    @property
    def _is_finished(self) -> bool:
        return self._recorder.finished

    def _label(self, *args: Any, **kwargs: Any) -> None:
        """Take a label of the calling code; ignored."""

    @property
    def _attach_id(self) -> str:
        """Text from which another process of the same program makes this run, to go on with it."""
        return self._as_text()

    @public(empty, "_attach_id")
    def _as_text(self) -> str:
        import base64
        import pickle

        return base64.b64encode(pickle.dumps(self)).decode()


def _attached(start: RunStart, settings: Settings, parent: str | None, step: int) -> Run:
    """A run in another process of the same program, to which it was pickled."""
    try:
        for run in list(_RUNS):
            recorder = run._recorder  # noqa: SLF001 - this module's own
            same = run.id == start.id and run.project == start.project
            if same and recorder.here and not recorder.finished:
                return run
        alone = settings.replace(console="off", system=False, environment=False)
        run = Run(identity.for_child(start, settings, parent, step), alone)
    except Exception as error:  # noqa: BLE001 - law L8: it could not be helped here
        run = unrecorded(error, start.project, start.id)
    if active.current() is None:
        active.activate(run)
    return run


def unrecorded(
    error: Exception, project: str, run_id: str, config: Mapping[str, Any] | None = None
) -> Run:
    """A run of which nothing is recorded, in place of one that could not be begun (law L8).

    Args:
        error: why; told in one line.
        project: of the run.
        run_id: its id.
        config: its hyperparameters, which the program has all the same.

    Raises:
        Error: not even that can be made.
    """
    messages.swallow(error)
    messages.say(
        f"the run could not be begun ({messages.brief(error)}), so nothing of it is recorded"
    )
    try:
        return Run(RunStart(run_id, project), Settings(mode="disabled"), config=config)
    except Exception:  # noqa: BLE001 - the last resort: the caller must have something
        raise Error(f"the run could not be begun: {messages.brief(error)}") from error


def _picture_size(height: object, hidden: object) -> tuple[int, bool]:
    pixels = whole("height", height)
    if pixels <= 0:
        raise ArgumentValueError(f"height must be pixels above 0, not {pixels}")
    if not isinstance(hidden, bool):
        raise ArgumentTypeError(f"hidden must be True or False, not {hidden!r}")
    return pixels, hidden
