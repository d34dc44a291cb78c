"""What a run is called and where it is: the attributes of `Run` that only tell."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from runlog.records import (
    ProjectNameAsked,
    ProjectUrlAsked,
    RunUpdate,
    SweepUrlAsked,
    UrlAsked,
)
from runlog.run import identity
from runlog.run.facade import Facade, empty, nothing, public
from runlog.run.recorder import Recorder
from runlog.run.settings import Settings

if TYPE_CHECKING:
    from runlog.run.config import RunConfig
    from runlog.run.resume import Prior


class Naming(Facade):
    """Attributes of a `Run`."""

    config: RunConfig

    def __init__(self, recorder: Recorder, prior: Prior | None) -> None:
        super().__init__(recorder)
        start, chosen = recorder.start, recorder.settings.start_time
        self._start = start
        self._prior = prior
        self._started = time.time() if chosen is None else chosen
        self._name = start.name
        self._notes = start.notes
        self._tags = start.tags

    @property
    def id(self) -> str:
        """Run id."""
        return self._start.id

    @property
    def project(self) -> str:
        """Project name."""
        return self._start.project

    @public(empty)
    def project_name(self) -> str:
        """Project name."""
        self._recorder.leave(ProjectNameAsked())
        return self._start.project

    @property
    def entity(self) -> str:
        """Owner; empty if absent."""
        return self._start.entity or ""

    @property
    def group(self) -> str:
        """Group of runs that this one belongs to; empty if absent."""
        return self._start.group or ""

    @property
    def job_type(self) -> str:
        """What the run does; empty if nobody said."""
        return self._start.job_type or ""

    @property
    def path(self) -> str:
        """`entity/project/id`, without the entity if absent."""
        start = self._start
        return "/".join(p for p in (start.entity, start.project, start.id) if p)

    @property
    def dir(self) -> str:
        """The run's folder."""
        return str(self._recorder.folder)

    @property
    def settings(self) -> Settings:
        """Settings in force."""
        return self._recorder.settings

    @property
    def config_static(self) -> dict[str, Any]:
        """A copy of the config as it is now, hidden keys included."""
        return self.config.as_dict()

    @property
    def mode(self) -> str:
        """W&B's old words: "dryrun" for a run without sync, else "run"."""
        return "run" if self._recorder.settings.mode == "online" else "dryrun"

    @property
    def offline(self) -> bool:
        """Whether nothing is sent anywhere."""
        return True

    @property
    def disabled(self) -> bool:
        """Whether nothing is written at all."""
        return self._recorder.disabled

    @property
    def resumed(self) -> bool:
        """Whether this run goes on with an earlier one."""
        return self._prior is not None and self._prior.resumed

    @property
    def starting_step(self) -> int:
        """The step at which this process began."""
        return self._start.step

    @property
    def start_time(self) -> float:
        """When the run began, seconds since the Unix epoch."""
        return self._started

    @property
    def sweep_id(self) -> str | None:
        """Id of the sweep that started the run, if one did."""
        return self._recorder.settings.sweep_id

    @property
    def url(self) -> str | None:
        """The run's page on a server; None, as it is synced to none."""
        return None

    @property
    def project_url(self) -> str | None:
        """The project's page on a server; None, as it is synced to none."""
        return None

    @property
    def sweep_url(self) -> str | None:
        """The sweep's page on a server; None, as it is synced to none."""
        return None

    @public(nothing)
    def get_url(self) -> str | None:
        """The run's page on a server; None, as it is synced to none."""
        self._recorder.leave(UrlAsked())
        self._no_page("get_url")
        return None

    @public(nothing)
    def get_project_url(self) -> str | None:
        """The project's page on a server; None, as it is synced to none."""
        self._recorder.leave(ProjectUrlAsked())
        self._no_page("get_project_url")
        return None

    @public(nothing)
    def get_sweep_url(self) -> str | None:
        """The sweep's page on a server; None, as it is synced to none."""
        self._recorder.leave(SweepUrlAsked())
        self._no_page("get_sweep_url")
        return None

    def _no_page(self, call: str) -> None:
        if not self._recorder.disabled:
            self._recorder.warn(
                "url", f"{call}() gives None: the run is local, in {self._recorder.folder}"
            )

    @property
    def name(self) -> str | None:
        """Display name; can be set."""
        return self._name

    @name.setter
    def name(self, value: str) -> None:
        self._set_name(value)

    @public(nothing, "name")
    def _set_name(self, value: str) -> None:
        new = identity.text("name", value)
        self._recorder.check_open("name")
        self._name = new
        self._recorder.append(RunUpdate(name=new))

    @property
    def notes(self) -> str | None:
        """Notes; can be set."""
        return self._notes

    @notes.setter
    def notes(self, value: str) -> None:
        self._set_notes(value)

    @public(nothing, "notes")
    def _set_notes(self, value: str) -> None:
        new = identity.text("notes", value)
        self._recorder.check_open("notes")
        self._notes = new
        self._recorder.append(RunUpdate(notes=new))

    @property
    def tags(self) -> tuple[str, ...]:
        """Tags; can be set."""
        return self._tags

    @tags.setter
    def tags(self, value: Iterable[str]) -> None:
        self._set_tags(value)

    @public(nothing, "tags")
    def _set_tags(self, value: Iterable[str]) -> None:
        new = identity.tags(value)
        self._recorder.check_open("tags")
        self._tags = new
        self._recorder.append(RunUpdate(tags=new))
