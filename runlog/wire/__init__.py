"""Bytes <-> values: the format, without I/O."""
