"""Display names of states, outcomes, reasons of attention and triggers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import attrs
import pytest

from itsm_workflow.change import AttentionReason, Outcome
from itsm_workflow.gateway.bk_itsm.page import LABELS as WORDS
from itsm_workflow.gateway.bk_itsm.reader import status_of
from itsm_workflow.machine.approval import COLLECTOR_CHANGE, LABELS, State
from itsm_workflow.machine.engine import OPENING
from itsm_workflow.machine.evidence import Channel, TicketStatus, Withdrawal
from itsm_workflow.machine.labels import (
    ATTENTION,
    FACTS,
    FOR_PROGRAMS,
    OPERATIONS,
    OUTCOMES,
    TRIGGERS,
    UNDELIVERED,
    UNKNOWN,
    VALUES,
    labels_of,
)
from itsm_workflow.runtime.operations import METHODS
from tests.support import examples as x

if TYPE_CHECKING:
    import enum
    from collections.abc import Iterable, Mapping

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


def test_a_hosts_own_names_stay() -> None:
    """What a host wrote for its pages is not replaced."""
    own: dict[enum.StrEnum, dict[str, str]] = {
        state: {"zh": f"自定义{number}", "en": f"own {number}"} for number, state in enumerate(State)
    }
    definition = attrs.evolve(COLLECTOR_CHANGE, labels=own)

    for change in (x.WITHDRAWN, x.UNKNOWN, x.FAILED_CALLBACK):
        assert labels_of(definition, change, for_operators=True) == own[State(change.state)]
