"""What `runlog --version` prints."""

from __future__ import annotations

import sys

import runlog


def version_line() -> str:
    """Versions of runlog and of Python, on one line."""
    return f"runlog {runlog.__version__}, Python {'.'.join(map(str, sys.version_info[:3]))}"
