"""What a run records by itself: console output, system metrics, the environment.

All of it on threads of its own, but for console output, which is written as it comes. Nothing here
may raise into the training code, or slow it (law L8).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from runlog.messages import brief

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from runlog.capture.console import Capture
    from runlog.capture.environment import Collector
    from runlog.capture.system import Sampler
    from runlog.run.recorder import Recorder

MAX_LOGGED: Final = 20_000
"""Records of console output up to which `finish` writes `files/output.log`."""


class Capturing:
    """Everything that one run captures, once it is begun."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._console: Capture | None = None
        self._sampler: Sampler | None = None
        self._collector: Collector | None = None
        self._printed = 0

    def begin(self) -> None:
        """Begin. What cannot be captured is told, and the rest is."""
        recorder, settings = self._recorder, self._recorder.settings
        if recorder.disabled:
            return
        wanted = {
            self._begin_console: settings.console != "off",
            self._begin_system: settings.system and recorder.main,
            self._begin_environment: settings.environment and recorder.main,
        }
        self._each([begin for begin, asked in wanted.items() if asked], "is not captured")

    def _each(self, parts: list[Callable[[], object]], trouble: str) -> None:
        """Call all, whatever one of them does (law L8)."""
        for part in parts:
            try:
                part()
            except Exception as error:  # noqa: BLE001 - law L8
                message = f"something {trouble} ({brief(error)})"
                self._recorder.swallow(trouble, message, error)

    def _begin_console(self) -> None:
        from runlog.capture import console

        recorder = self._recorder
        self._console = console.capture(
            self._print,
            recorder.settings.console,
            lock=lambda: recorder.lock,
            on_trouble=recorder.tell,
            kept=lambda: recorder.seq,
        )

    def _begin_system(self) -> None:
        from runlog.capture.system import Sampler

        self._sampler = Sampler(self._sample, self._recorder.settings.system_interval)
        self._sampler.start()

    def _begin_environment(self) -> None:
        from runlog.capture import environment

        recorder = self._recorder
        self._collector = environment.start(
            recorder.append,
            recorder.append_blob,
            git=recorder.settings.git,
            folder=recorder.folder,
        )

    def _print(self, stream: str, data: bytes) -> None:
        from runlog.records import Console

        # A child that only prints needs no journal of its own.
        if self._recorder.here:
            self._printed += 1
            self._recorder.append(Console(stream, data))

    def _sample(self, values: Mapping[str, Any]) -> None:
        from runlog.records import System

        self._recorder.append(System(values))

    def forked(self) -> None:
        """In a forked child: the threads are the parent's."""
        self._sampler = None
        self._collector = None

    def stop(self) -> None:
        """End, with what is still to come taken in."""
        parts = [part for part in (self._collector, self._sampler, self._console) if part]
        self._each([part.stop for part in parts], "of the capture did not end cleanly")

    def after(self) -> None:
        """Once the journal is sealed: write what was printed to a plain file.

        Not after very much output: the script would wait seconds for it. It is in the journal.
        """
        if not 0 < self._printed <= MAX_LOGGED:
            return
        from runlog.capture.output_log import write_output_log
        from runlog.read.view import RunView

        folder = self._recorder.folder
        with RunView(folder) as view:
            write_output_log(view, folder)
