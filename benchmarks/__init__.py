"""Benchmarks of runlog beside other loggers, every figure from one run on one machine.

`python -m benchmarks` measures, and writes `results.json` and `RESULTS.md` next to this file.
Nothing here is a test: a budget that is missed is reported, never raised.
"""
