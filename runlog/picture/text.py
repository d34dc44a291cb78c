"""Text of a run as text of a page, whatever it contains."""

from __future__ import annotations

import html
import re
from typing import Final

_NO_XML: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
"""Characters that HTML and XML cannot have, not even escaped."""


def escaped(text: object) -> str:
    """Text that is markup nowhere, in an attribute neither; what cannot be written is "\ufffd"."""
    return html.escape(_NO_XML.sub("\ufffd", str(text)))
