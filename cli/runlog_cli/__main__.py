"""`python -m runlog_cli` is `runlog`."""

from __future__ import annotations

from runlog_cli.app import main

main()
