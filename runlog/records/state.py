"""Records that set a run's config and summary by hand."""

from __future__ import annotations

from collections.abc import Mapping

from runlog.records.declare import Value, item, record


@record(tag=17, name="config")
class Config:
    """Config keys set or removed by one call."""

    update: Mapping[str, Value] = item("new values by top-level key; nested dicts replace whole")
    remove: tuple[str, ...] = item("top-level keys taken away", default=())
    cause: int | None = item("seq of the record that led to it", default=None)


@record(tag=18, name="summary")
class Summary:
    """Summary values set or removed by hand; each wins until its key is logged again."""

    update: Mapping[str, Value] = item("new values by key; a nested dict is a path")
    remove: Value = item("paths taken away, each a list of str", default=())
    cause: int | None = item("seq of the record that led to it", default=None)
