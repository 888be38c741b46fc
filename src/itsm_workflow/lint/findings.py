"""The findings of a check: plain values, for people and as JSON."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_NAMED = 10


class Severity(enum.StrEnum):
    """The certainty of a finding."""

    ERROR = "error"
    """The definition is wrong in every case."""
    DOUBT = "doubt"
    """No sample showed that the definition is right."""


@attrs.frozen(kw_only=True)
class LintFinding:
    """One mistake in a definition, or one that may be.

    Attributes:
        check: The check that found it, one word of `CHECKS`.
        severity: The certainty of the finding.
        state: The state at fault, or empty.
        trigger: The trigger at fault, or empty.
        message: The problem, in one sentence.
    """

    check: str
    severity: Severity
    state: str = ""
    trigger: str = ""
    message: str


CHECKS: Mapping[str, str] = {
    "definition": "The definition can be built.",
    "roles": "Different states play the parts of an approval, and they lead to each other.",
    "library": "The table has the rows that the library fires by itself, and they lead where it relies on.",
    "grants": "Every state without a part is declared in grants; only an approval leads to the granted state.",
    "approval": "Only an approval of the change's own ticket, by the definition's rule, leads to the granted state.",
    "given_up": "A change leaves a ticket that may still be decided only where the library's own rows allow it.",
    "form": "The form stays as it was submitted.",
    "early": "No effect is planned before an approval: neither the first one, nor a later one of several.",
    "again": "One approval plans each effect once.",
    "failed": "Where the work after the approval can go different ways, not all of them grant.",
    "growth": "The data of a change does not grow each time a trigger is fired.",
    "trap": "Every state leads to a final state.",
    "ended": "No trigger of the host adds facts in a final state.",
    "stuck": "A row moves every change of a state if rows move some, or a person is asked for.",
    "overlap": "No sample passes the guards of two rows of one state and trigger.",
    "guard": "A guard returns None or a reason, always the same for the same facts, and never raises.",
    "remembered": "A guard answers the same facts alike after other facts.",
    "clock": "No guard, update or due rule calls a clock or a random source.",
    "update": "An update depends on its facts alone, and the change that it returns can be stored.",
    "dropped": "No update drops a key of the data that another trigger wrote, unless it removes the key by its name.",
    "due": "A due rule never raises; an open ticket is looked at within the policy, and no change more often.",
    "reached": "Some sample reaches every state.",
    "passed": "Some sample passes every row, in each of its states.",
    "sampled": "Samples can be made of every type of evidence.",
    "time": "The trials end within their time.",
    "exempted": "Every exemption has a finding.",
}
"""The checks by name, each with the rule that it enforces."""


def error(check: str, message: str, *, state: str = "", trigger: str = "") -> LintFinding:
    """Return a finding that is certain."""
    return LintFinding(check=check, severity=Severity.ERROR, state=state, trigger=trigger, message=message)


def doubt(check: str, message: str, *, state: str = "", trigger: str = "") -> LintFinding:
    """Return a finding that is a doubt: no sample showed that the definition is right."""
    return LintFinding(check=check, severity=Severity.DOUBT, state=state, trigger=trigger, message=message)


def few(names: Sequence[str]) -> str:
    """Return the first names, and the number of the others."""
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
