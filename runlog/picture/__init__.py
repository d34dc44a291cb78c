"""A picture of a run: one HTML page with its curves, config and summary.

The page is complete in itself: no server, no network, no library. What the run says (names, notes,
values) is text on it and never markup, and its policy lets no other script run than its own.
"""

from runlog.picture.notebook import display, to_html
from runlog.picture.page import page

__all__ = ["display", "page", "to_html"]
