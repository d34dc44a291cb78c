"""What a run records by itself: console output, system metrics, the environment.

All of it on threads of its own, but for console output, which is written as it comes. Nothing here
may raise into the training code, or slow it (law L8).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from runlog.capture.console import Capture
    from runlog.capture.environment import Collector
    from runlog.capture.system import Sampler
    from runlog.run.recorder import Recorder

MAX_LOGGED: Final = 20_000
"""Records of console output up to which `finish` writes `files/output.log`."""


class Capturing:
    """Everything that one run captures."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._console: Capture | None = None
        self._sampler: Sampler | None = None
        self._collector: Collector | None = None
        self._printed = 0
        settings = recorder.settings
        if recorder.disabled:
            return
        if settings.console != "off":
            from runlog.capture import console

            self._console = console.capture(
                self._print,
                settings.console,
                lock=lambda: recorder.lock,
                on_trouble=recorder.tell,
                kept=lambda: recorder.seq,
            )
        if settings.system and recorder.main:
            from runlog.capture.system import Sampler

            self._sampler = Sampler(self._sample, settings.system_interval)
            self._sampler.start()
        if settings.environment and recorder.main:
            from runlog.capture import environment

            self._collector = environment.start(
                recorder.append,
                recorder.append_blob,
                git=settings.git,
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
        for part in (self._collector, self._sampler, self._console):
            if part is not None:
                part.stop()

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
            write_output_log(view, folder / "files" / "output.log")
