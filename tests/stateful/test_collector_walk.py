"""The collector workflow under any order of triggers, with evidence that is right, nearly right, or wrong."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from itsm_workflow.change import Phase
from itsm_workflow.errors import TransitionRefused
from itsm_workflow.machine.approval import COLLECTOR_CHANGE, Trigger
from itsm_workflow.machine.approval_rule import Verdict
from itsm_workflow.machine.due import next_due
from itsm_workflow.machine.evidence import Snapshot
from itsm_workflow.testing.strategies import EVIDENCE, POLICY, Walk, aimed, evidence, pauses
from tests.stateful.walk import EFFECTS, onward
from tests.unit.machine.table import FINAL, LEADS


class CollectorWalk(RuleBasedStateMachine):
    """Moves one change by random triggers and checks the invariants after each step."""

    def __init__(self) -> None:
        super().__init__()
        self.walk = Walk.begin(effects=EFFECTS)
        self.ended: str | None = None

    @rule(seconds=pauses)
    def let_time_pass(self, seconds: int) -> None:
        """Wait, for longer or shorter than a lease."""
        self.walk.wait(seconds)

    @rule(data=st.data())
    def go_on(self, data: st.DataObject) -> None:
        """Fire a trigger that leads on."""
        self._fire(*data.draw(onward(self.walk.change), label="trigger and evidence"))

    @rule(data=st.data())
    def fire_what_the_table_has(self, data: st.DataObject) -> None:
        """Fire a trigger of this state with evidence that is aimed at this change."""
        change = self.walk.change
        trigger = data.draw(st.sampled_from(COLLECTOR_CHANGE.triggers(change.state)), label="trigger")
        kinds = COLLECTOR_CHANGE.rows(change.state, trigger)[0].evidence_types
        self._fire(trigger, data.draw(aimed(change, data.draw(st.sampled_from(kinds))), label="evidence"))

    @rule(trigger=st.sampled_from(list(Trigger)), kind=st.sampled_from(list(EVIDENCE)), data=st.data())
    def fire_anything(self, trigger: Trigger, kind: type[Any], data: st.DataObject) -> None:
        """Fire any trigger with any type of evidence."""
        self._fire(trigger, data.draw(aimed(self.walk.change, kind), label="evidence"))

    @rule(trigger=st.sampled_from(list(Trigger)), brought=evidence | st.sampled_from([None, "approved", {}]))
    def fire_with_unrelated_evidence(self, trigger: Trigger, brought: object) -> None:
        """Fire any trigger with evidence about another change, or with none."""
        self._fire(trigger, brought)

    def _fire(self, trigger: str, brought: object) -> None:
        walk = self.walk
        before, letters, told = walk.change, repr(walk.change), len(walk.entries)
        has_row = before.state in LEADS[trigger]
        refused, entry = None, None
        try:
            entry = walk.fire(trigger, brought)
        except TransitionRefused as error:
            refused = error
        if refused is not None:
            assert (letters, told) == (repr(walk.change), len(walk.entries))
            assert (before.state, str(trigger)) == (refused.state, refused.trigger)
            assert refused.reason
            return
        assert has_row
        leads = LEADS[trigger][before.state]
        assert (before.state if leads == "=" else leads) == walk.change.state
        assert (entry is None) == (letters == repr(walk.change))
        self._check_attempt(trigger, before.attempt)
        assert before.ticket in {None, walk.change.ticket}

    def _check_attempt(self, trigger: str, before: Any) -> None:  # noqa: ANN401 - an attempt or None
        after = self.walk.change.attempt
        if trigger == Trigger.SUBMIT:
            assert after is not None
            assert (after.number, after.phase) == (1, Phase.QUEUED)
        elif before is None:
            assert after is None
        else:
            assert after is not None
            assert (before.key, before.creator, before.submitted_at) == (after.key, after.creator, after.submitted_at)
            assert before.number + (trigger == Trigger.RESEND) == after.number

    @invariant()
    def nothing_leaves_a_final_state(self) -> None:
        """An approved or rejected change stays so."""
        if self.ended is not None:
            assert self.ended == self.walk.change.state
        if self.walk.change.state in FINAL:
            self.ended = self.walk.change.state
        assert (self.ended is not None) == (self.walk.change.outcome is not None)
        assert (self.ended is not None) == (self.walk.change.ended_at is not None)

    @invariant()
    def history_is_gapless_and_replays_to_the_state(self) -> None:
        """Entries are numbered from 1, each begins where the one before ended, the last one in the change's state."""
        entries = self.walk.entries
        assert list(range(1, len(entries) + 1)) == [entry.seq for entry in entries]
        state = ""
        for entry in entries:
            assert state == entry.source
            state = entry.dest
        assert state == self.walk.change.state
        assert sorted(entry.at for entry in entries) == [entry.at for entry in entries]

    @invariant()
    def each_entry_of_approved_planned_one_effect(self) -> None:
        """The effect of the approval is planned with it, once, and is never lost."""
        change, entries = self.walk.change, self.walk.entries
        entered = [entry for entry in entries if entry.dest == "approved" != entry.source]
        assert (1 if change.state == "approved" else 0) == len(entered)
        names = {effect.id: effect.name for effect in change.effects}
        assert [1] * len(entered) == [[names[effect] for effect in entry.effects].count("start") for entry in entered]
        assert [effect.id for effect in change.effects] == [name for entry in entries for name in entry.effects]
        assert len({effect.id for effect in change.effects}) == len(change.effects)

    @invariant()
    def approval_came_from_a_verified_snapshot_of_our_ticket(self) -> None:
        """Only a snapshot of the bound ticket approves, whatever triggers were fired."""
        for entry in self.walk.entries:
            if entry.dest == "approved" != entry.source:
                assert isinstance(entry.evidence, Snapshot)
                assert Verdict.APPROVED is COLLECTOR_CHANGE.approval.judge(entry.evidence)
                assert self.walk.change.expect_ticket().id == entry.evidence.ticket_id

    @invariant()
    def a_waiting_change_has_a_ticket_and_no_other_has(self) -> None:
        """A draft, or a change that is being filed, has no ticket; a change that waits has one."""
        change = self.walk.change
        if change.state in {"draft", "applying"}:
            assert change.ticket is None
        if change.state in {"pending", "failed_callback", "approved"}:
            assert change.ticket is not None
            assert change.attempt is not None

    @invariant()
    def a_waiting_change_falls_due_or_has_attention(self) -> None:
        """A change that waits for the gateway falls due again, or attention was raised."""
        change = self.walk.change
        due = next_due(COLLECTOR_CHANGE, change, self.walk.now, POLICY, looked=True)
        if change.state in {"applying", "pending", "failed_callback"}:
            assert due is not None or change.attention is not None or _was_looked_up_for_a_week(self.walk)


def _was_looked_up_for_a_week(walk: Walk) -> bool:
    attempt = walk.change.expect_attempt()
    return attempt.unknown_since is not None and walk.now >= attempt.unknown_since + POLICY.sweep_for


# A walk of thirty steps is as good as two short ones.
CollectorWalk.TestCase.settings = settings(max_examples=settings().max_examples // 2, stateful_step_count=30)
TestCollectorWalk = CollectorWalk.TestCase
