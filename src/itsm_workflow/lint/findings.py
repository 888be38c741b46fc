"""What a check of a definition finds: plain values, for people and as JSON."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping


class Severity(enum.StrEnum):
    """How sure a finding is."""

    ERROR = "error"
    """It is wrong, whatever comes."""
    DOUBT = "doubt"
    """No sample showed that it is right."""


@attrs.frozen(kw_only=True)
class LintFinding:
    """One thing that is wrong, or may be.

    Attributes:
        check: Which check found it, one word of `CHECKS`.
        severity: How sure it is.
        state: The state that is the culprit, or empty.
        trigger: The trigger that is the culprit, or empty.
        message: What is wrong, in one sentence.
    """

    check: str
    severity: Severity
    state: str = ""
    trigger: str = ""
    message: str


CHECKS: Mapping[str, str] = {
    "definition": "It was refused when it was built.",
    "roles": "The parts of an approval are played by different states, and lead to each other.",
    "library": "The rows that the library fires by itself are there, and lead where it relies on.",
    "grants": "Every state that plays no part is declared to grant or not; only an approval leads to the granted one.",
    "trap": "From every state a final state can be reached.",
    "overlap": "No sample passes the guards of two rows of one state and trigger.",
    "guard": "A guard answers None or a reason, the same for the same facts, and never raises.",
    "update": "An update is a function of its facts, and its change can be stored.",
    "due": "A state that waits for the gateway falls due, at a time that is aware and lies ahead after a look.",
    "reached": "Some sample reaches every state.",
    "passed": "Some sample passes every row, in each of its states.",
    "sampled": "Evidence of every type can be made up.",
}
"""The checks by name, and what each wants."""


def error(check: str, message: str, *, state: str = "", trigger: str = "") -> LintFinding:
    """Return a finding that is wrong for certain."""
    return LintFinding(check=check, severity=Severity.ERROR, state=state, trigger=trigger, message=message)


def doubt(check: str, message: str, *, state: str = "", trigger: str = "") -> LintFinding:
    """Return a finding that only says: no sample showed it to be right."""
    return LintFinding(check=check, severity=Severity.DOUBT, state=state, trigger=trigger, message=message)
