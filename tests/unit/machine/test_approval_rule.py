"""The rule of approval: two answers of the gateway that agree, and a step in which somebody approved."""

from __future__ import annotations

import itertools
from typing import Any

import attrs
import pytest
from hypothesis import given

from itsm_workflow.change import AttentionReason, Decider
from itsm_workflow.machine import evidence as ev
from itsm_workflow.machine.approval_rule import ApprovalPolicy, Doubt, Verdict
from itsm_workflow.testing.strategies import decided, endings, snapshots
from tests.support.examples import finished, snapshot, terminated, withdrawn

PLAIN, WITH_FIELD = ApprovalPolicy(), ApprovalPolicy(decision_field="approval_result")
FINISHED, REVOKED, TERMINATED = ev.TicketStatus.FINISHED, ev.TicketStatus.REVOKED, ev.TicketStatus.TERMINATED
RUNNING, SUSPENDED, OTHER = ev.TicketStatus.RUNNING, ev.TicketStatus.SUSPENDED, ev.TicketStatus.OTHER


def agrees(snapshot: ev.Snapshot, *, approved: bool) -> bool:
    """Tell whether both answers say that the ticket finished with that result."""
    return (snapshot.status, snapshot.result_status, snapshot.approve_result) == (FINISHED, FINISHED, approved)


@given(seen=snapshots | endings | decided)
def test_every_snapshot_is_judged_and_only_a_verified_one_approves(seen: ev.Snapshot) -> None:
    """Approved exactly if finished in both answers, result true, a step seen, one ticket, and the field if wanted."""
    read = not seen.ambiguous and not seen.inconclusive
    verified = agrees(seen, approved=True) and seen.approval_step is True and read

    for rule, field in ((PLAIN, True), (WITH_FIELD, seen.decision == "true")):
        judged = rule.judge(seen)
        assert isinstance(judged, Verdict | Doubt)
        assert (verified and field) == (judged is Verdict.APPROVED)


@given(seen=snapshots | endings | decided)
def test_only_an_end_that_both_answers_tell_refuses(seen: ev.Snapshot) -> None:
    """Refused exactly if finished in both answers with the result false, and the field says so if wanted."""
    refused = agrees(seen, approved=False)

    assert refused == (PLAIN.judge(seen) is Verdict.REFUSED)
    by_rows = seen.decision is None and bool(seen.ambiguous or seen.inconclusive)
    with_field = refused and (seen.decision == "false" or by_rows)
    assert with_field == (WITH_FIELD.judge(seen) is Verdict.REFUSED)


@given(seen=snapshots | endings | decided)
def test_a_ticket_counts_as_withdrawn_or_terminated_only_when_nothing_is_seen_to_run(seen: ev.Snapshot) -> None:
    """Exactly if its page, or its row, says so, no step is seen to run, and no result contradicts."""
    for status, verdict in ((REVOKED, Verdict.WITHDRAWN), (TERMINATED, Verdict.TERMINATED)):
        quiet = seen.status is status and seen.step_running is not True
        told = quiet and seen.result_status in {None, status}
        assert told == (PLAIN.judge(seen) is verdict) == (WITH_FIELD.judge(seen) is verdict)


def test_all_combinations_of_two_answers_have_a_verdict() -> None:
    """Every status of the page with every status of the result, without an approval or a refusal that one lacks."""
    results: list[ev.TicketStatus | None] = [None, *ev.TicketStatus]
    for status, result, approve in itertools.product(ev.TicketStatus, results, (None, True, False)):
        judged = PLAIN.judge(
            snapshot(status, result_status=result, approve_result=approve, approval_step=True, step_running=False)
        )
        if judged in {Verdict.APPROVED, Verdict.REFUSED}:
            assert (FINISHED, FINISHED, judged is Verdict.APPROVED) == (status, result, approve)


@pytest.mark.parametrize(
    ("seen", "verdict"),
    [
        pytest.param(finished(approved=True), Verdict.APPROVED, id="approved"),
        pytest.param(finished(approved=False), Verdict.REFUSED, id="refused"),
        pytest.param(finished(approved=False, approval_step=None), Verdict.REFUSED, id="a refusal needs no step"),
        pytest.param(finished(approved=False, ambiguous=True), Verdict.REFUSED, id="a refusal read by id"),
        pytest.param(finished(approved=False, inconclusive="x"), Verdict.REFUSED, id="a refusal without its log"),
        pytest.param(snapshot(), Verdict.OPEN, id="running"),
        pytest.param(snapshot(RUNNING, approve_result=True, result_status=RUNNING), Verdict.OPEN, id="not yet"),
        pytest.param(snapshot(SUSPENDED), Verdict.OPEN, id="suspended"),
        pytest.param(snapshot(OTHER), Verdict.OPEN, id="a status of one's own"),
        pytest.param(snapshot(SUSPENDED, result_status=RUNNING), Verdict.OPEN, id="two open answers differ"),
        pytest.param(snapshot(RUNNING, ambiguous=True), Verdict.OPEN, id="open, and an sn that is shared"),
        pytest.param(withdrawn(), Verdict.WITHDRAWN, id="withdrawn"),
        pytest.param(withdrawn(result_status=REVOKED, approve_result=True), Verdict.WITHDRAWN, id="its flag is noise"),
        pytest.param(withdrawn(step_running=True), Verdict.OPEN, id="withdrawn and revived"),
        pytest.param(withdrawn(step_running=None), Verdict.WITHDRAWN, id="withdrawn, steps not read"),
        pytest.param(withdrawn(step_running=None, ambiguous=True), Verdict.WITHDRAWN, id="withdrawn, read by id"),
        pytest.param(terminated(step_running=None, ambiguous=True), Verdict.TERMINATED, id="terminated, read by id"),
        pytest.param(terminated(), Verdict.TERMINATED, id="terminated"),
        pytest.param(terminated(step_running=True), Verdict.OPEN, id="terminated and revived"),
    ],
)
def test_verdicts(seen: ev.Snapshot, verdict: Verdict) -> None:
    """What a snapshot says, case by case."""
    assert verdict is PLAIN.judge(seen)


STRANGE = [
    pytest.param(
        finished(approved=True, approval_step=False), AttentionReason.NO_APPROVAL_STEP, id="finished, nobody asked"
    ),
    pytest.param(
        finished(approved=True, approval_step=None), AttentionReason.INCONCLUSIVE, id="finished, steps not read"
    ),
    pytest.param(finished(approved=True, ambiguous=True), AttentionReason.AMBIGUOUS_SN, id="approved, shared sn"),
    pytest.param(snapshot(FINISHED, ambiguous=True), AttentionReason.AMBIGUOUS_SN, id="finished, shared sn"),
    pytest.param(
        finished(approved=True, inconclusive="its log is too large to be read"),
        AttentionReason.INCONCLUSIVE,
        id="approved, and something could not be read",
    ),
    pytest.param(snapshot(FINISHED), AttentionReason.INCONCLUSIVE, id="finished without a result"),
    pytest.param(
        finished(approved=True, result_status=None), AttentionReason.INCONCLUSIVE, id="a flag without its status"
    ),
    pytest.param(finished(approved=True, result_status=RUNNING), AttentionReason.DISAGREEMENT, id="result behind"),
    pytest.param(finished(approved=True, result_status=REVOKED), AttentionReason.DISAGREEMENT, id="two ends"),
    pytest.param(
        snapshot(RUNNING, result_status=FINISHED, approve_result=True), AttentionReason.DISAGREEMENT, id="result ahead"
    ),
    pytest.param(withdrawn(result_status=FINISHED), AttentionReason.DISAGREEMENT, id="withdrawn, result finished"),
]


@pytest.mark.parametrize(("seen", "reason"), STRANGE)
def test_what_cannot_be_relied_on_is_doubt(seen: ev.Snapshot, reason: AttentionReason) -> None:
    """The ticket seems to have ended and a person should look: nothing is concluded."""
    judged = PLAIN.judge(seen)

    assert isinstance(judged, Doubt)
    assert reason is judged.reason
    assert judged.detail


@pytest.mark.parametrize("value", ["true", "false", 1, 0, "", [True]])
def test_a_result_that_is_no_boolean_neither_approves_nor_refuses(value: object) -> None:
    """A host that fires with a word or a number for the result is not believed either."""
    judged = PLAIN.judge(attrs.evolve(finished(approved=True), approve_result=value))  # type: ignore[arg-type]  # wrong on purpose

    assert isinstance(judged, Doubt)


@pytest.mark.parametrize(
    ("approved", "decision", "agreed"),
    [
        (True, "true", True),
        (True, "false", False),
        (True, None, False),
        (True, "True", False),
        (True, "", False),
        (False, "false", True),
        (False, "true", False),
        (False, None, False),
    ],
)
def test_a_decision_field_must_say_the_same(*, approved: bool, decision: str | None, agreed: bool) -> None:
    """With a decision field, its exact text must agree with the result; else it is a doubt that names the field."""
    judged = WITH_FIELD.judge(finished(approved=approved, decision=decision))

    if agreed:
        assert (Verdict.APPROVED if approved else Verdict.REFUSED) is judged
    else:
        assert isinstance(judged, Doubt)
        assert AttentionReason.DISAGREEMENT is judged.reason
        assert f"the result is {str(approved).lower()}, but the field approval_result is not" == judged.detail


@pytest.mark.parametrize("unread", [{"ambiguous": True}, {"inconclusive": "its page cannot be read"}])
def test_rows_read_by_id_refuse_without_the_field_and_never_approve(unread: dict[str, Any]) -> None:
    """The field is read by number alone. What ends a change unapproved must not wait for it without end."""
    assert WITH_FIELD.judge(finished(approved=False, decision=None, **unread)) is Verdict.REFUSED
    for rule in (PLAIN, WITH_FIELD):
        assert isinstance(rule.judge(finished(approved=True, decision=None, **unread)), Doubt)


def test_a_field_that_was_read_is_heard_under_a_shared_sn_as_well() -> None:
    """It disagrees with the result: a person should look."""
    judged = WITH_FIELD.judge(finished(approved=False, ambiguous=True, decision="true"))

    assert isinstance(judged, Doubt)
    assert judged.reason is AttentionReason.DISAGREEMENT


def by(*users: str, refused: tuple[str, ...] = ()) -> ev.Snapshot:
    """Return a look at a ticket that ended as approved, with the approvals and refusals of these people."""
    deciders = [Decider(user=one, approved=False) for one in refused] + [
        Decider(user=one, approved=True) for one in users
    ]
    return finished(approved=True, deciders=tuple(deciders))


@pytest.mark.parametrize(
    ("seen", "own"),
    [
        pytest.param(by("alice"), True, id="hers alone"),
        pytest.param(by("alice", "alice"), True, id="hers in two steps"),
        pytest.param(by("alice", refused=("bob",)), True, id="hers against a refusal"),
        pytest.param(by("alice", "bob"), False, id="somebody else approved as well"),
        pytest.param(by("bob"), False, id="somebody else approved"),
        pytest.param(by("Alice"), True, id="she may be the one in another letter case"),
        pytest.param(
            by("\uff41\uff4c\uff49\uff43\uff45", "al\u200bice ", "ALICE"),
            True,
            id="or with other letters, blanks, or what is not seen",
        ),
        pytest.param(by("Alice", "bob"), False, id="another spelling and somebody else"),
    ],
)
def test_only_an_approval_by_nobody_else_is_the_applicants_own(seen: ev.Snapshot, own: bool) -> None:  # noqa: FBT001 - a case
    """Refused or alarmed, by the setting, if every approval is by the applicant."""
    judged = ApprovalPolicy(self_approval="refuse").judge(seen, applicant="alice")

    if own:
        assert isinstance(judged, Doubt)
        assert (judged.reason, judged.detail) == (
            AttentionReason.SELF_APPROVED,
            "only alice, the applicant, approved the ticket",
        )
    else:
        assert judged is Verdict.APPROVED
    assert PLAIN.alarms_of(seen, applicant="alice") is own
    assert PLAIN.judge(seen, applicant="alice") is Verdict.APPROVED
    for setting in ("allow", "refuse"):
        assert not ApprovalPolicy(self_approval=setting).alarms_of(seen, applicant="alice")


def test_an_approval_by_nobody_in_sight_is_refused_where_the_applicants_own_is() -> None:
    """A gateway that does not show who approved cannot show that it was somebody else."""
    seen = finished(approved=True)
    judged = ApprovalPolicy(self_approval="refuse").judge(seen, applicant="alice")

    assert isinstance(judged, Doubt)
    assert judged.detail == "the gateway does not show who approved the ticket"
    assert PLAIN.judge(seen, applicant="alice") is Verdict.APPROVED
    assert not PLAIN.alarms_of(seen, applicant="alice")


def test_a_setting_that_is_none_is_refused_in_a_sentence() -> None:
    """It names the field and the three that there are."""
    allowed = "'allow', 'attention', 'refuse'"
    with pytest.raises(ValueError, match=f"^ApprovalPolicy.self_approval must be one of {allowed}, not 'maybe'$"):
        ApprovalPolicy(self_approval="maybe")  # type: ignore[arg-type] # the mistake


def test_the_words_of_verdicts_are_those_that_are_stored() -> None:
    """A word that is renamed makes every stored history unreadable."""
    assert [word.value for word in Verdict] == ["open", "approved", "refused", "withdrawn", "terminated"]


@pytest.mark.parametrize(
    ("status", "result", "reason"),
    [
        (REVOKED, FINISHED, AttentionReason.DISAGREEMENT),
        (FINISHED, RUNNING, AttentionReason.DISAGREEMENT),
        (FINISHED, FINISHED, None),
    ],
)
def test_under_a_shared_number_only_a_refusal_that_both_answers_tell_counts(
    status: ev.TicketStatus, result: ev.TicketStatus, reason: AttentionReason | None
) -> None:
    """Two rows, each read by id, that disagree are as much in doubt as two pages."""
    seen = snapshot(status, result_status=result, approve_result=False, ambiguous=True, step_running=False)
    verdict = PLAIN.judge(seen)
    assert (verdict.reason if isinstance(verdict, Doubt) else None) == reason
    assert (verdict is Verdict.REFUSED) == (reason is None)


@pytest.mark.parametrize("key", ["", " ", 5, ["approval_result"], True])
def test_a_decision_field_that_is_not_the_key_of_a_field_is_refused(key: Any) -> None:  # noqa: ANN401 - wrong on purpose
    """No ticket has such a field, so no change would ever be approved."""
    with pytest.raises(
        ValueError, match=r"^ApprovalPolicy.decision_field must be the key of a form field, or None, not "
    ):
        ApprovalPolicy(decision_field=key)
