"""Walks everything within the bounds that the command has by default, and renews the page about it.

``python -m tests.exploration``: the exit code is 1 if a promise is broken, or if the page said something else. It takes
a few minutes, which is why the test of the page leaves this one out.
"""

from __future__ import annotations

import sys

from tests.exploration.verify_page import PAGE, renewed, without_seconds


def run() -> int:
    """Renew the page, and return whether that was needed or something is broken."""
    before = PAGE.read_text(encoding="utf-8")
    after = renewed(before, whole=True)
    PAGE.write_text(after, encoding="utf-8")
    holds = after.count("verdict    holds: 0 violations, 0 bad ends; everything within the bounds was walked\n") == 4
    return int(not holds or without_seconds(before) != without_seconds(after))


if __name__ == "__main__":
    sys.exit(run())
