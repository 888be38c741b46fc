"""Texts with a special meaning for a database, a file system, a formatter, a template or a terminal."""

from __future__ import annotations

import contextlib
import logging
import unicodedata
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.machine.evidence import TicketStatus
from itsm_workflow.testing.ledger_gateway import LedgerGateway

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

    from itsm_workflow.change import Ticket
    from itsm_workflow.machine.evidence import Snapshot

WORDS = (
    *("'; DROP TABLE changes; --", '" OR 1=1 --', "1); DELETE FROM entries; --", "%' OR '%'='", "x' UNION SELECT 1--"),
    *("../../etc/passwd", "..\\..\\x", "/etc/shadow", "~root", "a/../../b", "file:///etc/passwd", "C:\\x", "con", "."),
    *("{0.__class__}", "%(asctime)s", "%s%s%n", "{change.form}", "${jndi:ldap://x}", "{{7*7}}", "<%= 1 %>", "$(id)"),
    *("a\r\nlevel=ERROR forged", "a\nb", "\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "\u202egnp.exe", "\u2066x\u2069"),
    *("\x00", "a\x00b", "\ud800", "\ufeff", "\u2028line", "\x85next", "\x7f", "\u0000\u0001", "<script>x</script>"),
    *("NULL", "true", "0", "-1", "9" * 400, "null", "[]", "{}", "'", '"', "\\", "`id`", "|id", ";", "*", "?", "😀"),
)


def evil(random: Random) -> str:
    """Return one of the texts, or several joined together."""
    return "".join(random.choice(WORDS) for _ in range(random.choice([1, 1, 1, 2, 3])))


class Lines(logging.Handler):
    """A log handler that formats every record, and keeps the texts that are not one printable line."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.setFormatter(logging.Formatter("%(levelname)s %(name)s %(message)s"))
        self.count = 0
        self.wrong: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Format and check a record."""
        self.count += 1
        text = self.format(record)
        if any(unicodedata.category(letter) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for letter in text):
            self.wrong.append(repr(text))


@contextlib.contextmanager
def lines_of_the_log() -> Iterator[Lines]:
    """Check the library's log at every level inside this block."""
    lines, library = Lines(), logging.getLogger("itsm_workflow")
    before = library.level
    library.addHandler(lines)
    library.setLevel(logging.DEBUG)
    try:
        yield lines
    finally:
        library.removeHandler(lines)
        library.setLevel(before)


class WordyGateway(LedgerGateway):
    """A gateway that shows tickets with an injected text as their status and as the name of the closer."""

    word = ""

    def read(self, ticket: Ticket, *, decision_field: str | None = None) -> Snapshot:
        """Return a snapshot with the injected text."""
        shown = super().read(ticket, decision_field=decision_field)
        return attrs.evolve(shown, word=self.word, closed_by=self.word, status=TicketStatus.OTHER)
