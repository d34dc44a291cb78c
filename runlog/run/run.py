"""`Run`: what a training script holds."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Mapping
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TextIO

from runlog.arguments import whole
from runlog.capture.of_run import Capturing
from runlog.records import (
    Detach,
    Display,
    Enter,
    Exit,
    Finish,
    Join,
    MarkPreempting,
    RunStart,
    StatusAsked,
    ToHtml,
)
from runlog.run import alerts, define_metric, endings, files, identity
from runlog.run.artifacts import ArtifactCalls
from runlog.run.attributes import Naming
from runlog.run.config import RunConfig
from runlog.run.recorder import in_notebook, public
from runlog.run.settings import Settings
from runlog.run.summary import RunSummary

if TYPE_CHECKING:
    from runlog.read.view import RunView
    from runlog.run.resume import Prior
    from runlog.run.sync_status import SyncStatus


class Run(ArtifactCalls, Naming):
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
        super().__init__(start, settings, prior)
        self._alerts = alerts.Shown()
        self._saved = files.Saver(self)
        self.config = RunConfig(
            self._append,
            allow_val_change=settings.allow_val_change or in_notebook(),
            warn=self._tell,
        )
        read = None if settings.mode == "disabled" else self._read_summary
        self.summary = RunSummary(self._append, read, self._place)
        if prior is not None:
            self.config.preload(prior.config)
            self._sync.preload(prior.definitions, prior.last)
            if self._sync.active:
                self._fill_rows()
        if config:
            # What is given now counts; the config that the run had fills in the rest.
            self.config.update(config, allow_val_change=True)
        self._capturing = Capturing(self)

    def __repr__(self) -> str:
        return f"<runlog.Run {self.project}/{self.id}{' finished' if self._finished else ''}>"

    # ------------------------------------------------------------ metrics

    @public
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

        Raises:
            ArgumentTypeError, ArgumentValueError: an argument makes no sense.
            UsageError: the run is finished.
        """
        record = define_metric.checked(
            name, step_metric, step_sync, hidden, summary, goal, overwrite
        )
        with self._lock:
            self._append(record, "define_metric")
            was = self._sync.active
            self._sync.update(record)
            if self._sync.active and not was:
                self._fill_rows()
        return define_metric.Metric.of(record)

    @public
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
            ArgumentTypeError: something is no module.
            ArgumentValueError: a model is watched already, or an argument makes no sense.
            UsageError: the run is finished.
        """
        from runlog.watch import watch

        self._check_open("watch")
        watch(self, models, criterion, log, log_freq, idx, log_graph)

    @public
    def unwatch(self, models: Any = None) -> None:
        """Stop watching models; None for all.

        Raises:
            ArgumentTypeError: something is no module.
            UsageError: the run is finished.
        """
        from runlog.watch import unwatch

        self._check_open("unwatch")
        unwatch(self, models)

    # ------------------------------------------------------------ files, notices, pictures

    @public
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
            Paths of the kept files; True if nothing is given (an old habit that means nothing).

        Raises:
            ArgumentTypeError, ArgumentValueError: an argument makes no sense, or the pattern leads
                out of `base_path`.
            UsageError: the run is finished.
        """
        self._check_open("save")
        return self._saved.save(glob_str, base_path, policy)

    @public
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
            The file, open for reading; None if the run has none of that name.

        Raises:
            ArgumentTypeError, ArgumentValueError: an argument makes no sense, or there is no such
                run.
        """
        return files.restore(self, name, run_path, replace, root)

    @public
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
            ArgumentTypeError, ArgumentValueError: an argument makes no sense.
            UsageError: the run is finished.
        """
        record = alerts.checked(title, text, level, wait_duration)
        self._append(record, "alert")
        self._alerts.show(record, self._tell)

    @public
    def display(self, height: int = 420, hidden: bool = False) -> bool:
        """Show the run in a notebook: its curves, config and summary so far.

        Args:
            height: of the picture, in pixels.
            hidden: folded behind a button at first.

        Returns:
            Whether there was a notebook to show it in.

        Raises:
            ArgumentTypeError, ArgumentValueError: an argument makes no sense.
        """
        height, hidden = _picture_size(height, hidden)
        self._leave(Display(height, hidden))
        if self.disabled:
            return False
        from runlog import picture

        return picture.display(self._view(), height, hidden)

    @public
    def to_html(self, height: int = 420, hidden: bool = False) -> str:
        """The run as a piece of HTML that needs no server and no network.

        Args:
            height: of the picture, in pixels.
            hidden: folded behind a button at first.

        Raises:
            ArgumentTypeError, ArgumentValueError: an argument makes no sense.
        """
        height, hidden = _picture_size(height, hidden)
        self._leave(ToHtml(height, hidden))
        if self.disabled:
            return ""
        from runlog import picture

        return picture.to_html(self._view(), height, hidden)

    def _repr_html_(self) -> str | None:
        if self.disabled:
            return None
        from runlog import picture

        return picture.to_html(self._view())

    # ------------------------------------------------------------ life

    @public
    def mark_preempting(self) -> None:
        """Say that the process is about to be stopped, and will be resumed later.

        Raises:
            UsageError: the run is finished.
        """
        self._append(MarkPreempting(), "mark_preempting")

    @public
    def detach(self) -> None:
        """Do nothing but record it; there is no other process to detach from."""
        self._leave(Detach())

    @public
    def status(self) -> SyncStatus:
        """How far the run's journal was sent to a server."""
        from runlog.run.sync_status import sync_status

        self._leave(StatusAsked())
        return sync_status(self._dir, self._writer_id, self._journal.seq - 1)

    @public
    def finish(self, exit_code: int | None = None, quiet: bool | None = None) -> None:
        """End the run: write the finish record, seal everything, close. Again does nothing.

        Args:
            exit_code: 0 or None for success.
            quiet: print nothing; deprecated, use the setting.

        Raises:
            ArgumentTypeError: the exit code is no whole number.
        """
        if quiet is not None:
            self._warn("quiet", "finish(quiet=) is deprecated; use the setting quiet instead")
        self._end(whole("exit_code", exit_code or 0), None, quiet=quiet)

    @public
    def join(self, exit_code: int | None = None) -> None:
        """Deprecated word for `finish`."""
        code = whole("exit_code", exit_code or 0)
        if self._finished:
            return
        self._warn("join", "join() is deprecated; call finish()")
        cause = self._append(Join(exit_code))
        self._end(code, None, cause=cause)

    def _end(
        self,
        exit_code: int,
        message: str | None,
        *,
        quiet: bool | None = None,
        cause: int | None = None,
    ) -> None:
        if self._finished or self._ending:
            return
        self._ending = True
        # A signal handler may be here amid a record. It goes on without the lock, which threads
        # that this waits for may need, and gives it back as it was.
        lock: Any = self._lock
        held = lock._release_save() if lock._is_owned() else None  # noqa: SLF001 - as Condition does
        try:
            self._close(Finish(exit_code, message, cause), quiet=quiet)
        finally:
            self._ending = False
            if held is not None:
                lock._acquire_restore(held)  # noqa: SLF001

    def _close(self, finish: Finish, *, quiet: bool | None) -> None:
        from runlog.run import active

        if self._journal.closed:
            self._after_fork()
        try:
            self.config.settle()
            self._capturing.stop()
            self._saved.finish()
        except Exception as error:  # noqa: BLE001 - law L8
            self._tell(f"capture did not end cleanly ({error!r})")
        self._finished = True
        endings.ended(self)
        active.forget(self)
        try:
            self._journal.close(finish)
            self._capturing.after(self._dir)
        except Exception as error:  # noqa: BLE001 - law L8: the records are in the tails
            self._tell(f"the run could not be finished cleanly ({error!r})")
        silent = self._settings.quiet if quiet is None else quiet
        if not silent and not self.disabled and self._start.parent is None:
            self._tell(f"run {self.project}/{self.id} is in {self._dir}")

    @public
    def __enter__(self) -> Self:
        self._leave(Enter())
        return self

    @public
    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> bool:
        last = None
        if exc_val is not None:
            last = "".join(traceback.format_exception_only(exc_type, exc_val)).strip()[:2000]
        cause = None if self._finished else self._append(Exit(last))
        if exc_val is None:
            self._end(0, None, cause=cause)
        elif isinstance(exc_val, SystemExit):
            code = exc_val.code
            self._end(code if isinstance(code, int) else int(bool(code)), None, cause=cause)
        else:
            # Also printed by Python if nobody catches it; but then the run's output is closed.
            traceback.print_exception(exc_type, exc_val, exc_tb, file=sys.stderr)
            self._end(endings.code_of(exc_val), last, cause=cause)
        return exc_val is None

    def __reduce__(self) -> Any:
        # For a spawned process: it opens a journal of its own in the same run.
        return (_attached, (self._start, self._settings, self._writer_id, self._step))

    # ------------------------------------------------------------ below

    def _lose_journal(self) -> None:
        super()._lose_journal()
        self._saved = files.Saver(self)  # the parent keeps its files itself
        self._capturing.forked()

    def _place(self) -> tuple[str | None, int]:
        """Changes with every record, and tells what a reading of the journal is up to."""
        return self._writer_id, self._journal.seq

    def _read_summary(self) -> dict[str, Any]:
        with self._view() as view:
            return view.summary

    def _view(self) -> RunView:
        from runlog.read.view import RunView

        return RunView(self._dir)

    # Names that scripts for the followed API touch.

    @property
    def _is_finished(self) -> bool:
        return self._finished

    def _label(self, *args: Any, **kwargs: Any) -> None:
        """Take a label of the calling code; there is nobody to tell."""

    @property
    def _attach_id(self) -> str:
        """Text from which another process of the same program makes this run, to go on with it."""
        import base64
        import pickle

        return base64.b64encode(pickle.dumps(self)).decode()


def _attached(start: RunStart, settings: Settings, parent: str | None, step: int) -> Run:
    """A run in another process of the same program, to which it was pickled."""
    from runlog.run import active

    for run in endings.live():
        if isinstance(run, Run) and run.id == start.id and run.project == start.project:
            return run
    alone = settings.replace(console="off", system=False, environment=False)
    run = Run(identity.for_child(start, settings, parent, step), alone)
    if active.current() is None:
        active.activate(run)
    return run


def _picture_size(height: Any, hidden: Any) -> tuple[int, bool]:
    from runlog.errors import ArgumentTypeError, ArgumentValueError

    pixels = whole("height", height)
    if pixels <= 0:
        raise ArgumentValueError(f"height must be pixels above 0, not {pixels}")
    if not isinstance(hidden, bool):
        raise ArgumentTypeError(f"hidden must be True or False, not {hidden!r}")
    return pixels, hidden
