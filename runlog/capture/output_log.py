"""`files/output.log`: a run's console as a plain file, for people and for grep."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from runlog.console import lines

if TYPE_CHECKING:
    from runlog.read.view import RunView


def write_output_log(view: RunView, path: Path) -> int:
    """Write the lines of a run's console to a file: UTF-8, no colours, as they finally were.

    The file is complete or as it was before. Takes bounded memory.

    Args:
        view: the run.
        path: of the file; its folder is made.

    Returns:
        How many lines there are. If none, no file is written.

    Raises:
        OSError: it cannot be written.
    """
    found = lines.lines(view.records(["console"]))
    first = next(found, None)
    if first is None:
        return 0
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.part")
    count = 1
    try:
        with draft.open("w", encoding="utf-8", newline="\n") as file:
            file.write(f"{first.text}\n")
            for line in found:
                file.write(f"{line.text}\n")
                count += 1
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return count
