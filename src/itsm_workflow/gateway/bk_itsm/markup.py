"""What BK-ITSM makes of a text: as it was sent, or filtered as HTML.

The server stores a text of several lines (`TEXT`) as it was sent. Every other text, and in versions before October 2024
those as well, goes through its HTML filter: entities are resolved, ``< > " '`` are escaped, line breaks at the ends and
around a ``<`` are removed, and what looks like a tag is parsed, washed or removed. The first three are functions of the
text and are followed here. How a tag is parsed depends on the server's version of Python and its lists of tags: such a
text is equal to itself alone.
"""

from __future__ import annotations

import html
import re

_MAY_BE_A_TAG = re.compile("<[A-Za-z/!?]")
_ESCAPES = str.maketrans({"<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#039;"})  # an ampersand stays as it is


def is_stored_as(sent: str, shown: str) -> bool | None:
    """Return whether the shown text is what the server makes of the sent one; None if that is not known.

    Only the sent text is rewritten: what a stranger wrote into a ticket is compared as it is shown. Blanks around the
    whole text do not count, since the server strips titles.
    """
    wanted = shown.strip()
    if wanted == sent.strip():
        return True
    if _MAY_BE_A_TAG.search(sent):
        return None
    return wanted == _filtered(sent).strip()


def _filtered(text: str) -> str:
    """Return what the server's HTML filter makes of a text without tags, piece by piece between ``<``."""
    pieces = (html.unescape(piece).translate(_ESCAPES) for piece in re.split("(<)", text))
    return "".join(piece.strip("\n") for piece in pieces)
