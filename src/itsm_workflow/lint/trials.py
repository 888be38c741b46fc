"""Trials of a definition: from a draft, fire each trigger with sampled evidence and check each guard and update."""

from __future__ import annotations

import datetime as dt
from collections import Counter, deque
from itertools import product
from typing import TYPE_CHECKING, Any

import attrs

from itsm_workflow.change import ChangeRequest, Form
from itsm_workflow.errors import DefinitionError, TransitionRefused
from itsm_workflow.failures import failures_in_a_test
from itsm_workflow.lint.asked_again import AskedAgain
from itsm_workflow.lint.dropped import DroppedData
from itsm_workflow.lint.findings import doubt, error, few
from itsm_workflow.lint.meaning import Meaning
from itsm_workflow.lint.repeats import repeat_findings
from itsm_workflow.lint.samples import constants_of
from itsm_workflow.lint.sampling import Sampler, WatchedFacts
from itsm_workflow.lint.shape import lead
from itsm_workflow.lint.sorts import Sorts, features
from itsm_workflow.lint.time_budget import TimeBudget
from itsm_workflow.lint.wording import error_text, name_of, shown
from itsm_workflow.machine.approval import Trigger
from itsm_workflow.machine.definition import FactMissingError
from itsm_workflow.machine.engine import fire, open_change
from itsm_workflow.machine.evidence import Drafted
from itsm_workflow.machine.host_results import IDENTITY
from itsm_workflow.policy import Policy
from itsm_workflow.storage.codec import Codec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from itsm_workflow.change import Entry
    from itsm_workflow.lint.findings import LintFinding
    from itsm_workflow.lint.work import Work
    from itsm_workflow.machine.definition import Facts, Transition, WorkflowDefinition

BEGIN = dt.datetime(2026, 3, 2, 8, 0, tzinfo=dt.UTC)
POLICY = Policy(lookups=(dt.timedelta(),), effect_attempts=2)
"""Short schedules, so that the trials soon pass their end."""

_ACTOR, _OTHER_ACTOR = "alice", "carol"
_EFFECT = "sampled"
_PAUSES = (dt.timedelta(seconds=1), dt.timedelta(days=1))  # within and beyond every lease and quiet time
_LATE = (dt.timedelta(days=30), dt.timedelta(days=400))  # for a row that needs a change older than that
_HOURS = tuple(dt.timedelta(days=days, hours=hours) for days in (0, 5) for hours in (5, 10, 14, 18))
"""For a row that passes at some hours, or at the weekend: the first change is made on a Monday at 8 o'clock."""
_OFTEN = 1000  # submissions
_FIRED = 5
_REPEATED = 200
_ASIDE = 400
_NAMED = 5


@attrs.frozen(kw_only=True, eq=False)
class Situation:
    """A change as a sequence of triggers made it."""

    change: ChangeRequest
    seq: int
    now: dt.datetime
    was_cleared: bool = False
    """Whether a person has cleared its attention."""


def submitted_often(situation: Situation) -> Situation:
    """Return the situation of a change that was submitted again and again."""
    return attrs.evolve(situation, change=attrs.evolve(situation.change, round=_OFTEN))


class Trials:
    """Try out a definition, breadth first, until no new sort of change appears.

    Args:
        definition: The definition.
        work: The checks of its effects.
        given: Evidence to try in every situation, before what is sampled.
        budget: The longest time; unlimited by default.

    Attributes:
        situations: The sorts of changes that were met, by state.
        tried: The number of calls of guards.
    """

    def __init__(
        self,
        definition: WorkflowDefinition,
        work: Work,
        given: Sequence[object] = (),
        *,
        budget: TimeBudget | None = None,
    ) -> None:
        self._work = work
        self._budget = budget or TimeBudget()
        self._sampler = Sampler(given)
        self._meaning = Meaning(definition)
        self.situations: dict[str, list[Situation]] = {state.value: [] for state in definition.states}
        self.tried = 0
        self._definition = definition
        self._codec = Codec({**definition.evidence_types, Drafted.__name__: Drafted})
        self._effects = {state.value: (_EFFECT,) for state in definition.states}
        self._constants = {row.trigger.value: constants_of(definition, row.trigger) for row in definition.transitions}
        self._passed: Counter[tuple[str, int]] = Counter()
        self._asked = AskedAgain()
        self._dropped = DroppedData()
        self._sorts = Sorts()
        self._found: dict[LintFinding, None] = {}
        self._waiting: deque[Situation] = deque()
        self._aside: dict[str, dict[object, Situation]] = {state.value: {} for state in definition.states}

    def run(self) -> None:
        """Fire every trigger in every sort of change."""
        change, entry = open_change(
            self._definition,
            change_id="01HY2V8Q0000000000000000AB",
            subject="subject-1",
            form=Form(title="a title", applicant=_ACTOR, approvers=("bob",)),
            now=BEGIN,
            actor=_ACTOR,
        )
        self._keep_if_new(Situation(change=change, seq=1, now=BEGIN), entry)
        self._drain()
        for state, number, row in self._never_passed():
            for situation in list(self._aside[state].values()):
                if not self._passed[state, number]:
                    self._try(situation, row.trigger.value)
                    self._drain()
        self._try_again(actor=_OTHER_ACTOR)  # some guards require a person other than the applicant
        self._try_again(pauses=_LATE)  # a timer of the host may be slower than a day
        self._try_again(pauses=_HOURS)  # a guard may wait for the night
        for name in self._names_of_actors():
            self._try_again(actor=name)
        self._try_again(submitted_often)
        for finding in self._asked.findings(self._asked_for):
            if not self._is_noted("guard", finding.state, finding.trigger):
                self._note(finding)

    def _try_again(self, made: Callable[[Situation], Situation] = lambda one: one, **options: Any) -> None:
        """Fire the triggers of the rows that no sample has passed yet, under other circumstances."""
        for state, number, row in list(self._never_passed()):
            for situation in self.situations[state]:
                if not self._passed[state, number]:
                    self._try(made(situation), row.trigger.value, **options)
                    self._drain()

    def _names_of_actors(self) -> Iterator[str]:
        """Yield the texts with which the guards that no sample has passed compare, which may be names of persons."""
        rows = dict.fromkeys(row.trigger.value for _, _, row in self._never_passed())
        texts = dict.fromkeys(text for one in rows for text in self._constants[one] if isinstance(text, str))
        yield from [text for text in texts if text and " " not in text][:_NAMED]

    def findings(self) -> Iterator[LintFinding]:
        """Yield the findings."""
        yield from (*self._found, *self._dropped.findings())
        for state, met in self.situations.items():
            if not met:
                rows = [row for row in self._definition.transitions if row.dest is not None and row.dest.value == state]
                ways = dict.fromkeys(f"{row.trigger.value} in {source.value}" for row in rows for source in row.sources)
                yield doubt("reached", f"no sample leads to state {state}: none passes {few(list(ways))}", state=state)
        for state, _, row in self._never_passed():
            trigger = row.trigger.value
            message = (
                f"no sample passes guard {name_of(row.guard)}, so {trigger} never leads from {state} to {lead(row)}; "
                "if some evidence passes it, give it among the samples"
            )
            yield doubt("passed", message, state=state, trigger=trigger)

    def passes(self, situation: Situation, row: Transition) -> bool:
        """Return whether a sample passes a row, at some time and for some person."""
        trigger, data = row.trigger.value, situation.change.data.values()
        constants = (*self._constants[trigger], *(one for one in data if isinstance(one, int | float | str)))
        made = (self._sampler.evidence(kind, situation.change, situation.now, constants) for kind in row.evidence_types)
        sampled = [one for each, _ in made for one in each]
        return any(
            self._passes(row, self._facts(situation, evidence, situation.now + pause, actor))
            for actor, pause, evidence in product((_ACTOR, _OTHER_ACTOR), (*_PAUSES, *_LATE, *_HOURS), sampled)
        )

    def _drain(self) -> None:
        while self._waiting:
            situation = self._waiting.popleft()
            for trigger in self._definition.triggers(situation.change.state):
                self._try(situation, trigger)

    def _never_passed(self) -> Iterator[tuple[str, int, Transition]]:
        """Yield the rows that no sample has passed yet, with each state that was met and has the row."""
        for state, met in self.situations.items():
            for number, row in enumerate(self._definition.transitions):
                if met and state in row.sources and not self._passed[state, number]:
                    yield state, number, row

    # ---------------------------------------------------------------- one trigger in one situation

    def _try(
        self, situation: Situation, trigger: str, *, actor: str = _ACTOR, pauses: Sequence[dt.timedelta] = _PAUSES
    ) -> None:
        rows = [
            (number, row)
            for number, row in enumerate(self._definition.transitions)
            if row.trigger == trigger and situation.change.state in row.sources
        ]
        kinds = dict.fromkeys(kind for _, row in rows for kind in row.evidence_types)
        sampled = list(self._evidence(kinds, situation, trigger))
        timeless: dict[int, list[tuple[int, Transition]]] = {}  # by sample, the rows that it passes at any time
        for pause in pauses:
            now, fired = situation.now + pause, Counter[int]()
            for place, evidence in enumerate(sampled):
                if timeless.get(place) == []:
                    continue
                facts = self._facts(situation, evidence, now, actor)
                passing = timeless.get(place) or [(number, row) for number, row in rows if self._passes(row, facts)]
                if not facts.time_was_read:
                    timeless[place] = passing
                if len(passing) > 1:
                    self._note_overlap([row for _, row in passing], facts)
                if passing:
                    number, row = passing[0]
                    self._note_all(self._meaning.of_passing(row, facts))
                    passed = self._passed[situation.change.state, number]
                    if passed < _REPEATED:
                        known = self._is_noted("growth", situation.change.state, trigger)
                        self._note_all(*repeat_findings(self._work, row, facts, thorough=not passed, known=known))
                    self._passed[situation.change.state, number] += 1
                    fired[number] += 1
                    if fired[number] <= _FIRED:
                        self._fire(situation, row, facts)

    def _facts(self, situation: Situation, evidence: object, now: dt.datetime, actor: str) -> WatchedFacts:
        return WatchedFacts(
            change=situation.change,
            evidence=evidence,
            now=now,
            policy=POLICY,
            approval=self._definition.approval,
            seq=situation.seq + 1,
            actor=actor,
        )

    def _evidence(self, kinds: Iterable[type], situation: Situation, trigger: str) -> Iterator[Any]:
        for kind in kinds:
            made, problem = self._sampler.evidence(kind, situation.change, situation.now, self._constants[trigger])
            if problem:
                self._note(doubt("sampled", f"no {kind.__name__} can be sampled: {problem}", trigger=trigger))
            yield from made

    def _passes(self, row: Transition, facts: Facts) -> bool:
        if not isinstance(facts.evidence, row.evidence_types):
            return False
        answer = self._asked_for(row, facts)
        self._asked.keep(row, facts, passes=answer is None)
        if answer is None:
            return True
        if not isinstance(answer, str) or not answer:
            message = f"guard {name_of(row.guard)} returns {answer!r}; it must return None, or the reason why not"
            self._note(self._error("guard", message, row, facts))
        return False

    def _asked_for(self, row: Transition, facts: Facts) -> object:
        self.tried += 1
        self._budget.at(f"guard {name_of(row.guard)} of {row.trigger.value} in {facts.change.state}")
        return self._answer(row, facts)

    def _answer(self, row: Transition, facts: Facts) -> object:
        try:
            return row.guard(facts)
        except FactMissingError as missing:
            return str(missing)
        except failures_in_a_test() as raised:  # a host's guard may fail in any way
            message = f"guard {name_of(row.guard)} raises {error_text(raised)} for {shown(facts.evidence)}"
            self._note(self._error("guard", message, row, facts))
            return "it raises"

    def _note_overlap(self, rows: list[Transition], facts: Facts) -> None:
        one, other = rows[:2]
        message = (
            f"two rows pass together, to {lead(one)} by {name_of(one.guard)} and to {lead(other)} by "
            f"{name_of(other.guard)}, for example with {shown(facts.evidence)}"
        )
        self._note(self._error("overlap", message, one, facts))

    def _note_unsteady(self, row: Transition, facts: Facts) -> None:
        message = (
            f"guard {name_of(row.guard)} returns different values for the same facts; it must depend on them alone"
        )
        self._note(self._error("guard", message, row, facts))

    # ---------------------------------------------------------------- the result of a trigger

    def _fire(self, situation: Situation, row: Transition, facts: Facts) -> None:
        if self._answer(row, facts) is not None:
            self._note_unsteady(row, facts)
            return
        if not self._updates(row, facts):
            return
        try:
            changed, entry = fire(
                self._definition,
                facts.change,
                row.trigger.value,
                facts.evidence,
                now=facts.now,
                policy=POLICY,
                seq=facts.seq,
                actor=facts.actor,
                effects=self._effects,
            )
        except TransitionRefused:
            self._note_unsteady(row, facts)
            return
        except DefinitionError as wrong:
            self._note(self._error("update", str(wrong), row, facts))
            return
        self._note_all(self._meaning.of_change(row, facts.change, changed))
        self._dropped.note(row, facts, changed)
        if entry is not None:
            was_cleared = situation.was_cleared or row.trigger is Trigger.CLEAR_ATTENTION
            made = Situation(change=changed, seq=situation.seq + 1, now=facts.now, was_cleared=was_cleared)
            self._keep_if_new(made, entry, row)

    def _updates(self, row: Transition, facts: Facts) -> bool:
        """Return whether the row's update obeys the rules, and note the finding if it does not."""
        name = name_of(row.update)
        self._budget.at(f"update {name} of {row.trigger.value} in {facts.change.state}")
        try:
            one, other = _result_of(row.update, facts), row.update(facts)
        except failures_in_a_test() as raised:  # a host's update may fail in any way
            message = f"update {name} raises {error_text(raised)} for {shown(facts.evidence)}"
            self._note(self._error("update", message, row, facts))
            return False
        if not isinstance(one, ChangeRequest):
            message = f"update {name} returns {shown(one)}; it must return a change"
            self._note(self._error("update", message, row, facts))
            return False
        if one != other:
            message = f"update {name} returns different changes for the same facts; it must depend on them alone"
            self._note(self._error("update", message, row, facts))
            return False
        touched = [field for field in IDENTITY if getattr(one, field) != getattr(facts.change, field)]
        if touched:
            message = f"update {name} sets {', '.join(touched)}, which an update must not set"
            self._note(self._error("update", message, row, facts))
        return not touched

    def _keep_if_new(self, situation: Situation, entry: Entry, row: Transition | None = None) -> None:
        """Keep a situation whose change is of a new sort."""
        state, found = situation.change.state, features(situation.change)
        if not self._sorts.takes(state, found, len(self.situations[state])):
            if len(self._aside[state]) < _ASIDE:
                self._aside[state].setdefault(found, situation)
            return
        if self._can_be_stored(situation, entry, row):
            self.situations[state].append(situation)
            self._waiting.append(situation)

    def _can_be_stored(self, situation: Situation, entry: Entry, row: Transition | None) -> bool:
        change = situation.change
        try:
            write, _ = self._codec.write(None, change, (entry,), None, open_subject=None)
            read = self._codec.read(write.row).change
            kept = self._codec.entries(write.entries)[0].evidence
        except failures_in_a_test() as raised:  # a value that cannot be stored may fail in any way
            problem = error_text(raised)
        else:
            if read == change and kept == entry.evidence:
                return True
            problem = "it is not equal when it is read back"
        name = name_of(row.update) if row else "drafting"
        message = f"the change that {name} makes of {shown(entry.evidence)} cannot be stored: {problem}"
        self._note(error("update", message, state=entry.source, trigger=entry.trigger))
        return False

    @staticmethod
    def _error(check: str, message: str, row: Transition, facts: Facts) -> LintFinding:
        return error(check, message, state=facts.change.state, trigger=row.trigger.value)

    def _note_all(self, *findings: LintFinding | None) -> None:
        for finding in findings:
            if finding is not None:
                self._note(finding)

    def _note(self, finding: LintFinding) -> None:
        """Keep a finding, unless its check already has one for that state and trigger."""
        if not self._is_noted(finding.check, finding.state, finding.trigger):
            self._found[finding] = None

    def _is_noted(self, check: str, state: str, trigger: str) -> bool:
        return any((check, state, trigger) == (one.check, one.state, one.trigger) for one in self._found)


def _result_of(function: Callable[[Facts], object], facts: Facts) -> object:
    """Return the result of a host's function, whatever its type."""
    return function(facts)
