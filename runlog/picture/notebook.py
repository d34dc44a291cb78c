"""A run's page inside another: a frame for notebooks, which its styles and scripts stay within."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final, cast

from runlog.messages import say, swallow
from runlog.picture.page import page
from runlog.picture.text import escaped

if TYPE_CHECKING:
    from runlog.read.view import RunView

_BUTTON: Final = (
    "cursor:pointer;display:inline-block;padding:4px 10px;border:1px solid #8888;border-radius:6px"
)


def to_html(view: RunView, height: int = 420, hidden: bool = False) -> str:
    """A run as a piece of HTML, to be put anywhere on a page.

    A run that cannot be read gives a sentence that says so: a notebook goes on.

    Args:
        view: the run, as it is now.
        height: of the picture, in pixels.
        hidden: folded behind a button at first.
    """
    try:
        title = escaped(view.name or view.id or view.path.name)
        # In a quoted attribute only these two characters mean something.
        inside = page(view).replace("&", "&amp;").replace('"', "&quot;")
    except Exception as error:  # noqa: BLE001 - law L8: training code calls this
        swallow(error)
        return f"<p>This run cannot be shown: {escaped(error)}</p>"
    frame = (
        f'<iframe srcdoc="{inside}" title="{title}" sandbox="allow-scripts" '
        f'style="border:none;width:100%;height:{height}px"></iframe>'
    )
    if not hidden:
        return frame
    return f'<details><summary style="{_BUTTON}">Show run {title}</summary>{frame}</details>'


class _Shown(int):
    """True, but where it ends a cell of a notebook it is not printed below the picture."""

    def __repr__(self) -> str:
        return "True"

    def _ipython_display_(self) -> None:
        """Nothing."""


def display(view: RunView, height: int = 420, hidden: bool = False) -> bool:
    """Show a run in the notebook that this code runs in; elsewhere, tell how it can be seen.

    Args:
        view: the run, as it is now.
        height: of the picture, in pixels.
        hidden: folded behind a button at first.

    Returns:
        Whether it was shown.
    """
    try:
        ipython = _notebook()
        if ipython is not None:
            # Not `HTML(...)`: of a text that begins with a frame it warns, for it cannot know that
            # the frame holds a page of its own and not the address of one.
            forms = {"text/html": to_html(view, height, hidden), "text/plain": repr(view)}
            ipython.display.display(forms, raw=True)
            return cast("bool", _Shown(True))
    except Exception as error:  # noqa: BLE001 - law L8: training code calls this
        swallow(error)
        say(f"the run could not be shown ({error!r})")
        return False
    say(f"display() shows a run in a notebook; elsewhere, see `runlog report {view.path}`")
    return False


def _notebook() -> Any | None:
    """The IPython that runs this code, if it can show HTML; one in a terminal cannot."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return None if shell is None or type(shell).__name__ == "TerminalInteractiveShell" else ipython
