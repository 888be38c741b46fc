"""One complete run: processes over one store and one ticket system, in virtual time, determined by a seed."""

from __future__ import annotations

import datetime as dt
import traceback
from collections import Counter
from random import Random
from typing import TYPE_CHECKING

from itsm_workflow.audit import Delivery
from itsm_workflow.clock import from_micros
from itsm_workflow.deferred import check_done
from itsm_workflow.errors import AlreadyApplied, DefinitionError, ItsmWorkflowError, TransitionRefused
from itsm_workflow.gateway.records import recorded
from itsm_workflow.machine.approval import Trigger
from itsm_workflow.runtime.effects import Effect
from itsm_workflow.storage import paging
from itsm_workflow.storage.protocol import Order, Query
from itsm_workflow.testing.exits import without_exits
from itsm_workflow.testing.manual_clock import ManualClock
from itsm_workflow.testing.simulation.acting import LOOK_AGAIN, Acting
from itsm_workflow.testing.simulation.faults import Failure, Struck
from itsm_workflow.testing.simulation.host import OPERATOR
from itsm_workflow.testing.simulation.other_system import OtherSystem
from itsm_workflow.testing.simulation.ports import Crash, Life, Listener, ProcessFaults, ProcessStorage
from itsm_workflow.testing.simulation.scheduler import Scheduler, Stopped
from itsm_workflow.testing.simulation.ticket_system import TicketSystem
from itsm_workflow.testing.simulation.timeline import Timeline

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from itsm_workflow.callbacks.inbox import AfterCallback
    from itsm_workflow.callbacks.parse import CallbackResponse
    from itsm_workflow.gateway.records import RecordedTicket
    from itsm_workflow.runtime.effects import EffectCall
    from itsm_workflow.storage.protocol import Row, Write
    from itsm_workflow.testing.simulation.faults import Fault
    from itsm_workflow.testing.simulation.host import Host
    from itsm_workflow.workflow import Workflow

FAULTS_END = 6 * 3600.0
"""The number of seconds after which no fault strikes."""

HORIZON = 40 * 86400.0
"""The number of seconds after which a run is stopped although changes are still due."""

_MOST_STEPS = 50_000
_PASS_EVERY = 60.0
_MOST_DOUBLINGS = 8  # up to some hours
_TRIES = 3
_MOST_DUE_AGAIN = 500


class Process:
    """A process that is restarted after a crash.

    Args:
        world: The run that it is part of.
        name: The name in the timeline.
    """

    def __init__(self, world: World, name: str) -> None:
        self.name = name
        self.next_pass: float | None = None
        self.passing, self.idle = False, 0  # idle: its passes in a row that stored nothing
        self._world = world
        self._random = world.random(name)
        self._started: tuple[Life, Workflow] | None = None

    @property
    def workflow(self) -> Workflow:
        """Its workflow, opened again after a crash."""
        if self._started is None or not self._started[0].alive:
            life = self._world.life(self.name, self._random)
            self._started = life, self._world.open(life)
        return self._started[1]

    def between(self, least: float, most: float) -> float:
        """Return a random number of seconds."""
        return self._random.uniform(least, most)


class World:
    """A run.

    Args:
        seed: Determines everything that the faults do not.
        faults: The faults.
        host: The subject of the simulation.

    Attributes:
        asked: The subjects of the changes whose filing was acknowledged.
        submitted: The id of the last submitted change, by subject.
        deliveries: The host's own log of the effects that it carried out.
        problems: Errors that a process must never raise.
        drained: Whether nothing was due at the end.
        acting: The acts of the host and its people.
        due_again: How often each change fell due since it last moved, by its id.
    """

    def __init__(self, seed: int, faults: Sequence[Fault], host: Host) -> None:
        self.seed = seed
        self.host = host
        self.clock = ManualClock()
        self.timeline = Timeline(self.clock.elapsed)
        self.store = host.make_storage()
        self.effects = host.make_effects()
        self.asked: list[str] = []
        self.submitted: dict[str, str] = {}
        self.deliveries: list[Delivery] = []
        self.problems: list[str] = []
        self.drained = False
        self._scheduler = Scheduler(self.clock)
        self._struck = Struck(
            faults, elapsed=self.clock.elapsed, on_strike=lambda one: self.timeline.note("FAULT", f"{one}")
        )
        self._entropy = self.random("entropy")
        self._cast = self.random("cast")
        self._after = self._cast.choice(("inline", "later", "queue"))
        self.acting = Acting(
            (*OPERATOR, *host.acts), self.clock.elapsed, lambda text: self.timeline.note("operator", text)
        )
        self._of_the_ticket = {
            state.value for one in host.definition.rounds for state in (one.asking, one.waiting, one.undelivered)
        }
        self.due_again: Counter[str] = Counter()
        self._next_look: float | None = None
        self._has_ended = False
        self.system = self._make_system()
        self._web = Process(self, "web")
        self._desk = Process(self, "operator")
        self._workers = [Process(self, f"worker-{n}") for n in range(1, self._cast.randint(2, 4))]

    def run(self) -> None:
        """Run from the first submission until nothing is due."""
        for number in range(1, self._cast.randint(2, 4)):
            self._plan_change(f"subject-{number}", self._cast.uniform(0, 60))
        self._scheduler.call(FAULTS_END, self._end_faults)
        try:
            self.drained = self._scheduler.run(HORIZON, _MOST_STEPS)
        finally:
            self._scheduler.close()

    def close(self) -> None:
        """Close the store and the ticket system."""
        try:
            self.store.close()
        finally:
            self.system.close()

    def tickets(self) -> Sequence[RecordedTicket]:
        """Return the tickets as the ticket system has them."""
        return recorded(self.system.ledger)[1]

    def _make_system(self) -> TicketSystem | OtherSystem:
        make, clock, timeline = self.host.system, self.clock, self.timeline
        scheduler, struck = self._scheduler, self._struck
        if make is not None:
            return OtherSystem(self.seed, make=make, clock=clock, scheduler=scheduler, struck=struck, timeline=timeline)
        return TicketSystem(
            self.seed,
            clock=clock,
            scheduler=scheduler,
            struck=struck,
            timeline=timeline,
            deliver=self._deliver_callback,
        )

    # ---------------------------------------------------------------- processes

    def random(self, purpose: str) -> Random:
        """Return a random generator that no other part of the run draws from."""
        return Random(f"{self.seed}/{purpose}")  # noqa: S311 - repeatable, not secret

    def life(self, name: str, random: Random) -> Life:
        """Start a process."""
        return Life(
            name,
            scheduler=self._scheduler,
            struck=self._struck,
            timeline=self.timeline,
            random=random,
            turn_clock=self._turn_clock,
        )

    def open(self, life: Life) -> Workflow:
        """Open the workflow of a process, over the shared store."""
        host, gateway = self.host, ProcessFaults(self.system, life).wrap(self.system.gateway)
        effects = {
            state: [Effect(one.name, self._carrying_out(life, one)) for one in listed]
            for state, listed in self.effects.items()
        }
        after: AfterCallback | Callable[[str], object] = "later"
        if self._after == "inline":
            after = "inline"
        elif self._after == "queue":
            after = self._queue
        return host.workflow(
            storage=ProcessStorage(self.store, life, self._committed),
            gateway=gateway if host.gateway is None else host.gateway(gateway),
            definition=without_exits(host.definition),
            effects=effects,
            policy=host.policy,
            after_callback=after,
            observers=[Listener(life, self.problems)],
            clock=self.clock,
            entropy=self._entropy.randbytes,
            # A model of the author's own sends no callbacks, and its gateway may have no settings for them.
            **({} if host.system is None else {"callbacks": False}),
        )

    def _carrying_out(self, life: Life, effect: Effect) -> Callable[[EffectCall], None]:
        def run(call: EffectCall) -> None:
            struck = life.enter("effect")
            if Failure.UNAVAILABLE in struck:
                raise ConnectionError("simulated: the host's own system is down")
            check_done(effect.run(call))
            self.deliveries.append(Delivery(effect=call.id, name=call.name, change=call.change.id))
            self.timeline.note(life.name, f"carries out {call.name} of {call.change.subject}, attempt {call.attempt}")
            life.leave("effect", struck)
            if Failure.ANSWER_LOST in struck:
                raise TimeoutError("simulated: the host's own system did not answer, though it is done")

        return run

    def _task(self, delay: float, process: Process, work: Callable[[Workflow], object]) -> None:
        def run() -> None:
            try:
                work(process.workflow)
            except Crash:
                pass
            except Stopped:
                raise
            except BaseException as error:  # noqa: BLE001 - the run exists to find any other error
                if isinstance(error, ItsmWorkflowError) and not isinstance(error, DefinitionError):
                    self.timeline.note(process.name, f"catches {type(error).__name__}: {error}")
                    return
                where = traceback.extract_tb(error.__traceback__)[-1]
                self.problems.append(
                    f"raised: {type(error).__name__}: {error} ({where.name} in {where.filename}:{where.lineno})"
                )

        self._scheduler.spawn(delay, run)

    def _turn_clock(self, seconds: float) -> None:
        self.clock.set_wall(self.clock.peek() + dt.timedelta(seconds=seconds))
        self.timeline.note("FAULT", f"the wall clock shows {self.clock.peek():%Y-%m-%d %H:%M:%S}")
        for worker in self._workers:
            self._plan_pass(worker)

    def _end_faults(self) -> None:
        self._struck.stop()
        del self._workers[1:]  # one is enough to finish the rest
        self.timeline.note("FAULT", "no more faults strike")
        self.system.free_the_jammed()

    # ---------------------------------------------------------------- applicants

    def _plan_change(self, subject: str, delay: float) -> None:
        struck = self._struck.at("change")
        self._ask(delay, subject, tries=1)
        if Failure.ASKED_TWICE in struck:
            self._ask(delay, subject, tries=1)
        if Failure.WITHDRAWAL_ASKED in struck:
            self._task(
                delay + struck[Failure.WITHDRAWAL_ASKED], self._web, lambda workflow: self._withdraw(workflow, subject)
            )

    def _ask(self, delay: float, subject: str, *, tries: int) -> None:
        """Submit a change, and again until it is acknowledged; a refused form is tried a limited number of times."""

        def ask(workflow: Workflow) -> None:
            again: int | None = tries
            try:
                change = workflow.apply(subject=subject, **self.host.asked)
                self.timeline.note("web", f"{subject} was asked for: {change.state}")
                again = tries + 1 if change.state == self.host.definition.initial else None
                self.asked.append(subject)
            except AlreadyApplied:
                self.timeline.note("web", f"{subject} was asked for already")
                self.asked.append(subject)
                again = None
            finally:  # also after a crash of the process or a failure of the store
                if again is not None and again <= _TRIES:
                    self._ask(self._web.between(5, 90), subject, tries=again)

        self._task(delay, self._web, ask)

    def _withdraw(self, workflow: Workflow, subject: str) -> None:
        for change in list(workflow.find(subject=subject)):
            try:
                workflow.withdraw(change.id, actor=change.form.applicant, reason="simulated")
                self.timeline.note("web", f"{subject} has its withdrawal requested")
            except TransitionRefused as refused:
                self.timeline.note("web", f"{subject} cannot be withdrawn: {refused.reason}")

    # ---------------------------------------------------------------- callbacks

    def _deliver_callback(self, delay: float, hand_over: Callable[[Callable[..., CallbackResponse]], object]) -> None:
        self._task(delay, self._web, lambda workflow: hand_over(workflow.receive))

    def _queue(self, change_id: str) -> None:
        worker = self._workers[0]
        self._task(worker.between(0.01, 5), worker, lambda workflow: workflow.settle(change_id))

    # ---------------------------------------------------------------- workers

    def _committed(self, life: Life, writes: Sequence[Write]) -> None:
        for write in writes:
            row = write.row
            for entry in write.entries:
                if entry.trigger == Trigger.SUBMIT:
                    self.submitted[row.subject] = row.id
                moved = f"{entry.source or 'new'} -> {entry.dest}" if entry.source != entry.dest else entry.dest
                self.timeline.note(life.name, f"{row.subject}: {entry.trigger} ({moved})")
            self.acting.stored(row.id, moved=bool(write.entries))
            self.due_again[row.id] = 0 if write.entries else self.due_again[row.id] + 1
            if not write.entries:
                self.timeline.note(life.name, f"{row.subject}: due {row.due_at}", minor=True)
            if row.attention is not None and write.entries:
                self.timeline.note(life.name, f"{row.subject}: a person is notified: {row.attention}", minor=True)
        for worker in self._workers:
            worker.idle = 0
            self._plan_pass(worker)
        if any(write.row.attention for write in writes) or self.host.acts:
            self._plan_look(self._desk.between(10, LOOK_AGAIN))

    def _plan_pass(self, worker: Process) -> None:
        """Let a worker make a pass soon after a change falls due, as cron would, without the idle passes."""
        if worker.passing or self._has_ended or worker not in self._workers:
            return
        query, now = Query(workflow=self.host.definition.name, order=Order.DUE_AT), self.clock.peek()
        due = [
            from_micros(row.due_at)
            for row in paging.rows(self.store, query)
            if row.due_at is not None and not self._never_ends(row)
        ]
        if not due:
            return
        # What a pass did not move, such as an effect that no process knows, is tried less and less often.
        overdue = _PASS_EVERY * (2 ** min(worker.idle, _MOST_DOUBLINGS) - 1)
        moment = self.clock.elapsed() + min((one - now).total_seconds() if one > now else overdue for one in due)
        if worker.next_pass is not None and worker.next_pass <= moment + _PASS_EVERY:
            return
        worker.next_pass = planned = moment + worker.between(1, _PASS_EVERY)

        def begin() -> None:
            if worker.next_pass == planned:  # otherwise an earlier pass was planned in the meantime
                worker.next_pass = None
                worker.passing = True
                self._task(0.0, worker, lambda workflow: self._pass(worker, workflow))

        self._scheduler.call(planned - self.clock.elapsed(), begin)

    def _never_ends(self, row: Row) -> bool:
        """Return whether a change of the host's falls due again and again, and no act is tried that may move it."""
        return (
            self.due_again[row.id] >= _MOST_DUE_AGAIN
            and row.state not in self._of_the_ticket
            and not self.acting.awaits(row.id)
        )

    def _pass(self, worker: Process, workflow: Workflow) -> None:
        worker.idle += self.clock.elapsed() >= FAULTS_END
        try:
            report = workflow.reconcile(readers=1)  # the scheduler does not control other threads
            if report.unreadable:  # no later pass could read it, so the run ends
                self.problems.append(f"unreadable: {report.unreadable} of the changes that are due cannot be read")
                self._has_ended = True
        finally:
            worker.passing = False
            self._plan_pass(worker)

    # ---------------------------------------------------------------- the host and its operator

    def _plan_look(self, delay: float) -> None:
        moment = self.clock.elapsed() + delay
        if self._next_look is not None and self._next_look <= max(moment, self.clock.elapsed() + LOOK_AGAIN):
            return
        self._next_look = moment

        def begin() -> None:
            if self._next_look == moment:  # otherwise an earlier look was planned in the meantime
                self._next_look = None
                self._task(0.0, self._desk, self._look)

        self._scheduler.call(delay, begin)

    def _look(self, workflow: Workflow) -> None:
        again: float | None = LOOK_AGAIN  # also after a crash of the process
        try:
            again = self.acting.look(workflow)
        finally:
            if again is not None:
                self._plan_look(again)
