"""Display names of states, outcomes, reasons of attention and triggers."""

from __future__ import annotations

import ast
import inspect
import re
from typing import TYPE_CHECKING

import attrs
import pytest

from itsm_workflow.change import AttentionReason, Outcome
from itsm_workflow.gateway.bk_itsm.page import LABELS as WORDS
from itsm_workflow.gateway.bk_itsm.reader import status_of
from itsm_workflow.machine import effect_updates, self_approval, updates
from itsm_workflow.machine.approval import COLLECTOR_CHANGE, LABELS, State
from itsm_workflow.machine.engine import OPENING
from itsm_workflow.machine.evidence import Channel, TicketStatus, Withdrawal
from itsm_workflow.machine.labels import (
    ATTENTION,
    ATTENTION_FACTS,
    FACTS,
    FOR_PROGRAMS,
    NOT_STARTED,
    OPERATIONS,
    OUTCOMES,
    TRIGGERS,
    UNDELIVERED,
    UNKNOWN,
    VALUES,
    labels_of,
)
from itsm_workflow.machine.problems import problem_label
from itsm_workflow.runtime import gateway_calls
from itsm_workflow.runtime.operations import METHODS
from itsm_workflow.settle import deciding, planning
from tests.support import examples as x

if TYPE_CHECKING:
    import enum
    from collections.abc import Iterable, Mapping
    from types import ModuleType

    from itsm_workflow.change import ChangeRequest


def test_every_operation_of_a_person_has_a_name() -> None:
    """A `revise` takes a whole form, and `receive` is called for the gateway."""
    assert set(OPERATIONS) == {*METHODS.values(), "settle", "fire(raise_attention)"} - {"revise", "receive"}


def test_every_fact_of_an_entry_has_a_name_or_is_for_programs() -> None:
    """In both languages, whatever evidence the trigger has."""
    fields = {field.name for kind in COLLECTOR_CHANGE.evidence_types.values() for field in attrs.fields(kind)} | {
        "form"
    }
    assert set(FACTS) == fields - FOR_PROGRAMS
    assert set(FOR_PROGRAMS) <= fields
    assert set(VALUES) == {True, False, *Channel, *TicketStatus, *Withdrawal, *AttentionReason}
    for labels in (FACTS, VALUES):
        assert {frozenset(names) for names in labels.values()} == {frozenset({"zh", "en"})}
        assert all(re.search("[\u4e00-\u9fff]", names["zh"]) and names["en"].isascii() for names in labels.values())


def test_a_status_of_a_ticket_has_one_name_in_chinese() -> None:
    """The history and the page of the ticket show the same word."""
    named = {word: status_of(word) for word in WORDS if status_of(word) is not TicketStatus.OTHER}
    assert set(named.values()) == {*TicketStatus} - {TicketStatus.OTHER}
    assert {word: VALUES[status]["zh"] for word, status in named.items()} == {word: WORDS[word]["zh"] for word in named}


@pytest.mark.parametrize(
    ("labels", "values"),
    [
        (LABELS, State),
        (OUTCOMES, Outcome),
        (ATTENTION, AttentionReason),
        (TRIGGERS, {OPENING, *(row.trigger for row in COLLECTOR_CHANGE.transitions)}),
    ],
    ids=["states", "outcomes", "attention", "triggers"],
)
def test_every_value_has_its_own_name_in_both_languages(
    labels: Mapping[str, Mapping[str, str]], values: Iterable[str]
) -> None:
    """No two share one, the Chinese ones are Chinese, and none is left of a value that is gone."""
    assert set(labels) == set(values)
    assert {frozenset(names) for names in labels.values()} == {frozenset({"zh", "en"})}
    assert all(re.search("[\u4e00-\u9fff]", names["zh"]) and names["en"].isascii() for names in labels.values())
    for language in ("zh", "en"):
        assert len({names[language] for names in labels.values()}) == len(labels)


@pytest.mark.parametrize(
    ("change", "zh", "en"),
    [
        (x.REJECTED, "未通过（已拒绝）", "Not approved (refused)"),
        (x.WITHDRAWN, "未通过（已撤销）", "Not approved (withdrawn)"),
        (attrs.evolve(x.WITHDRAWN, outcome=Outcome.TERMINATED), "未通过（已终止）", "Not approved (terminated)"),
        (x.ABANDONED, "未通过（已放弃）", "Not approved (abandoned)"),
    ],
)
def test_a_rejected_change_shows_its_outcome(change: ChangeRequest, zh: str, en: str) -> None:
    """The applicant sees whether a person refused, or the change was withdrawn, terminated or abandoned."""
    assert labels_of(COLLECTOR_CHANGE, change) == {"zh": zh, "en": en}


def test_an_undelivered_callback_is_an_operators_matter() -> None:
    """For the applicant the approval goes on."""
    assert labels_of(COLLECTOR_CHANGE, x.FAILED_CALLBACK)["zh"] == "审批中（回调未送达）"
    assert labels_of(COLLECTOR_CHANGE, x.FAILED_CALLBACK, for_operators=True) == UNDELIVERED


def test_a_create_whose_result_is_unknown_is_being_checked() -> None:
    """Before that, it is being filed."""
    assert labels_of(COLLECTOR_CHANGE, x.QUEUED) == LABELS[State.APPLYING]
    assert labels_of(COLLECTOR_CHANGE, x.UNKNOWN) == UNKNOWN


def test_a_ticket_whose_flow_has_not_begun_waits_for_no_approver() -> None:
    """The name says so, also to the applicant; for any other reason, the approval goes on."""
    assert labels_of(COLLECTOR_CHANGE, _flagged(AttentionReason.NOT_STARTED)) == NOT_STARTED
    assert labels_of(COLLECTOR_CHANGE, _flagged(AttentionReason.OVERDUE)) == LABELS[State.PENDING]


def _flagged(reason: AttentionReason) -> ChangeRequest:
    return x.with_attention(x.PENDING, reason)


def test_a_hosts_own_names_stay() -> None:
    """What a host wrote for its pages is not replaced."""
    own: dict[enum.StrEnum, dict[str, str]] = {
        state: {"zh": f"自定义{number}", "en": f"own {number}"} for number, state in enumerate(State)
    }
    definition = attrs.evolve(COLLECTOR_CHANGE, labels=own)

    for change in (x.WITHDRAWN, x.UNKNOWN, x.FAILED_CALLBACK, _flagged(AttentionReason.NOT_STARTED)):
        assert labels_of(definition, change, for_operators=True) == own[State(change.state)]


def facts_of_concerns() -> set[str]:
    """Return the names of the facts that the library gives with a reason for attention."""
    found: set[str] = set()
    for module in (deciding, planning, updates, effect_updates, self_approval):
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in {"_concern", "with_attention"}:
                found |= {one.arg for one in node.keywords if one.arg}
                given = [one for one in node.args if isinstance(one, ast.Dict)]
            else:
                is_named = isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") in {"facts", "details"}
                given = [one for one in ast.walk(node) if isinstance(one, ast.Dict)] if is_named else []
            found |= {str(key.value) for one in given for key in one.keys if isinstance(key, ast.Constant)}
    return found


def test_every_fact_of_a_reason_for_attention_has_a_name() -> None:
    """In both languages."""
    assert {"looks", "key", "tickets", "ticket", "error"} <= facts_of_concerns()
    assert facts_of_concerns() - set(ATTENTION_FACTS) == set()


def problems_in(module: ModuleType) -> set[str]:
    """Return the problems of a submission that a module words, with a letter for each value in them."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.keyword) and node.arg == "problem":
            match node.value:
                case ast.Constant(value=str(text)):
                    found.add(text)
                case ast.JoinedStr(values=parts):
                    found.add("".join(str(one.value) if isinstance(one, ast.Constant) else "X" for one in parts))
    return {text for text in found if " " in text}


def test_every_problem_that_the_library_records_has_a_chinese_text() -> None:
    """It is found by its pattern; one that the ticket system reported is shown as it is."""
    said = set().union(*map(problems_in, (deciding, planning, gateway_calls)))
    assert len(said) >= 3
    assert [text for text in sorted(said) if problem_label(text)["zh"] == text] == []
    assert problem_label("no ticket carries its key")["zh"] == "没有带有其关联键的单据"
    assert problem_label("HTTP 502") == {"en": "HTTP 502", "zh": "HTTP 502"}
