"""A random walk through the port; each step is compared with a plain model.

Hypothesis is imported when the walk begins, since it loads slowly and the rest of the kit works without it.
"""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial, wraps
from itertools import count
from typing import TYPE_CHECKING, Any
from unittest import mock

import attrs

from itsm_workflow.errors import StorageUnavailable
from itsm_workflow.storage.protocol import Order, Query
from itsm_workflow.testing.conformance._base import NotRun, Promises, promise
from itsm_workflow.testing.conformance._model import Model
from itsm_workflow.testing.conformance._partner import Partner
from itsm_workflow.testing.conformance._processes import Other, write_and_die
from itsm_workflow.testing.conformance._rows import claim, create, follow, pages, whole_history
from itsm_workflow.testing.conformance._threads import at_once
from itsm_workflow.testing.conformance._wording import difference, word

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypothesis import strategies
    from hypothesis.stateful import RuleBasedStateMachine

    from itsm_workflow.storage.protocol import Conflict, Write
    from itsm_workflow.testing.conformance._recording import Call, RecordedOpener, Recording

    Answer = list[Conflict | None] | None
    Plan = tuple[str, str, int, dict[str, Any]]

_NAMES = ("a", "A", "b", "é", "🚒")
_CONDITIONS = frozenset(
    {"ids", "states", "attention", "subject", "open_subject", "ticket_sns", "due_before", "updated_before"}
)
_LAST_LINE = 120
_SHRINKING = 10


class ModelPromises(Promises):
    """The port as a whole."""

    @promise()
    def test_it_behaves_like_a_dictionary(self, open_backend: RecordedOpener) -> None:
        """Writes in any order from threads and processes, reopened stores and crashed writers match the model.

        Port: "Each write succeeds or conflicts independently of the others, in any order the backend likes."
        """
        try:
            from hypothesis import HealthCheck, Phase, settings  # noqa: PLC0415  # see the module's docstring
            from hypothesis.errors import Flaky  # noqa: PLC0415  # the same
            from hypothesis.stateful import run_state_machine_as_test  # noqa: PLC0415  # the same
        except ModuleNotFoundError as error:
            if error.name != "hypothesis":
                raise
            raise NotRun("the walk needs Hypothesis: pip install 'itsm-workflow[testing]'") from None
        with_settings = settings(
            max_examples=self.profile.walks,
            stateful_step_count=self.profile.steps,
            deadline=None,
            database=None,
            derandomize=False,
            report_multiple_bugs=False,
            phases=[phase for phase in Phase if phase is not Phase.explain],
            suppress_health_check=list(HealthCheck),
        )
        partner = Partner(open_backend) if "multi_process" in self.abilities else None
        failures = Failures(open_backend.recording)
        try:
            machine = storage_machine(
                open_backend, durable="durable" in self.abilities, partner=partner, failures=failures
            )
            with _shrinking_soon():
                run_state_machine_as_test(machine, settings=with_settings)
        except Flaky as error:
            # A race that fails in one run and not in the next: report what the backend did wrong, not that.
            raise failures.shortest() or error from None
        finally:
            if partner is not None:
                partner.close()


def _shrinking_soon() -> ExitStack:
    """Limit Hypothesis to seconds, not minutes, of shrinking a failure; a failing race does not shrink reliably."""
    from hypothesis.internal.conjecture import engine  # noqa: PLC0415  # see the module's docstring
    from hypothesis.reporting import reporter, with_reporter  # noqa: PLC0415  # the same

    outer = reporter.value

    def filtered(text: object) -> None:
        # Hypothesis' notes on an early end mention five minutes and a seed, and would appear in a JSON report.
        if "working to shrink" not in str(text) and "too long to shrink" not in str(text):
            outer(text)

    both = ExitStack()
    if hasattr(engine, "MAX_SHRINKING_SECONDS"):  # not a documented part of Hypothesis
        both.enter_context(mock.patch.object(engine, "MAX_SHRINKING_SECONDS", _SHRINKING))
        both.enter_context(with_reporter(filtered))
    return both


class Failures:
    """The failures of all walks, since a race that failed once may not fail again."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._kept: tuple[Exception, list[Call]] | None = None

    def watching(self, step: Callable[..., None]) -> Callable[..., None]:
        """Return the same step of a walk, which records its failure if no failure with fewer calls is known."""

        @wraps(step)
        def watched(machine: object, **drawn: object) -> None:
            try:
                step(machine, **drawn)
            except Exception as error:
                calls = list(self._recording.calls)
                if self._kept is None or len(calls) < len(self._kept[1]):
                    self._kept = error, calls
                raise

        return watched

    def shortest(self) -> Exception | None:
        """Return the failure with the fewest calls, after putting its calls into the recording."""
        if self._kept is None:
            return None
        error, self._recording.calls[:] = self._kept
        return error


def storage_machine(  # noqa: C901  # the rules of one machine
    open_backend: RecordedOpener, *, durable: bool, partner: Partner | None, failures: Failures
) -> type[RuleBasedStateMachine]:
    """Return a Hypothesis state machine over the store. Each walk has its own names, so all walks can share one store.

    Args:
        open_backend: Opens the store.
        durable: Whether the store outlives the backend object.
        partner: Another process that commits the writes it receives, if processes can share the store.
        failures: Records the failure of each step.
    """
    from hypothesis import strategies as st  # noqa: PLC0415  # see the module's docstring
    from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule  # noqa: PLC0415  # the same

    walks = count()
    recording = open_backend.recording
    few = st.sampled_from(("s", "t"))
    columns = st.fixed_dictionaries(
        {
            "state": st.sampled_from(("applying", "pending", "approved")),
            "attention": st.none() | few,
            "subject": few,
            "open_subject": st.none() | few,
            "ticket_key": st.none() | few,
            "ticket_sn": st.none() | few,
            "submission": st.none() | st.integers(1, 4),
            "due_at": st.none() | st.integers(0, 4),
            "updated_at": st.integers(0, 4),
            "form": st.none() | st.sampled_from(('{"title":"一"}', "{ }")),
        }
    )

    def plans(*kinds: str, most: int) -> strategies.SearchStrategy[list[Plan]]:
        plan = st.tuples(st.sampled_from(_NAMES), st.sampled_from(kinds), st.integers(1, 3), columns)
        return st.lists(plan, min_size=1, max_size=most, unique_by=lambda planned: planned[0])

    some = plans("create", "follow", "follow", "claim", "stale", most=3)
    racing = plans("create", "follow", "claim", most=2)
    several = st.none() | st.lists(few, max_size=2).map(tuple)
    queries = st.fixed_dictionaries(
        {
            "ids": st.none() | st.lists(st.sampled_from(_NAMES), max_size=3).map(tuple),
            "states": st.none() | st.just(("applying", "pending")),
            "attention": several,
            "subject": st.none() | few,
            "open_subject": st.none() | few,
            "ticket_sns": several,
            "due_before": st.none() | st.integers(0, 4),
            "updated_before": st.none() | st.integers(0, 4),
            "order": st.sampled_from(Order),
            "limit": st.integers(1, 3),
        }
    )
    # With all conditions together, hardly any row would match.
    some_conditions = st.sets(st.sampled_from(sorted(_CONDITIONS)), max_size=3)

    class StorageMachine(RuleBasedStateMachine):
        @failures.watching
        def __init__(self) -> None:
            super().__init__()
            recording.calls.clear()  # a failure shows the last walk, which is the shortest failing one
            self.walk = f"{next(walks)}/"
            self.model = Model()
            self.backend = open_backend()

        @rule(plans=some)
        @failures.watching
        def commit(self, plans: list[Plan]) -> None:
            writes = [self.planned(*planned) for planned in plans]
            self.model = self.model.after(writes, self.backend.commit(writes))

        @rule(one=racing, other=racing)
        @failures.watching
        def two_threads(self, one: list[Plan], other: list[Plan]) -> None:
            both = [self.planned_at_once(one), self.planned_at_once(other)]
            answers = at_once([partial(_attempt, partial(self.backend.commit, writes)) for writes in both])
            self.model = self.after_race(both, answers)

        @precondition(lambda _: partner is not None)
        @rule(here=racing, there=racing, together=st.booleans())
        @failures.watching
        def two_processes(self, here: list[Plan], there: list[Plan], together: bool) -> None:  # noqa: FBT001
            assert partner is not None
            ours = self.planned_at_once(here) if together else []
            theirs = self.planned_at_once(there)
            partner.begin(theirs)
            # Without writes, do not even call commit: the next read must see the other's commit without one of its own.
            answer = _attempt(partial(self.backend.commit, ours)) if ours else []
            their_answer = _attempt(partner.answer) if ours else partner.answer()
            self.model = self.after_race([ours, theirs], [answer, their_answer])

        @precondition(lambda _: durable and partner is not None)
        @rule(batches=st.lists(racing, min_size=1, max_size=3), line=st.integers(0, _LAST_LINE))
        @failures.watching
        def a_process_dies(self, batches: list[list[Plan]], line: int) -> None:
            commits = [self.planned_at_once(batch) for batch in batches]
            other = Other(write_and_die, open_backend, commits, line)
            try:
                answers = other.remaining_reports()
            finally:
                other.close()
            for writes, answer in zip(commits, answers, strict=False):
                self.model = self.model.after(writes, answer)
            unseen = commits[len(answers)] if len(answers) < len(commits) else []
            end = f"crashed in commit({word(unseen)})" if unseen else "crashed"
            recording.add("elsewhere", (f"{word(commits[: len(answers)])} -> {word(answers)}, and {end}",))
            self.model = self.after_death(unseen)

        def after_race(self, commits: list[list[Write]], answers: list[Answer]) -> Model:
            pairs = list(zip(commits, answers, strict=True))
            known = [write for writes, answer in pairs if answer is not None for write in writes]
            given = [conflict for answer in answers if answer is not None for conflict in answer]
            unknown = [write for writes, answer in pairs if answer is None for write in writes]
            if not unknown:
                return self.model.after(known, given)
            for model in self.model.after_some(known, given, unknown):
                if self.is_stored(model):
                    return model
            raise AssertionError(
                f"a commit of {word(unknown)} raised StorageUnavailable in a race with {word(known)}, answered "
                f"{word(given)}; the store does not hold what it held before, with the latter and some of the former"
            )

        def is_stored(self, model: Model) -> bool:
            names = self.names()
            return all(self.backend.get(name) == model.get(name) for name in names) and all(
                tuple(whole_history(self.backend, name)) == model.entries.get(name, ()) for name in names
            )

        def after_death(self, unseen: list[Write]) -> Model:
            for model in self.model.after_any(unseen):
                if self.is_stored(model):
                    return model
            if not unseen:
                raise AssertionError("another process crashed after its last commit, and this one reads an older state")
            raise AssertionError(
                f"a process crashed while it committed {word(unseen)}; the store holds neither what it held before "
                "nor that with some of these writes"
            )

        def names(self) -> list[str]:
            return [self.walk + name for name in _NAMES]

        def planned(self, name: str, kind: str, entries: int, values: dict[str, Any]) -> Write:
            own = {"open_subject", "ticket_key", "subject"}
            values = {key: self.walk + value if key in own and value else value for key, value in values.items()}
            fresh = create(
                self.walk + name, workflow=self.walk, entries=entries, **{**values, "form": values["form"] or "{}"}
            )
            row = self.model.rows.get(fresh.row.id, fresh.row)
            if kind == "create":
                return fresh
            if kind == "claim":
                return claim(row, values["due_at"])
            if kind == "stale":
                row = attrs.evolve(row, version=row.version + 1)
            return follow(row, entries=entries, **values)

        def planned_at_once(self, plans: list[Plan]) -> list[Write]:
            """Return writes that are valid in any order: none follows a change that is created at the same time."""
            known = self.model.rows
            return [
                self.planned(name, kind if self.walk + name in known else "create", entries, values)
                for name, kind, entries, values in plans
            ]

        @rule(fields=queries, kept=some_conditions)
        @failures.watching
        def find(self, fields: dict[str, Any], kept: set[str]) -> None:
            fields |= dict.fromkeys(_CONDITIONS - kept)
            ids = fields["ids"]
            own = {
                name: None if fields[name] is None else self.walk + fields[name] for name in ("subject", "open_subject")
            }
            fields = {**fields, **own, "ids": None if ids is None else tuple(self.walk + name for name in ids)}
            query = Query(workflow=self.walk, **fields)
            read = [page.rows for page in pages(self.backend, query)]
            _compare(f"find({word(query)})", [row for page in read for row in page], self.model.find(query))
            _compare("the sizes of the pages", [len(page) for page in read[:-1]], [query.limit] * (len(read) - 1))

        @rule(name=st.sampled_from(_NAMES), limit=st.integers(1, 3))
        @failures.watching
        def history(self, name: str, limit: int) -> None:
            read = whole_history(self.backend, self.walk + name, limit=limit)
            _compare(f"history({name!r})", read, list(self.model.entries.get(self.walk + name, ())))

        @precondition(lambda _: durable)
        @rule()
        @failures.watching
        def reopen(self) -> None:
            self.backend.close()
            self.backend = open_backend()

        @invariant()
        @failures.watching
        def rows_are_equal(self) -> None:
            for name in self.names():
                _compare(f"get({name!r})", self.backend.get(name), self.model.get(name))

        @failures.watching
        def teardown(self) -> None:
            self.backend.close()

    return StorageMachine


def _attempt(commit: Callable[[], list[Conflict | None]]) -> Answer:
    """Return the answer of a commit in a race; None if it raised StorageUnavailable, and may have been stored."""
    try:
        return commit()
    except StorageUnavailable:
        return None


def _compare(what: str, actual: object, expected: object) -> None:
    # Not an assert statement: pytest would explain each of hundreds of failures, and Hypothesis shows only the last.
    if actual != expected:
        raise AssertionError(f"{what}: {difference(actual, expected)}")
