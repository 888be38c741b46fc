"""The forms in which BK-ITSM stores a text: unchanged, or filtered as HTML.

The server stores a text of several lines (`TEXT`) unchanged. Every other text goes through its HTML filter, and in
versions before October 2024 a text of several lines does too. The filter resolves entities, escapes ``< > " '``,
removes line breaks at the ends and around a ``<``, and parses, rewrites or removes whatever looks like a tag. This
module repeats the first three steps, which depend on the text alone. How a tag is parsed depends on the server's
version of Python and its lists of tags, so a text with a possible tag is equal only to itself.
"""

from __future__ import annotations

import html
import re

_MAY_BE_A_TAG = re.compile("<[A-Za-z/!?]")
_ESCAPES = str.maketrans({"<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#039;"})  # an ampersand stays as it is


def is_stored_as(sent: str, shown: str) -> bool | None:
    """Return whether the shown text is a form in which the server stores the sent text; None if that is not known.

    Only the sent text is rewritten. The shown text may come from any user, so it is compared unchanged. Blanks around
    the whole text are ignored, since the server strips titles.
    """
    wanted = shown.strip()
    if wanted == sent.strip():
        return True
    if _MAY_BE_A_TAG.search(sent):
        return None
    return wanted == _filtered(sent).strip()


def _filtered(text: str) -> str:
    """Return the output of the server's HTML filter for a text without tags, piece by piece between ``<``."""
    pieces = (html.unescape(piece).translate(_ESCAPES) for piece in re.split("(<)", text))
    return "".join(piece.strip("\n") for piece in pieces)
