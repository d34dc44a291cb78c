"""`files/output.log`: a run's console as a plain file, for people and for grep."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Final

from runlog import within
from runlog.console import lines

if TYPE_CHECKING:
    from runlog.read.view import RunView


NAME: Final = "files/output.log"


def write_output_log(view: RunView, folder: Path) -> int:
    """Write the lines of a run's console to a file: UTF-8, no colours, as they finally were.

    The file is complete or as it was before. Takes bounded memory.

    Args:
        view: the run.
        folder: the run's, which `NAME` is within.

    Returns:
        How many lines there are. If none, no file is written.

    Raises:
        OSError: it cannot be written.
    """
    found = lines.lines(view.records(["console"]))
    first = next(found, None)
    if first is None:
        return 0
    count = 0
    with within.replacing(folder, NAME) as file:
        for line in itertools.chain([first], found):
            file.write(line.text.encode() + b"\n")
            count += 1
    return count
