"""The Chinese handbook of attention: each reason has its row and its section, and what it says to type is allowed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from itsm_workflow.change import AttentionReason, EffectStatus
from itsm_workflow.cli.operations import COMMANDS
from itsm_workflow.machine.approval import COLLECTOR_CHANGE
from itsm_workflow.machine.labels import ATTENTION
from itsm_workflow.runtime.operations import allowed_operations
from itsm_workflow.runtime.status import ADVICE
from tests.support import examples as x

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "zh" / "attention.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## ([a-z_]+) [^\n]*\n(.*?)(?=^## |\Z)", PAGE, flags=re.MULTILINE | re.DOTALL))
WITHDRAWN = x.with_effect(x.PENDING, x.planned(EffectStatus.DELIVERED, name="withdraw"))
PARKED = x.with_effect(x.APPROVED, x.planned(EffectStatus.PARKED))
BY_STATE = {
    "not_found": [x.UNKNOWN],
    "lookup_failed": [x.UNKNOWN],
    "duplicate": [x.UNKNOWN, x.PENDING],
    "mismatch": [x.UNKNOWN, x.PENDING],
    "unsent": [x.QUEUED],
    "self_approved": [x.PENDING, x.APPROVED],
    "disagreement": [x.PENDING, x.APPROVED],
    "withdrawal_unresolved": [WITHDRAWN],
    "effect_parked": [PARKED],
    "effect_unknown": [x.with_effect(x.APPROVED)],
}
"""The changes on which a reason is raised; for the others, it is a change whose ticket waits."""
IN_WORDS = {
    "clear_attention": "mark the change as reviewed",
    "retry_effect": "retry the effect",
    "withdraw": "withdraw(?! the others in the ticket system)",
}
"""The advice on some operations, in other words than their names."""


def acts_in(section: str) -> set[str]:
    """Return the operations that the commands of a section carry out on one change."""
    typed = re.findall(r"^\$ itsm-workflow ([a-z-]+) collector-42\b", section, flags=re.MULTILINE)
    return {method for method, command in COMMANDS.items() if command in typed} - {"settle"}


def test_every_reason_has_one_row_with_its_name_and_a_link_to_its_section() -> None:
    """The name is the one that pages show."""
    rows = re.findall(r"^\| `(\w+)` \| (\S+) \| .+ \| \[.+\]\(#(\S+)\) \|$", PAGE, flags=re.MULTILINE)
    names = {reason.value: ATTENTION[reason]["zh"] for reason in AttentionReason}
    assert sorted(rows) == sorted((reason, name, f"{reason}-{name}") for reason, name in names.items())
    assert re.findall(r"^## ([a-z_]+) (.+)$", PAGE, flags=re.MULTILINE) == [row[:2] for row in rows]


@pytest.mark.parametrize("reason", AttentionReason)
def test_every_section_says_what_it_means_what_to_look_at_and_what_to_do(reason: AttentionReason) -> None:
    """In this order, with a command to type."""
    section = SECTIONS[reason]
    assert re.findall(r"^\*\*(\S+)\*\*：", section, flags=re.MULTILINE) == ["含义", "先看", "处理"]
    assert re.search(r"^\$ itsm-workflow ", section.split("**处理**")[1], flags=re.MULTILINE)


@pytest.mark.parametrize("reason", AttentionReason)
def test_every_act_of_a_section_is_allowed_on_a_change_with_that_attention(reason: AttentionReason) -> None:
    """The machine does not refuse what the handbook says to type."""
    allowed: set[str] = set()
    for change in BY_STATE.get(reason, [x.PENDING]):
        flagged = x.with_attention(change, reason)
        allowed.update(allowed_operations(COLLECTOR_CHANGE, flagged, now=x.later(30), policy=x.POLICY, actor="olga"))
    assert acts_in(SECTIONS[reason]) - allowed == set()


@pytest.mark.parametrize("reason", AttentionReason)
def test_every_act_of_the_advice_is_in_the_section(reason: AttentionReason) -> None:
    """Both languages send the operator the same way."""
    words = {method: re.compile(rf"\b{IN_WORDS.get(method, method)}\b") for method in COMMANDS}
    advised = {method for method, pattern in words.items() if pattern.search(ADVICE[reason])}
    assert advised - acts_in(SECTIONS[reason]) == set()


def test_every_alert_has_its_row() -> None:
    """An on-call colleague begins with the name of the alert."""
    rules = (DOCS / "examples" / "observability" / "alerts.yml").read_text(encoding="utf-8")
    alerts = re.findall(r"^ *- alert: (\w+)$", rules, flags=re.MULTILINE)
    assert alerts
    rows = re.findall(r"^\| `(ItsmWorkflow\w+)` \|", PAGE, flags=re.MULTILINE)
    assert sorted(rows) == sorted(alerts)
