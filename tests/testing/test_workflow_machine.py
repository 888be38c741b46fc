"""The machine for workflows of one's own: sound ones pass, and each of its invariants finds what it is for."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, ClassVar

import attrs
import hypothesis
import pytest
from hypothesis import HealthCheck, Phase
from hypothesis.stateful import invariant, precondition, rule, run_state_machine_as_test

from itsm_workflow import Exemption
from itsm_workflow.callbacks.parse import ACCEPTED
from itsm_workflow.change import AttentionReason, Outcome
from itsm_workflow.errors import NotApproved
from itsm_workflow.machine import evidence as ev
from itsm_workflow.machine import updates
from itsm_workflow.machine.approval import COLLECTOR_CHANGE, State, Trigger
from itsm_workflow.machine.definition import Transition
from itsm_workflow.runtime.effects import Effect
from itsm_workflow.testing.workflow_machine import WorkflowMachine, _machine
from itsm_workflow.testing.workflow_machine._machine import Beginning
from tests.support import meanings
from tests.support import workflows as zoo
from tests.support.workflows import Deployed, Stage, Verb

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from itsm_workflow.callbacks.parse import CallbackResponse
    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.machine.definition import Facts
    from itsm_workflow.runtime.effects import EffectCall

QUICK = hypothesis.settings(
    max_examples=400,
    stateful_step_count=30,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
    report_multiple_bugs=False,
)
"""Enough for a walk that finds nothing."""

PATIENT = hypothesis.settings(QUICK, max_examples=4000)
"""Enough to find what is planted below, whichever modules are loaded: Hypothesis draws from their constants."""


def broken(machine: type[WorkflowMachine]) -> str:
    """Return what the machine finds."""
    with pytest.raises(AssertionError) as caught:
        run_state_machine_as_test(machine, settings=PATIENT)
    return str(caught.value)


def of(*own: Transition) -> type[WorkflowMachine]:
    """Return the machine of a deployment with such rows."""
    return WorkflowMachine.for_definition(zoo.deployment(*own))


class Watched(WorkflowMachine.for_definition(COLLECTOR_CHANGE)):  # type: ignore[misc]  # made at run time
    """Notes what the walks met."""

    met: ClassVar[set[str]] = set()

    def teardown(self) -> None:
        """Note the triggers and the states of a walk."""
        self.met.update(word for entry in self.history for word in (entry.trigger, entry.dest))
        super().teardown()


def test_the_shipped_workflow_passes_and_is_walked_through() -> None:
    """Every state is entered in some walk, and nearly every trigger is fired."""
    Watched.met.clear()
    states = {state.value for state in COLLECTOR_CHANGE.states}
    triggers, most = {row.trigger.value for row in COLLECTOR_CHANGE.transitions}, 15
    for seed in range(48):  # what is drawn depends on the modules that are loaded, too
        walks = hypothesis.settings(QUICK, max_examples=10, derandomize=False)
        run_state_machine_as_test(hypothesis.seed(seed)(Watched), settings=walks)
        if states <= Watched.met and len(triggers & Watched.met) >= most:
            break
    assert states <= Watched.met
    assert len(triggers & Watched.met) >= most


class Deployments(WorkflowMachine.for_definition(zoo.DEPLOYMENT)):  # type: ignore[misc]  # made at run time
    """A host that pays once its ticket was granted."""

    def __init__(self) -> None:
        super().__init__()
        self.paid: list[str] = []

    def effects(self) -> Mapping[str, Sequence[Effect]]:
        """Pay for what was granted, and tell of what is live."""
        return {
            Stage.GRANTED: [Effect("pay", self.pay), Effect("announce", lambda _call: None)],
            Stage.LIVE: [Effect("tell", lambda _call: None)],
        }

    def pay(self, call: EffectCall) -> None:
        """Pay."""
        self.paid.append(call.id)

    @invariant()
    def nothing_is_paid_before_it_was_granted(self) -> None:
        """As an author would write it."""
        assert not self.paid or any(entry.dest == Stage.GRANTED for entry in self.history)


Deployments.TestCase.settings = hypothesis.settings(max_examples=20, stateful_step_count=30, deadline=None)
TestDeployments = pytest.mark.long(Deployments.TestCase)


class Impatient(Deployments):
    """A host that pays when it asks."""

    def effects(self) -> Mapping[str, Sequence[Effect]]:
        """Pay too early."""
        return {Stage.FILING: [Effect("pay", self.pay)]}


def test_an_invariant_of_ones_own_is_checked() -> None:
    """The same workflow with another host."""
    assert "Impatient" in broken_source(Impatient)


def broken_source(machine: type[WorkflowMachine]) -> str:
    """Return the notes of what the machine finds: the steps that lead there."""
    with pytest.raises(AssertionError) as caught:
        run_state_machine_as_test(machine, settings=QUICK)
    return "\n".join(caught.value.__notes__)


# ---------------------------------------------------------------- what each invariant is for


def test_a_way_out_of_an_end_is_found() -> None:
    """Granted was made final after the table was checked."""
    machine = WorkflowMachine.for_definition(zoo.deployment())
    object.__setattr__(machine.definition, "final", frozenset({Stage.GRANTED, Stage.LIVE, Stage.REFUSED}))
    told = broken(machine)
    assert "deploy led from granted, which is final, to live" in told


@pytest.mark.long
def test_an_update_that_does_not_go_by_its_facts_is_found() -> None:
    """The history says something else each time it is replayed."""
    count = itertools.count()
    told = broken(of(zoo.deploy(update=lambda facts: attrs.evolve(facts.change, data={"number": next(count)}))))
    assert "the history does not produce the stored change" in told


OPEN: list[bool] = []
"""Something beside the facts: a shop that is open while somebody fires."""


CLOSE = Transition(
    trigger=Verb.PAUSE,
    sources=tuple(Stage),
    dest=None,
    evidence=(ev.Decision, ev.Snapshot, ev.Concern, ev.EffectResult),
    guard=lambda _facts: None if OPEN else "the shop is closed",
    update=lambda facts: attrs.evolve(facts.change, data={"seq": facts.seq}),
)


class ShopHours(of(zoo.DEPLOY, CLOSE)):  # type: ignore[misc]  # made at run time
    """A host that opens its shop to fire, and closes it again."""

    def _fire(self, trigger: str, evidence: object) -> None:
        OPEN.append(True)
        try:
            super()._fire(trigger, evidence)
        finally:
            OPEN.clear()


def test_a_guard_that_does_not_go_by_its_facts_is_found() -> None:
    """What was let through once is refused when it is replayed."""
    told = broken(ShopHours)
    assert "was written, but firing it again is refused" in told
    assert "the shop is closed" in told


def hearing(update: Callable[[Facts], ChangeRequest]) -> type[WorkflowMachine]:
    """Return the machine of a deployment that keeps callbacks by an update of its own."""
    table = tuple(
        attrs.evolve(row, update=update) if row.trigger is Trigger.RECEIVE_CALLBACK else row
        for row in zoo.DEPLOYMENT.transitions
    )
    definition = attrs.evolve(zoo.DEPLOYMENT, transitions=table)
    return WorkflowMachine.for_definition(definition, counted=[Trigger.RECEIVE_CALLBACK])


@pytest.mark.long
def test_an_update_that_loses_effects_is_found() -> None:
    """What was planned stays planned until it is delivered; in a host's own row, the engine refuses such an update."""
    told = broken(hearing(lambda facts: attrs.evolve(updates.heard(facts), effects=())))
    assert "the change has []" in told


@pytest.mark.long
def test_an_update_that_plans_an_effect_once_more_is_found() -> None:
    """It would be delivered twice, with one id."""

    def doubled(facts: Facts) -> ChangeRequest:
        heard = updates.heard(facts)
        return attrs.evolve(heard, effects=(*heard.effects, *heard.effects))

    assert "the history planned the effects" in broken(hearing(doubled))


class OrdersAgain(WorkflowMachine.for_definition(meanings.that_orders_again())):  # type: ignore[misc]  # made at run time
    """A workflow whose retry leads back to the state that plans the order."""


@pytest.mark.long
def test_an_effect_that_one_approval_plans_again_is_found() -> None:
    """Each entry of the state plans it once, as the other invariant has it."""
    assert "retry planned effect order in granted as " in broken(OrdersAgain)


@pytest.mark.long
def test_no_other_invariant_finds_an_effect_that_is_planned_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """So the invariant is needed."""
    monkeypatch.setattr(_machine, "planned_again", lambda _definition, _history: ())
    run_state_machine_as_test(OrdersAgain, settings=QUICK)


@pytest.mark.long
def test_an_effect_may_be_planned_again_in_an_exempt_state() -> None:
    """The definition gives the reason."""
    exempt = Exemption(check="again", state=meanings.Stage.GRANTED, reason="the host compares orders")
    definition = attrs.evolve(meanings.that_orders_again(), exemptions=(exempt,))
    run_state_machine_as_test(WorkflowMachine.for_definition(definition), settings=QUICK)


def measured(facts: Facts) -> ChangeRequest:
    """Count the measurements."""
    count = facts.change.data.get("count", 0)
    return attrs.evolve(facts.change, data={"count": count + 1 if isinstance(count, int) else 0})


MEASURE = Transition(trigger=Verb.PAUSE, sources=tuple(Stage), dest=None, evidence=Deployed, update=measured)


@pytest.mark.long
def test_a_repeat_that_counts_is_found() -> None:
    """Whatever comes from outside may come twice."""
    assert "pause with the same evidence was recorded twice" in broken(of(zoo.DEPLOY, MEASURE))


@pytest.mark.long
def test_a_repeat_that_shall_count_is_named() -> None:
    """Then it is no fault."""
    machine = WorkflowMachine.for_definition(zoo.deployment(zoo.DEPLOY, MEASURE), counted=["pause"])
    run_state_machine_as_test(machine, settings=hypothesis.settings(QUICK, max_examples=10))


SEVERAL = (ev.Decision, ev.Snapshot, ev.Concern, ev.EffectResult, ev.CallbackHeard)
"""Types of evidence, so many that a trigger which takes them is drawn often."""


def test_a_refusal_that_changes_something_is_found() -> None:
    """A guard keeps notes in the change that it is asked about."""

    def notes(facts: Facts) -> str | None:
        held: Any = facts.change.data.get("notes")
        if held is None:
            return "there are no notes yet"
        held.append("asked")
        return "never"

    begun = Transition(
        trigger=Verb.PAUSE,
        sources=tuple(Stage),
        dest=None,
        evidence=SEVERAL,
        update=lambda facts: attrs.evolve(facts.change, data={"notes": []}),
    )
    asked = Transition(trigger=Verb.PARK, sources=tuple(Stage), dest=None, evidence=SEVERAL, guard=notes)
    assert "modified the change that was passed to it" in broken(of(zoo.DEPLOY, begun, asked))


_AGAIN = Exemption(check="again", state=State.PENDING, reason="what is looked for is another defect")


class Forgetful(WorkflowMachine.for_definition(attrs.evolve(COLLECTOR_CHANGE, exemptions=(_AGAIN,)))):  # type: ignore[misc]  # made at run time
    """Tells that effects were delivered which nobody did."""

    def effects(self) -> Mapping[str, Sequence[Effect]]:
        """Do nothing, at length."""
        return {State.PENDING: [Effect("work", self.fail)]}

    def fail(self, _call: EffectCall) -> None:
        """Fail."""
        raise RuntimeError("not today")

    @precondition(lambda self: self.change.effects)
    @rule()
    def tell(self) -> None:
        """Tell of a delivery."""
        effect = self.change.effects[-1]
        result = ev.EffectResult(effect=effect.id, attempt=effect.attempts)
        self._let(lambda: self.workflow._fire(self.change_id, "deliver_effect", result, actor="worker"))


def test_a_delivery_that_was_not_done_is_found() -> None:
    """An effect counts as delivered only if it was done."""
    assert "counts as delivered, but did not run" in broken(Forgetful)


class Lenient(WorkflowMachine.for_definition(zoo.deployment(grants={Stage.LIVE: False}))):  # type: ignore[misc]  # made at run time
    """A host whose gate asks whether there ever was an approval."""

    def __init__(self) -> None:
        super().__init__()
        self.workflow.require_approved = self.passes

    def passes(self, subject: str) -> ChangeRequest:
        """Let through what was approved once."""
        change: ChangeRequest = self.change
        if change.ticket_outcome is not Outcome.APPROVED:
            raise NotApproved(subject=subject, state=change.state, why="it never was")
        return change


def test_a_gate_that_goes_by_an_earlier_approval_is_found() -> None:
    """A change that has gone on to a state that does not grant is not approved any more."""
    assert "the state live does not grant, and require_approved passes" in broken(Lenient)


class Credulous(WorkflowMachine.for_definition(COLLECTOR_CHANGE)):  # type: ignore[misc]  # made at run time
    """A host whose view lets everything through."""

    def receive(self, *, method: str, path: str, headers: Mapping[str, str], body: bytes) -> CallbackResponse:
        """Believe whoever calls."""
        self.workflow.receive(method=method, path=path, headers=headers, body=body)
        return ACCEPTED


@pytest.mark.long
def test_a_view_that_believes_a_forged_callback_is_found() -> None:
    """A host's own view is part of what is tested."""
    assert "a callback without our credential was answered with 200" in broken(Credulous)


class Noisy(WorkflowMachine.for_definition(COLLECTOR_CHANGE)):  # type: ignore[misc]  # made at run time
    """A host whose view asks for a person at each callback, believed or not."""

    def receive(self, *, method: str, path: str, headers: Mapping[str, str], body: bytes) -> CallbackResponse:
        """Take the callback, and tell a person."""
        answer: CallbackResponse = self.workflow.receive(method=method, path=path, headers=headers, body=body)
        if self.tells_of(answer):
            concern = ev.Concern(reason=AttentionReason.HOST, facts={"number": str(len(self.history))})
            self.workflow.fire(self.change_id, "raise_attention", concern, actor="host")
        return answer

    def tells_of(self, answer: CallbackResponse) -> bool:
        """Tell of those that were refused."""
        return answer.status == 401


class NoisyWhenTrue(Noisy):
    """The same for those that were believed; with fewer rules, more walks get as far as a second callback."""

    fire_anything = fire_what_the_table_has = lose_the_gateway = lose_the_effects = let_time_pass = None

    def tells_of(self, answer: CallbackResponse) -> bool:
        """Tell of those that were accepted."""
        return answer.status == 200


@pytest.mark.long
def test_a_forged_callback_that_changes_something_is_found() -> None:
    """Refusing it is not enough."""
    assert "a callback without our credential changed something" in broken(Noisy)


@pytest.mark.long
def test_a_doubled_callback_that_changes_something_twice_is_found() -> None:
    """The gateway does not promise to call once."""
    assert "arrived twice changed something the second time" in broken(NoisyWhenTrue)


@pytest.mark.long
def test_a_definition_with_evidence_of_ones_own_strategy() -> None:
    """Where annotations do not say enough, a strategy does."""
    calls: list[object] = []

    def noted(facts: Facts) -> str | None:
        calls.append(facts.expect(Deployed).size)
        return None

    machine = WorkflowMachine.for_definition(
        zoo.deployment(zoo.deploy(guard=noted)), evidence={Deployed: hypothesis.strategies.just(Deployed(size=4711))}
    )
    run_state_machine_as_test(machine, settings=hypothesis.settings(QUICK, max_examples=40))
    assert 4711 in calls


def test_a_drawn_submission_moves_no_effect_of_the_host_to_another_state() -> None:
    """It would start the host's work before the approval, and be taken for a mistake of the host's."""
    machine: Any = Watched()
    machine.begin(stands=Beginning.DRAFTED, slow=False)
    names = {"applying": ("work", "another's"), "approved": ("work",)}
    machine._fire("submit", ev.Submission(key="K1", creator="bob", service="1", owner="w2", number=1, effects=names))
    assert [one.name for one in machine.change.effects] == ["another's"]
    assert machine.change.effect_names == {"applying": ("another's",), "approved": ()}
    machine.each_entry_plans_its_effects_once()
    machine.teardown()


def test_the_withdrawal_of_a_ticket_that_was_given_up_is_the_librarys() -> None:
    """It is planned when a change ends whose ticket nobody was asked about; no effect of the host's is."""
    machine: Any = Watched()
    machine.begin(stands=Beginning.SUBMITTED, slow=True)
    machine._fire("raise_attention", ev.Concern(reason=AttentionReason.NOT_STARTED, facts={}))
    machine._fire("abandon", ev.Decision(reason="nobody is asked"))
    assert [one.name for one in machine.change.effects] == ["withdraw"]
    machine.each_entry_plans_its_effects_once()
    machine.teardown()


def test_the_machine_is_named_after_its_definition() -> None:
    """What Hypothesis prints can be told apart."""
    assert WorkflowMachine.for_definition(COLLECTOR_CHANGE).__name__ == "CollectorChangeMachine"


@pytest.mark.long
def test_the_machine_runs_the_effects_that_a_workflow_names() -> None:
    """None has to be given for it."""
    named = attrs.evolve(zoo.DEPLOYMENT, effects={Stage.GRANTED: ("order",), Stage.LIVE: ("tell",)})
    run_state_machine_as_test(
        WorkflowMachine.for_definition(named), settings=hypothesis.settings(QUICK, max_examples=5)
    )
