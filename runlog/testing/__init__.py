"""Parts for tests of anything that reads or writes runlog journals.

- `samples` gives records of every declared type, derived from the declarations.
- `JournalBuilder` writes a journal whose bytes are the same each time: salt, times and writer id
  are fixed, and pages are stored without compression, so they do not depend on zstd's version.
- `cut`, `flip_bit`, `zero_hole`, `insert` and `patch` do to bytes what disks and networks do.
- `describe` reads a run into the JSON that `fixtures/*/NAME/expected.json` has.
- `ReaderConformance` holds any reader against those fixtures; inherit it.

Nothing here is needed to log or to read, and nothing imports pytest.
"""

from __future__ import annotations

from runlog.testing.builder import BEGIN, SALT, SECOND, WRITER, JournalBuilder
from runlog.testing.conformance import (
    REQUIRED,
    ReaderConformance,
    describe,
    join_damage,
    pairs,
    same_json,
)
from runlog.testing.hurt import (
    Fault,
    chunk_parts,
    cut,
    flip_bit,
    insert,
    patch,
    rebuilt,
    sealed_frames,
    strike,
    tail_frames,
    zero_hole,
)
from runlog.testing.samples import all_samples, samples

__all__ = [
    "BEGIN",
    "REQUIRED",
    "SALT",
    "SECOND",
    "WRITER",
    "Fault",
    "JournalBuilder",
    "ReaderConformance",
    "all_samples",
    "chunk_parts",
    "cut",
    "describe",
    "flip_bit",
    "insert",
    "join_damage",
    "pairs",
    "patch",
    "rebuilt",
    "same_json",
    "samples",
    "sealed_frames",
    "strike",
    "tail_frames",
    "zero_hole",
]
