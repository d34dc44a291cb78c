"""Records of calls that ask for something and change nothing; a replay needs them all the same."""

from __future__ import annotations

from runlog.records.declare import item, record


@record(tag=11, name="status")
class StatusAsked:
    """`run.status()` was called."""


@record(tag=12, name="project_name")
class ProjectNameAsked:
    """`run.project_name()` was called."""


@record(tag=13, name="get_url")
class UrlAsked:
    """`run.get_url()` was called."""


@record(tag=14, name="get_project_url")
class ProjectUrlAsked:
    """`run.get_project_url()` was called."""


@record(tag=15, name="get_sweep_url")
class SweepUrlAsked:
    """`run.get_sweep_url()` was called."""


@record(tag=24, name="display")
class Display:
    """`run.display()` was called: the run was shown in a notebook."""

    height: int = item("of the picture", unit="pixels", default=420)
    hidden: bool = item("folded behind a button at first", default=False)


@record(tag=25, name="to_html")
class ToHtml:
    """`run.to_html()` was called."""

    height: int = item("of the picture", unit="pixels", default=420)
    hidden: bool = item("folded behind a button at first", default=False)
