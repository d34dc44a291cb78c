"""State rebuilt from records: pure functions `apply(state, entry) -> state` (laws L4, L5).

No clock, no environment, no I/O. The rules are normative and stated in spec/folds.md.
"""

from runlog.fold import config, definitions, status, summary

__all__ = ["config", "definitions", "status", "summary"]
