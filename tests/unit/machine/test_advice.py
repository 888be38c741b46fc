"""The advice for each reason of attention names only what a page offers for the change."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from itsm_workflow.acts import SETTLE, offered
from itsm_workflow.change import AttentionReason, EffectStatus
from itsm_workflow.machine.advice import ADVICE, advice_for
from itsm_workflow.machine.approval import COLLECTOR_CHANGE
from itsm_workflow.runtime.operations import allowed_operations, useful_operations
from itsm_workflow.runtime.status import why
from itsm_workflow.storage.codec import Stored
from tests.support import examples as x

if TYPE_CHECKING:
    from itsm_workflow.change import ChangeRequest

WITHDRAWN = x.with_effect(x.PENDING, x.planned(EffectStatus.DELIVERED, name="withdraw"))
STANDS = {
    "draft": x.DRAFT,
    "queued": x.QUEUED,
    "sending": x.SENDING,
    "unknown": x.UNKNOWN,
    "pending": x.PENDING,
    "suspected": x.SUSPECTED,
    "its withdrawal waits": x.with_effect(x.PENDING, x.planned(name="withdraw")),
    "its withdrawal is unresolved": WITHDRAWN,
    "failed_callback": x.FAILED_CALLBACK,
    "approved": x.APPROVED,
    "its effect is parked": x.with_effect(x.APPROVED, x.planned(EffectStatus.PARKED)),
    "rejected": x.REJECTED,
    "withdrawn": x.WITHDRAWN,
    "abandoned": x.ABANDONED,
}
RAISED_ON = {
    "not_found": "unknown",
    "lookup_failed": "unknown",
    "duplicate": "unknown",
    "mismatch": "unknown",
    "unsent": "queued",
    "withdrawal_unresolved": "its withdrawal is unresolved",
    "effect_parked": "its effect is parked",
}
"""Where the library raises a reason; the others are raised on a change whose ticket waits."""
WORDS = {
    "record_ticket": (r"record", "登记(?!为)"),
    "resend": (r"resend|send the request again", "重新提单"),
    "abandon": (r"abandon", "放弃"),
    "attest_approval": (r"attest", "证明"),
    "withdraw": (r"withdraw (the ticket|it)", r"(或|再次)撤单"),
    "accept_after_withdrawal": (r"accept its", "为准"),
    "clear_attention": (r"mark the change as reviewed", "标记为已处理"),
    "retry_effect": (r"retry", "重试后置动作"),
    SETTLE: (r"settle", "settle"),
}
"""How the advice names each act, in English and in Chinese; written apart from the advice."""


def offers(change: ChangeRequest) -> set[str]:
    """Return the acts that a page offers."""
    found = allowed_operations(COLLECTOR_CHANGE, change, now=x.later(30), policy=x.POLICY, actor="carol")
    return set(offered(COLLECTOR_CHANGE, change, useful_operations(change, found)))


def advised(change: ChangeRequest, language: str) -> set[str]:
    """Return the acts that the sentence about a change names in its advice."""
    stored = Stored(change=change, version=3, seq=3, head="", form="", document="", due_at=None)
    said = why(COLLECTOR_CHANGE, stored, x.later(30), language=language)
    begin, end = {"en": ("a person should look", ";"), "zh": ("待人工处理", "；")}[language]
    advice = said[said.index(begin) :].partition(end)[0].partition({"en": "): ", "zh": "）："}[language])[2]
    number = ("en", "zh").index(language)
    return {act for act, words in WORDS.items() if re.search(words[number], advice)}


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("reason", AttentionReason)
def test_the_advice_names_only_what_the_page_offers(reason: AttentionReason, language: str) -> None:
    """In every state, also in one where the library does not raise the reason: the change may have moved since."""
    for stand, change in STANDS.items():
        flagged = x.with_attention(change, reason)
        assert advised(flagged, language) - offers(flagged) == set(), stand


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("reason", sorted(set(AttentionReason) - {"effect_unknown"}))
def test_the_advice_names_an_act_wherever_one_helps(reason: AttentionReason, language: str) -> None:
    """The reason that is left out needs another process, and the library goes on by itself."""
    for stand, change in STANDS.items():
        assert advised(x.with_attention(change, reason), language), stand
    usual = advised(x.with_attention(STANDS[RAISED_ON.get(reason, "pending")], reason), language)
    assert usual >= {act for act in WORDS if re.search(WORDS[act][0], ADVICE[reason]["en"])}


def test_an_approved_change_is_reviewed() -> None:
    """The attestation and the end of the change are no longer asked for."""
    assert advice_for("self_approved", {"clear_attention"}) == {
        "en": "let a person other than the applicant check whether the applicant may approve, then mark the change as "
        "reviewed",
        "zh": "由申请人以外的人判断申请人是否可以自己审批，然后标记为已处理",
    }
