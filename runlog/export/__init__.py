"""Runs as Parquet, CSV or JSON lines, for tools that do not know the journal."""

from runlog.export.exporter import FORMATS, Exported, write
from runlog.export.layouts import LAYOUTS

__all__ = ["FORMATS", "LAYOUTS", "Exported", "write"]
