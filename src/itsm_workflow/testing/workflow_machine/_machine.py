"""The machine: random events of one change, and the invariants that must hold after each of them."""

from __future__ import annotations

import contextlib
import datetime as dt
import enum
import functools
import random
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, cast

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from itsm_workflow.change import WITHDRAW
from itsm_workflow.deferred import check_done
from itsm_workflow.errors import DefinitionError, InvalidForm, TransitionRefused
from itsm_workflow.failures import failures_in_a_test
from itsm_workflow.machine.approval import COLLECTOR_CHANGE
from itsm_workflow.machine.engine import fire
from itsm_workflow.runtime.effects import Effect
from itsm_workflow.sandbox.behaviour import Behaviour
from itsm_workflow.sandbox.ledger import Ledger
from itsm_workflow.storage.registry import open_storage
from itsm_workflow.testing import strategies as its
from itsm_workflow.testing.default_effects import default_effects
from itsm_workflow.testing.exits import ExitError, without_exits
from itsm_workflow.testing.gateway_faults import GatewayFaults
from itsm_workflow.testing.ledger_gateway import LedgerGateway
from itsm_workflow.testing.manual_clock import ManualClock
from itsm_workflow.testing.planned_again import planned_again
from itsm_workflow.testing.strategies.sequences import own_pairs, own_steps_at
from itsm_workflow.testing.workflow_machine._arguments import check_counted, check_definition, check_evidence
from itsm_workflow.testing.workflow_machine._callbacks import CallbackPath
from itsm_workflow.testing.workflow_machine._gate import check_gate
from itsm_workflow.testing.workflow_machine._people import TicketAct, act_on_newest
from itsm_workflow.testing.workflow_machine._replay import Replay
from itsm_workflow.workflow import Workflow

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from hypothesis.strategies import SearchStrategy

    from itsm_workflow.callbacks.parse import CallbackResponse
    from itsm_workflow.change import ChangeRequest, Entry
    from itsm_workflow.machine.definition import WorkflowDefinition
    from itsm_workflow.policy import Policy
    from itsm_workflow.runtime.effects import EffectCall
    from itsm_workflow.storage.registry import OpenableBackend

APPROVER = "bob"
SUBJECT = "subject-1"


@functools.cache
def _backend() -> type[OpenableBackend]:
    """Look the backend up once, since reading the metadata of all installed packages takes longer than a walk."""
    with contextlib.closing(open_storage("memory://")) as opened:
        return cast("type[OpenableBackend]", type(opened))


class Beginning(enum.StrEnum):
    """The state of a change when a walk begins."""

    DRAFTED = "drafted"
    SUBMITTED = "submitted"
    APPROVED = "approved"  # if its workflow continues from there; else few walks reach the host's triggers


class WorkflowMachine(RuleBasedStateMachine):
    """One change of a workflow, over a store and a ticket system in memory, with all events that can affect it.

    Create a class for a definition with `for_definition`, add rules and invariants in a subclass, and let pytest
    collect its ``TestCase``. The rules draw triggers with right, nearly right and wrong evidence; acts of people in
    the ticket system; callbacks that are lost, late, duplicated, reordered, tampered with or forged; failing gateway
    calls; failing effects; and time. The invariants hold for every sound definition.

    Attributes:
        definition: The workflow.
        policy: Its timings, short so that a walk soon passes their end.
        evidence: Your own strategies for some types of evidence.
        counted: Triggers whose repeat counts, such as a look-up that found nothing again. A repeat of any other
            trigger with the same evidence, immediately after it, must write nothing.
        workflow: The workflow that the rules act on.
        clock: Its clock.
        gateway: Its ticket system.
        faults: The faults of the gateway's calls.
        done: The ids of the effects that ran, in order; an effect that ran again is listed again.
    """

    definition: ClassVar[WorkflowDefinition] = COLLECTOR_CHANGE
    policy: ClassVar[Policy] = its.POLICY
    evidence: ClassVar[Mapping[type, SearchStrategy[Any]]] = MappingProxyType({})
    counted: ClassVar[frozenset[str]] = frozenset({"note_lookup"})

    @classmethod
    def for_definition(
        cls,
        definition: WorkflowDefinition,
        *,
        evidence: Mapping[type, SearchStrategy[Any]] | None = None,
        counted: Sequence[str] = (),
    ) -> type[WorkflowMachine]:
        """Return the machine of a definition, to be used directly or as a base class.

        Args:
            definition: The workflow.
            evidence: Strategies for types of evidence whose annotations are not specific enough.
            counted: The definition's own triggers whose repeat counts.

        Raises:
            TypeError: An argument has the wrong type.
            ValueError: The definition has no such evidence, or no such trigger.
        """
        check_definition(definition)
        check_evidence(definition, evidence or {})
        check_counted(definition, counted)
        values = {
            "definition": without_exits(definition),
            "evidence": MappingProxyType(dict(evidence or {})),
            "counted": cls.counted | set(counted),
            "__doc__": f"All events that can affect a change of {definition.name}.",
            "__module__": __name__,
        }
        return type(f"{definition.name.title().replace('_', '')}Machine", (cls,), values)

    def __init__(self) -> None:
        super().__init__()
        self.done: list[str] = []
        self._refusing_effects = 0
        self._gated = 0
        self.clock: ManualClock = ManualClock()
        chance = random.Random(0)  # noqa: S311 - the same in every run, since Hypothesis must be able to repeat it
        self.faults: GatewayFaults = GatewayFaults(clock=self.clock)
        ledger = Ledger(clock=self.clock.now, random=chance)
        self.gateway: LedgerGateway = self.faults.wrap(LedgerGateway(ledger, clock=self.clock))
        self._storage = _backend().from_url("memory://")
        effects = {state: [self._watched(one) for one in listed] for state, listed in self.effects().items()}
        planned = {str(state): tuple(one.name for one in listed) for state, listed in effects.items()}
        self._replay = Replay(self.definition, self.policy, planned, subject=SUBJECT)
        self.workflow: Workflow = Workflow(
            storage=self._storage,
            gateway=self.gateway,
            definition=self.definition,
            effects=effects,
            policy=self.policy,
            after_callback="inline",
            observers=(self._replay,),
            clock=self.clock,
            entropy=chance.randbytes,
        )
        self._callbacks = CallbackPath(self.gateway, self.receive, self._stored)

    def effects(self) -> Mapping[str, Sequence[Effect]]:
        """Return the effects by state: by default those that the definition names, or one after the grant.

        The default effects do nothing. A subclass returns its host's, usually methods that record a call on ``self``.
        """
        named = default_effects(self.definition, "work").items()
        return {state: [Effect(name, lambda _call: None) for name in names] for state, names in named}

    def receive(self, *, method: str, path: str, headers: Mapping[str, str], body: bytes) -> CallbackResponse:
        """Receive a callback; a subclass may pass it through its host's own view."""
        return self.workflow.receive(method=method, path=path, headers=headers, body=body)

    @property
    def change(self) -> ChangeRequest:
        """The stored change."""
        return self.workflow.get(self.change_id)

    @property
    def history(self) -> Sequence[Entry]:
        """Its history so far."""
        return tuple(self._replay.entries)

    # ---------------------------------------------------------------- what happens

    @initialize(slow=st.booleans(), stands=st.sampled_from(Beginning))
    def begin(self, slow: bool, stands: Beginning) -> None:  # noqa: FBT001 - Hypothesis passes by name
        """Store the draft, and submit it or not; the ticket system acts immediately, or later."""
        if not slow:
            self.gateway.ledger.behaviour = Behaviour(start_delay=0.0, decision_delay=0.0)
        ask = self.workflow.draft if stands is Beginning.DRAFTED else self.workflow.apply
        self.change_id: str = ask(subject=SUBJECT, title="a title", applicant="alice", approvers=[APPROVER]).id
        if stands is Beginning.APPROVED and self.definition.roles.granted not in self.definition.final:
            self.clock.advance(self.gateway.ledger.behaviour.start_delay)
            self.act_on_the_ticket(TicketAct.APPROVE)
            self.clock.advance(self.gateway.ledger.behaviour.decision_delay)
            self.settle()

    @precondition(lambda self: self.definition.is_submitted_in(self.change.state))
    @rule()
    def submit(self) -> None:
        """Submit the draft, or the next approval's ticket, and send it."""
        self._let(lambda: self.workflow.submit(self.change_id))

    @rule(seconds=its.pauses)
    def let_time_pass(self, seconds: int) -> None:
        """Advance the clock by less or more than a lease."""
        self.clock.advance(seconds)

    @rule()
    def reconcile(self) -> None:
        """Settle the change if it is due."""
        self.workflow.reconcile(readers=1)  # one thread, so that a failure can be repeated

    @rule()
    def settle(self) -> None:
        """Settle the change, due or not."""
        self.workflow.settle(self.change_id)

    @rule(data=st.data(), times=st.integers(1, 3))
    def fire_what_the_table_has(self, data: st.DataObject, times: int) -> None:
        """Fire triggers of the state with evidence that matches, or nearly."""
        for _ in range(times):
            steps = its.steps_at(
                self.definition, self.change, now=self.clock.peek(), policy=self.policy, evidence=self.evidence
            )
            step = data.draw(steps, label="step")
            self._fire(step.trigger, step.evidence)

    @precondition(lambda self: bool(own_pairs(self.definition, self.change)))
    @rule(data=st.data())
    def fire_what_the_host_has(self, data: st.DataObject) -> None:
        """Fire a trigger that the shipped workflow does not have, with evidence that matches, or nearly."""
        fired = {entry.trigger for entry in self._replay.entries}
        steps = own_steps_at(self.definition, self.change, fired=fired, evidence=self.evidence)
        step = data.draw(steps, label="step")
        self._fire(step.trigger, step.evidence)

    @rule(data=st.data())
    def fire_anything(self, data: st.DataObject) -> None:
        """Fire any trigger with any evidence."""
        triggers = sorted({row.trigger.value for row in self.definition.transitions})
        kinds = sorted(self.definition.evidence_types.items())
        trigger = data.draw(st.sampled_from(triggers), label="trigger")
        _, kind = data.draw(st.sampled_from(kinds), label="kind")
        strategy = self.evidence.get(kind, its.evidence_of(kind))
        brought = data.draw(strategy | its.aimed(self.change, kind, strategy) | st.none(), label="evidence")
        self._fire(trigger, brought)

    @rule(act=st.sampled_from(TicketAct))
    def act_on_the_ticket(self, act: TicketAct) -> None:
        """Let a person decide, withdraw, terminate, suspend or resume the newest ticket."""
        ledger = self.gateway.ledger
        ledger.schedule.run(self.clock.now())
        self._callbacks.add(act_on_newest(ledger, act, APPROVER))

    @rule(delivery=its.callbacks(), forged=its.callback_bodies)
    def call_back(self, delivery: its.DrawnCallback, forged: dict[str, object]) -> None:
        """Let a callback arrive, be lost, arrive twice, or be forged."""
        self._callbacks.handle(delivery, forged, self.change_id)

    @rule(fault=st.sampled_from(("unreachable", "time_out", "lose_answer", "refuse")))
    def lose_the_gateway(self, fault: str) -> None:
        """Let the next call of the gateway fail."""
        getattr(self.faults, fault)()

    @rule(times=st.integers(1, 3))
    def lose_the_effects(self, times: int) -> None:
        """Let the next deliveries of effects fail."""
        self._refusing_effects = times

    # ---------------------------------------------------------------- what must hold

    @invariant()
    def history_replays_to_the_change(self) -> None:
        """Fired again, entry by entry, the history produces exactly the stored change."""
        self._replay.follow()
        assert not self._replay.problem, self._replay.problem
        source = ""
        for number, one in enumerate(self._replay.replayed, start=1):
            assert (number, source) == (one.entry.seq, one.entry.source), "the history has a gap"
            assert one.refired == one.entry, f"fired again, entry {number} differs"
            source = one.entry.dest
        if self._replay.replayed:
            assert self._replay.change == self.change, "the history does not produce the stored change"

    @invariant()
    def nothing_leaves_a_final_state(self) -> None:
        """A change that has ended never leaves its final state."""
        for entry in self._replay.entries:
            if entry.source in self.definition.final:
                message = f"{entry.trigger} led from {entry.source}, which is final, to {entry.dest}"
                assert entry.source == entry.dest, message

    @invariant()
    def the_gate_follows_the_state(self) -> None:
        """`require_approved` lets the subject through if, and only if, the change is in a state that grants."""
        if len(self._replay.entries) != self._gated:
            self._gated = len(self._replay.entries)
            check_gate(self.workflow, self.change)

    @invariant()
    def each_entry_plans_its_effects_once(self) -> None:
        """Entering a state plans each of its effects once, and none is lost or added later."""
        if not self._replay.entries:
            return
        planned = [name for entry in self._replay.entries for name in entry.effects]
        names = {effect.id: effect.name for effect in self.change.effects}
        kept = [effect.id for effect in self.change.effects]
        assert planned == kept, f"the history planned the effects {planned}, but the change has {kept}"
        assert len(set(kept)) == len(kept), f"an effect was planned twice: {kept}"
        self._replay.follow()
        for entry, after in ((one.entry, one.after) for one in self._replay.replayed):
            if entry.source not in {"", entry.dest}:
                every = (*after.effect_names.get(entry.dest, ()), *self._replay.effects.get(entry.dest, ()))
                wanted, made = list(dict.fromkeys(every)), [names[effect] for effect in entry.effects]
                named = [name for name in made if name in wanted]  # an update may plan others
                assert wanted == named, f"entry {entry.seq} entered {entry.dest} but planned {made}, not {wanted}"

    @invariant()
    def one_approval_plans_each_effect_once(self) -> None:
        """After one submission of the draft, no effect is planned under a second id."""
        again = list(planned_again(self.definition, self._replay.entries))
        assert not again, again[0]

    @invariant()
    def what_was_delivered_was_done(self) -> None:
        """An effect counts as delivered only if it ran."""
        own = [one.id for one in self.change.effects if one.name == WITHDRAW] if self._replay.entries else []
        for entry in self._replay.entries:
            if entry.trigger == "deliver_effect" and entry.actor == "worker":
                effect = getattr(entry.evidence, "effect", "")
                assert effect in [*self.done, *own], f"effect {effect} counts as delivered, but did not run"

    @invariant()
    def a_repeat_writes_nothing(self) -> None:
        """A repeated trigger with the same evidence, immediately after the first, adds nothing or is refused."""
        self._replay.follow()
        for one in self._replay.replayed:
            if one.entry.trigger not in self.counted:
                message = (
                    f"{one.entry.trigger} with the same evidence was recorded twice; add it to `counted` if it may"
                )
                assert one.repeat is None, message

    def teardown(self) -> None:
        """Read the whole history back, with a check of its chain of digests."""
        if self._replay.entries:
            assert self._replay.entries == self.workflow.history(self.change_id)
        self.workflow.close()
        self._storage.close()

    # ---------------------------------------------------------------- how

    def _fire(self, trigger: str, evidence: object) -> None:
        change, evidence = self.change, self._replay.at_home(evidence)
        letters = repr(change)
        try:
            fire(
                self.definition,
                change,
                trigger,
                evidence,
                now=self.clock.peek() + dt.timedelta(microseconds=1),
                policy=self.policy,
                seq=len(self._replay.entries) + 1,
                actor="carol",
            )
        except TransitionRefused:
            assert letters == repr(change), f"{trigger} was refused, but modified the change that was passed to it"
        except DefinitionError:
            raise
        except failures_in_a_test() as error:
            where = f"a guard or an update of trigger {trigger} in {change.state}"
            error.add_note(f"raised by {where}: it must not raise")
            if not isinstance(error, SystemExit):
                raise
            raise ExitError(where, error) from error
        # Includes the library's triggers, which `Workflow.fire` rejects: the table has to withstand any trigger.
        self._let(lambda: self.workflow._fire(self.change_id, trigger, evidence, actor="carol"))  # noqa: SLF001

    def _let(self, act: Callable[[], object]) -> None:
        """Carry out an act; a refusal is not a failure, but must change nothing."""
        before, refusal = self._stored(), ""
        try:
            act()
        except (TransitionRefused, InvalidForm) as refused:
            refusal = str(refused)
        assert not refusal or before == self._stored(), f"{refusal}; but something was written"

    def _stored(self) -> object:
        return self._storage.get(self.change_id), len(self._replay.entries)

    def _watched(self, effect: Effect) -> Effect:
        def run(call: EffectCall) -> None:
            if self._refusing_effects:
                self._refusing_effects -= 1
                raise RuntimeError("this effect fails")
            check_done(effect.run(call))
            self.done.append(call.id)

        return Effect(effect.name, run)
