"""What a page shows of a change, and the sentence that says what it waits for."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from itsm_workflow.change import (
    Attention,
    AttentionReason,
    ChangeRequest,
    Decider,
    EffectStatus,
    Outcome,
    TicketDecision,
)
from itsm_workflow.machine import advice
from itsm_workflow.machine import evidence as ev
from itsm_workflow.machine.approval import COLLECTOR_CHANGE, LABELS, State, Trigger
from itsm_workflow.machine.approval_rule import DOUBTS
from itsm_workflow.machine.labels import ATTENTION
from itsm_workflow.runtime.operations import allowed_operations
from itsm_workflow.runtime.status import effects_of, status_of, why
from itsm_workflow.storage.codec import Stored
from itsm_workflow.testing import strategies as s
from tests.support import examples as x
from tests.support import workflows as its
from tests.support.workflows import Stage

if TYPE_CHECKING:
    import datetime as dt


def sentence(
    change: ChangeRequest, *, due_at: dt.datetime | None = None, now: dt.datetime = x.NOW, language: str = "en"
) -> str:
    """Return the sentence about a change, without its subject and id."""
    stored = Stored(change=change, version=3, seq=3, head="", form="", document="", due_at=due_at)
    said = why(COLLECTOR_CHANGE, stored, now, language=language)
    start = f"{change.subject}（{change.id}）" if language == "zh" else f"{change.subject} ({change.id}) "
    assert said.startswith(start)
    return said.removeprefix(start)


def allowed(change: ChangeRequest) -> set[str]:
    """Return the operations that the advice may name."""
    found = allowed_operations(COLLECTOR_CHANGE, change, now=x.NOW, policy=x.POLICY, actor=None)
    return {*found, "settle"}


# ---------------------------------------------------------------- what a page shows


def test_a_page_shows_the_form_beside_our_facts() -> None:
    """A field of the form named like one of ours cannot hide it."""
    form = attrs.evolve(x.FORM, fields={"state": "approved", "sn": "REQ1"})
    shown = status_of(COLLECTOR_CHANGE, attrs.evolve(x.with_attention(x.PENDING), form=form), "https://itsm/frame")

    assert (shown.id, shown.subject, shown.state, shown.sn) == (x.ID, "collector-1", "pending", "REQ7")
    assert (shown.ticket_url, shown.iframe_ticket_url) == ("https://itsm.example.com/7", "https://itsm/frame")
    assert (shown.outcome, shown.form) == (None, form)
    assert shown.attention is not None
    assert shown.attention.reason is AttentionReason.OVERDUE


@pytest.mark.parametrize("state", State)
def test_a_page_names_the_state_in_both_languages(state: State) -> None:
    """A host shows the one that its user reads."""
    shown = status_of(COLLECTOR_CHANGE, attrs.evolve(x.DRAFT, state=state.value), None)

    assert (set(shown.labels), shown.labels) == ({"zh", "en"}, LABELS[state])


def test_a_page_of_a_state_without_labels_shows_none() -> None:
    """A host's own definition need not have any."""
    bare = attrs.evolve(COLLECTOR_CHANGE, labels={})

    assert status_of(bare, x.DRAFT, None).labels == {}


def test_a_page_may_change_the_labels_that_it_got() -> None:
    """They are its own: neither another page nor the definition has them."""
    change = x.with_attention(x.REJECTED)
    for name in ("labels", "outcome_labels", "attention_labels"):
        before = dict(getattr(status_of(COLLECTOR_CHANGE, change, None), name))
        getattr(status_of(COLLECTOR_CHANGE, change, None), name)["zh"] = "改过"
        assert getattr(status_of(COLLECTOR_CHANGE, change, None), name) == before != {}


def test_a_page_without_a_ticket_has_no_links() -> None:
    """Nor one whose gateway gave no address."""
    without = attrs.evolve(x.PENDING, ticket=attrs.evolve(x.PENDING.expect_ticket(), url=""))

    assert [status_of(COLLECTOR_CHANGE, one, None).ticket_url for one in (x.SENDING, without)] == [None, None]


@pytest.mark.parametrize(
    ("change", "outcome"), [(x.APPROVED, "approved"), (x.REJECTED, "rejected"), (x.ABANDONED, "abandoned")]
)
def test_a_page_of_a_change_that_ended_says_how(change: ChangeRequest, outcome: str) -> None:
    """As a plain word."""
    shown = status_of(COLLECTOR_CHANGE, change, None).outcome

    assert (shown, type(shown)) == (outcome, str)


def test_a_page_names_who_decided() -> None:
    """With the remark, as soon as it is known."""
    decision = TicketDecision(deciders=(Decider(user="bob", approved=True, remark="fine"),))

    assert status_of(COLLECTOR_CHANGE, attrs.evolve(x.APPROVED, decision=decision), None).decision == decision
    assert status_of(COLLECTOR_CHANGE, x.PENDING, None).decision is None


# ---------------------------------------------------------------- the sentence


@pytest.mark.parametrize(
    ("decider", "said"),
    [
        (Decider(user="bob", approved=True, remark="fine"), "bob approved it: fine"),
        (Decider(user="bob", approved=False), "bob refused it"),
        (Decider(user="bob", remark="?"), "bob decided it: ?"),
    ],
)
def test_the_sentence_says_who_decided(decider: Decider, said: str) -> None:
    """In a part of its own, after how the change ended."""
    decided = attrs.evolve(x.APPROVED, decision=TicketDecision(deciders=(decider,)))

    assert f" by ticket REQ7; {said}; " in sentence(decided)


@pytest.mark.parametrize("reason", sorted(DOUBTS))
def test_a_ticket_in_doubt_waits_for_no_approver(reason: AttentionReason) -> None:
    """The approvers have decided, or cannot any more: to name them would send people to the wrong place."""
    said = sentence(x.with_attention(x.PENDING, reason))

    assert said.startswith("waits for a conclusive look at ticket REQ7; a person should look")


REFUSED = x.after(
    x.SENDING, (Trigger.REFUSE, ev.Refusal(number=1, owner="w1", remote_code=39, message="no title", looked_up=True))
)
UNSENT = x.after(x.SENDING, (Trigger.MARK_UNSENT, x.mark(problem="connection refused")))
ANONYMOUS = attrs.evolve(x.PENDING, form=attrs.evolve(x.FORM, approvers=()))

SENTENCES: dict[str, tuple[ChangeRequest, str]] = {
    "a draft": (x.DRAFT, "is a draft and waits to be submitted"),
    "a refused draft": (REFUSED, "is a draft and waits to be submitted, the gateway refused it (code 39): no title"),
    "queued": (x.QUEUED, "waits to be filed, attempt 1"),
    "unsent": (UNSENT, "waits to be filed, attempt 1 (connection refused; `itsm-workflow doctor --online` checks why)"),
    "sending": (x.SENDING, "is being filed, attempt 1"),
    "unknown": (x.UNKNOWN, "may have been filed, its ticket is looked up, attempt 1 (the connection was reset)"),
    "pending": (x.PENDING, "waits for bob to decide ticket REQ7 since 2024-05-17 08:00:01 UTC"),
    "pending without names": (ANONYMOUS, "waits for its approvers to decide ticket REQ7 since 2024-05-17 08:00:01 UTC"),
    "undelivered": (
        x.FAILED_CALLBACK,
        (
            "waits for bob to decide ticket REQ7 since 2024-05-17 08:00:01 UTC; "
            "the callback of the ticket system about ticket REQ7 was not delivered, so looks find the decision"
        ),
    ),
    "suspected": (x.SUSPECTED, "waits for a second look at ticket REQ7, revoked since 2024-05-17 08:00:10 UTC"),
    "approved": (x.APPROVED, "ended as approved on 2024-05-17 08:00:20 UTC by ticket REQ7"),
    "withdrawn": (x.WITHDRAWN, "ended as withdrawn on 2024-05-17 08:01:40 UTC by ticket REQ7"),
    "abandoned": (x.ABANDONED, "ended as abandoned on 2024-05-17 08:15:00 UTC"),
    "ended at an unknown time": (attrs.evolve(x.APPROVED, ended_at=None), "ended as approved by ticket REQ7"),
}


@pytest.mark.parametrize(("change", "said"), SENTENCES.values(), ids=SENTENCES)
def test_the_sentence_says_what_a_change_waits_for(change: ChangeRequest, said: str) -> None:
    """For whom, since when, and what went wrong."""
    assert sentence(attrs.evolve(change, effects=())) == f"{said}; nothing more is due."


def test_a_call_that_was_not_made_twice_is_named_once() -> None:
    """The create and the look-up have the same cause, and the text has no time that has passed when it is read."""
    cause = "3 calls of http://itsm in a row were not answered"
    problems = [f"{call}: not asked: {cause} (request {number})" for number, call in enumerate(("create", "find"))]
    attempt = attrs.evolve(x.UNKNOWN.expect_attempt(), problem=problems[0], look_problem=problems[1])
    change = attrs.evolve(x.UNKNOWN, attempt=attempt)

    assert sentence(change).count("not asked") == 1
    assert f"attempt 1 ({problems[1]});" in sentence(change)
    said = "没有调用 find：对 http://itsm 的调用连续 3 次没有应答（请求 1）"
    assert f"第 1 次（{said}）；" in sentence(change, language="zh")
    first = attrs.evolve(change, attempt=attrs.evolve(attempt, problem="the connection was reset"))
    assert f"(the connection was reset; then {problems[1]})" in sentence(first)


SAME = "connection refused"
DIFFERS = "ticket 8: title: sent a, shows b"


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize(
    ("change", "reason", "facts", "said"),
    [
        (UNSENT, AttentionReason.UNSENT, {"times": "8", "problem": SAME}, SAME),
        (
            x.after(
                x.UNKNOWN,
                (Trigger.NOTE_LOOKUP, ev.LookupNoted(number=1, answered=False, problem=f"carrying its key: {DIFFERS}")),
            ),
            AttentionReason.MISMATCH,
            {"tickets": "8", "differences": DIFFERS},
            DIFFERS,
        ),
    ],
    ids=["unsent", "mismatch"],
)
def test_an_error_that_the_attention_shows_is_said_once(
    change: ChangeRequest, reason: AttentionReason, facts: dict[str, str], said: str, language: str
) -> None:
    """With the attention, since the advice follows there. Another error is still shown where the request waits."""
    raised = x.after(change, (Trigger.RAISE_ATTENTION, ev.Concern(reason=reason, facts=facts)))
    assert sentence(raised, language=language).count(said) == 1
    other = x.after(change, (Trigger.RAISE_ATTENTION, ev.Concern(reason=reason, facts={"times": "8"})))
    assert sentence(other, language=language).count(said) == 1


@pytest.mark.parametrize(("language", "label"), [("en", '"Not approved"'), ("zh", "“未通过”")])
def test_the_sentence_names_a_state_by_its_label(language: str, label: str) -> None:
    """Its identifier is for commands. A state of a host without a label has its name alone."""
    moved = attrs.evolve(x.APPROVED, state=State.REJECTED.value, outcome=Outcome.WAS_APPROVED)
    said = sentence(moved, language=language)
    assert label in said
    assert "rejected" not in said
    live = attrs.evolve(x.APPROVED, workflow="deployment", state=Stage.LIVE.value)
    labels = {Stage.LIVE: {"en": "In use", "zh": "使用中"}}
    for definition, name in (
        (its.deployment(), "live"),
        (attrs.evolve(its.deployment(), labels=labels), labels[Stage.LIVE][language]),
    ):
        stored = Stored(change=live, version=3, seq=3, head="", form="", document="", due_at=None)
        quoted = f"“{name}”" if language == "zh" else f'"{name}"'
        assert quoted in why(definition, stored, x.NOW, language=language)


def test_one_error_of_both_calls_is_named_once() -> None:
    """As a name that is not found is, for the request and for the look-up after it."""
    attempt = attrs.evolve(x.UNKNOWN.expect_attempt(), problem=SAME, look_problem=SAME)
    assert sentence(attrs.evolve(x.UNKNOWN, attempt=attempt)).count(SAME) == 1


def test_the_sentence_says_when_the_change_is_looked_at_next() -> None:
    """Or that it is due now."""
    at = x.later(300)

    assert sentence(x.PENDING, due_at=at).endswith("; the next look is at 2024-05-17 08:05:00 UTC.")
    assert sentence(x.PENDING, due_at=at, now=at).endswith("; it is due now.")


@pytest.mark.parametrize("reason", AttentionReason)
def test_the_sentence_says_why_a_person_should_look_and_what_to_do(reason: AttentionReason) -> None:
    """With the facts, if there are any."""
    plain = x.with_attention(x.PENDING, reason)
    told = x.after(
        x.PENDING, (Trigger.RAISE_ATTENTION, ev.Concern(reason=reason, facts={"ticket": "7", "since": "May"}))
    )

    said = advice.advice_for(reason, allowed(plain))["en"]
    assert f"; a person should look ({ATTENTION[reason]['en']}): {said}; " in sentence(plain)
    what = f"{ATTENTION[reason]['en']}: ticket 7, since May"
    assert f"; a person should look ({what}): {said}; " in sentence(told)


def test_the_texts_of_effects_are_in_a_language() -> None:
    """As in the sentence; another language is refused."""
    change = attrs.evolve(x.APPROVED, effects=(x.planned(),))
    assert effects_of(change, x.later(0), None, "zh") == [f"后置动作 {change.effects[0].name} 待执行"]
    assert effects_of(change, x.later(0), None) == [f"effect {change.effects[0].name} is due"]
    with pytest.raises(ValueError, match="'fr'"):
        effects_of(change, x.later(0), None, "fr")


def test_the_sentence_names_the_effects_that_are_due() -> None:
    """How often each failed, and none that was delivered."""
    effects = (
        x.planned(name="start"),
        x.planned(name="tell", attempts=2),
        x.planned(EffectStatus.DELIVERED, name="count"),
        x.planned(EffectStatus.PARKED, name="send", attempts=8),
    )
    said = sentence(attrs.evolve(x.APPROVED, effects=effects))

    assert "; effect start is due; effect tell is due, it failed 2 times; effect send is parked (" in said
    assert "count" not in said


@pytest.mark.parametrize(
    ("language", "words"),
    [("en", "(Ticket number not unique: ticket 7, the ticket ended"), ("zh", "（单号重复：单据 7，the ticket ended")],
)
def test_the_detail_of_an_attention_is_a_clause_of_the_sentence(language: str, words: str) -> None:
    """Without a name before it."""
    facts = MappingProxyType({"ticket": "7", "detail": "the ticket ended as approved"})
    doubt = Attention(reason=AttentionReason.AMBIGUOUS_SN, since=x.NOW, facts=facts)
    assert words in sentence(attrs.evolve(x.PENDING, attention=doubt), language=language)


@pytest.mark.parametrize(
    ("attempts", "language", "words"),
    [
        (1, "en", "it failed 1 time: the host is down, password=***; "),
        (2, "en", "it failed 2 times: the host is down, password=***; "),
        (1, "zh", "已失败 1 次：the host is down, password=***；"),
        (2, "zh", "已失败 2 次：the host is down, password=***；"),
    ],
)
def test_the_sentence_names_the_last_error_of_an_effect(attempts: int, language: str, words: str) -> None:
    """Also before it is parked; a secret in it is masked."""
    failed = x.planned(name="send", attempts=attempts, error="the host is down, password=swordfish")
    assert words in sentence(attrs.evolve(x.APPROVED, effects=(failed,)), language=language)


def test_the_sentence_names_a_parked_effect_whatever_the_attention() -> None:
    """Once: the attention that names it has its error and the advice already."""
    parked = x.planned(EffectStatus.PARKED, name="send", attempts=2, error="refused")
    cleared = attrs.evolve(x.APPROVED, effects=(parked,))
    said = "effect send is parked (failed deliveries: 2; refused): fix the cause of the failure, then retry the effect"
    in_chinese = "后置动作 send 已停止重试（失败 2 次；refused）：修复失败的原因，然后重试该后置动作"

    assert f"; {said}; nothing more is due." in sentence(cleared)
    assert f"；{in_chinese}；" in sentence(cleared, language="zh")
    assert f"; {said}; " in sentence(x.with_attention(cleared, AttentionReason.DISAGREEMENT))
    facts = MappingProxyType({"effect": parked.id, "error": "refused"})
    named = Attention(reason=AttentionReason.EFFECT_PARKED, since=x.later(30), facts=facts)
    alone = sentence(attrs.evolve(cleared, attention=named))
    assert "is parked" not in alone
    assert "(Effect parked: effect send, error refused)" in alone, "as `retry-effect` takes it"
    twice = attrs.evolve(cleared, effects=(parked, attrs.evolve(parked, id="E2")), attention=named)
    assert f"(Effect parked: effect {parked.id}, error refused)" in sentence(twice)
    another = x.planned(EffectStatus.PARKED, name="tell", id="E2")
    both = sentence(attrs.evolve(cleared, effects=(parked, another), attention=named))
    assert "effect tell is parked (failed deliveries: 0; no error is known)" in both
    assert "effect send is parked" not in both


@given(change=s.changes, due_at=st.none() | s.moments, now=s.moments)
def test_there_is_a_sentence_about_every_change(
    change: ChangeRequest, due_at: dt.datetime | None, now: dt.datetime
) -> None:
    """Whether the machine could make it or not; it ends with the next look."""
    said = sentence(change, due_at=due_at, now=now)

    assert said.endswith(("; nothing more is due.", "; it is due now.", " UTC."))


# ---------------------------------------------------------------- the sentence in Chinese

IN_CHINESE: dict[str, str] = {
    "a draft": "处于草稿状态，尚未提单",
    "a refused draft": "处于草稿状态，尚未提单，the gateway refused it (code 39): no title",
    "queued": "等待提单，第 1 次",
    "unsent": "等待提单，第 1 次（connection refused；运行 `itsm-workflow doctor --online` 可检查原因）",
    "sending": "正在提单，第 1 次",
    "unknown": "提单结果未知，正在查询单据，第 1 次（the connection was reset）",
    "pending": "自 2024-05-17 08:00:01 UTC 起等待审批单据（REQ7），审批人：bob",
    "pending without names": "自 2024-05-17 08:00:01 UTC 起等待审批单据（REQ7），审批人：由流程决定",
    "undelivered": "自 2024-05-17 08:00:01 UTC 起等待审批单据（REQ7），审批人：bob；"
    "ITSM 关于单据（REQ7）的回调未送达，审批结果由查询获得",
    "suspected": "单据（REQ7）自 2024-05-17 08:00:10 UTC 起显示为“已撤销”，等待复查确认",
    "approved": "已结束：已通过，时间 2024-05-17 08:00:20 UTC，依据单据（REQ7）",
    "withdrawn": "已结束：已撤销，时间 2024-05-17 08:01:40 UTC，依据单据（REQ7）",
    "abandoned": "已结束：已放弃，时间 2024-05-17 08:15:00 UTC",
    "ended at an unknown time": "已结束：已通过，依据单据（REQ7）",
}


@pytest.mark.parametrize("name", SENTENCES)
def test_the_sentence_in_chinese_says_what_a_change_waits_for(name: str) -> None:
    """What the ticket system or an error says is shown as it is."""
    change, _ = SENTENCES[name]
    assert sentence(attrs.evolve(change, effects=()), language="zh") == f"{IN_CHINESE[name]}；没有需要查询的内容。"


@pytest.mark.parametrize("reason", AttentionReason)
def test_the_sentence_in_chinese_says_why_a_person_should_look_and_what_to_do(reason: AttentionReason) -> None:
    """With the names that the pages show, also of the facts that have one."""
    told = x.after(
        x.PENDING,
        (Trigger.RAISE_ATTENTION, ev.Concern(reason=reason, facts={"sn": "REQ8", "since": "May", "room": "4"})),
    )
    what = f"{ATTENTION[reason]['zh']}：单号 REQ8，开始时间 May，room 4"
    said = advice.advice_for(reason, allowed(told))["zh"]
    assert f"；待人工处理（{what}）：{said}；" in sentence(told, language="zh")


@given(change=s.changes, due_at=st.none() | s.moments, now=s.moments)
def test_there_is_a_sentence_in_chinese_about_every_change(
    change: ChangeRequest, due_at: dt.datetime | None, now: dt.datetime
) -> None:
    """Whether the machine could make it or not."""
    assert sentence(change, due_at=due_at, now=now, language="zh").endswith("。")


# ---------------------------------------------------------------- two reasons for attention


TWO = attrs.evolve(
    x.APPROVED,
    decision=TicketDecision(deciders=(Decider(user="alice", approved=True),)),
    attention=Attention(
        reason=AttentionReason.EFFECT_PARKED,
        since=x.later(30),
        facts=MappingProxyType({"effect": "start", "error": "refused", "self_approved": "alice"}),
    ),
)


@pytest.mark.parametrize(
    ("language", "parked", "approved"),
    [
        (
            "en",
            "a person should look (Effect parked: effect start, error refused): fix the cause",
            "a person should look (Approved by the applicant only: approver alice): let a person other than the",
        ),
        (
            "zh",
            "待人工处理（后置动作停止重试：后置动作 start，错误 refused）：修复失败的原因",
            "待人工处理（只有申请人自己审批通过：审批人 alice）：由申请人以外的人判断申请人是否可以自己审批",
        ),
    ],
)
def test_an_approval_by_the_applicant_is_named_beside_a_later_reason(language: str, parked: str, approved: str) -> None:
    """With the advice for each of the two."""
    said = sentence(TWO, language=language)
    assert 0 <= said.find(parked) < said.find(approved)
    by_another = TicketDecision(deciders=(Decider(user="bob", approved=True),))
    alone = sentence(attrs.evolve(TWO, decision=by_another), language=language)
    assert "self_approved alice" in alone, "a fact of a host that has this name"
    assert approved not in alone
