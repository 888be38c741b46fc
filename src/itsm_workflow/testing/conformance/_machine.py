"""A walk at random through the port, each step of which is compared with a plain model.

Hypothesis is imported when the walk begins: it takes a while to load, which a host's test run should not pay for.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from itsm_workflow.storage.protocol import Order, Query
from itsm_workflow.testing.conformance._base import Promises, promise
from itsm_workflow.testing.conformance._model import Model
from itsm_workflow.testing.conformance._rows import claim, create, follow, pages, whole_history

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypothesis.stateful import RuleBasedStateMachine

    from itsm_workflow.storage.protocol import StorageBackend, Write

_NAMES = ("a", "A", "b", "é")


class ModelPromises(Promises):
    """The port as a whole.

    Attributes:
        machine_examples: How many walks. A nightly run of a subclass may ask for thousands.
        machine_steps: How many steps each of them takes.
    """

    machine_examples: ClassVar[int] = 20
    machine_steps: ClassVar[int] = 30

    @promise()
    def test_it_does_what_a_dictionary_would(self, open_backend: Callable[[], StorageBackend]) -> None:
        """Whatever is written in whichever order, and whenever the store is opened anew.

        Port: "Each write succeeds or conflicts independently of the others, in any order the backend likes."
        """
        from hypothesis import HealthCheck, Phase, settings  # noqa: PLC0415  # see the module's docstring
        from hypothesis.stateful import run_state_machine_as_test  # noqa: PLC0415  # the same

        with_settings = settings(
            max_examples=self.machine_examples,
            stateful_step_count=self.machine_steps,
            deadline=None,
            phases=[phase for phase in Phase if phase is not Phase.explain],
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        )
        machine = storage_machine(open_backend, durable="durable" in self.abilities)
        run_state_machine_as_test(machine, settings=with_settings)


def storage_machine(  # noqa: C901  # the rules of one machine
    open_backend: Callable[[], StorageBackend], *, durable: bool
) -> type[RuleBasedStateMachine]:
    """Return a Hypothesis state machine over the store. Each walk has names of its own, so one store does for all."""
    from hypothesis import strategies as st  # noqa: PLC0415  # see the module's docstring
    from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule  # noqa: PLC0415  # the same

    walks = count()
    few = st.sampled_from(("s", "t"))
    columns = st.fixed_dictionaries(
        {
            "state": st.sampled_from(("applying", "pending", "approved")),
            "attention": st.none() | few,
            "subject": few,
            "open_subject": st.none() | few,
            "ticket_key": st.none() | few,
            "ticket_sn": st.none() | few,
            "due_at": st.none() | st.integers(0, 4),
            "updated_at": st.integers(0, 4),
            "form": st.none() | st.sampled_from(('{"title":"一"}', "{ }")),
        }
    )
    plan = st.tuples(
        st.sampled_from(_NAMES),
        st.sampled_from(("create", "follow", "follow", "claim", "stale")),
        st.integers(1, 3),
        columns,
    )
    several = st.none() | st.lists(few, max_size=2).map(tuple)
    queries = st.fixed_dictionaries(
        {
            "ids": st.none() | st.lists(st.sampled_from(_NAMES), max_size=3).map(tuple),
            "states": st.none() | st.just(("applying", "pending")),
            "attention": several,
            "subject": st.none() | few,
            "ticket_sns": several,
            "due_before": st.none() | st.integers(0, 4),
            "updated_before": st.none() | st.integers(0, 4),
            "order": st.sampled_from(Order),
            "limit": st.integers(1, 3),
        }
    )

    class StorageMachine(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.walk = f"{next(walks)}/"
            self.model = Model()
            self.backend = open_backend()

        @rule(plans=st.lists(plan, min_size=1, max_size=3, unique_by=lambda planned: planned[0]))
        def commit(self, plans: list[tuple[str, str, int, dict[str, Any]]]) -> None:
            writes = [self.planned(*planned) for planned in plans]
            self.model = self.model.after(writes, self.backend.commit(writes))

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

        @rule(fields=queries)
        def find(self, fields: dict[str, Any]) -> None:
            ids, subject = fields["ids"], fields["subject"]
            fields = {
                **fields,
                "ids": None if ids is None else tuple(self.walk + name for name in ids),
                "subject": None if subject is None else self.walk + subject,
            }
            query = Query(workflow=self.walk, **fields)
            read = [page.rows for page in pages(self.backend, query)]
            _compare(f"find({query})", [row for page in read for row in page], self.model.find(query))
            _compare("the sizes of the pages", [len(page) for page in read[:-1]], [query.limit] * (len(read) - 1))

        @rule(name=st.sampled_from(_NAMES), limit=st.integers(1, 3))
        def history(self, name: str, limit: int) -> None:
            read = whole_history(self.backend, self.walk + name, limit=limit)
            _compare("history", tuple(read), self.model.entries.get(self.walk + name, ()))

        @precondition(lambda _: durable)
        @rule()
        def reopen(self) -> None:
            self.backend.close()
            self.backend = open_backend()

        @invariant()
        def rows_are_equal(self) -> None:
            for name in _NAMES:
                _compare("get", self.backend.get(self.walk + name), self.model.rows.get(self.walk + name))

        def teardown(self) -> None:
            self.backend.close()

    return StorageMachine


def _compare(what: str, actual: object, expected: object) -> None:
    # Not an assert statement: pytest would explain each of the hundreds of failures of which Hypothesis shows the last.
    if actual != expected:
        raise AssertionError(f"{what} gave\n  {actual}\nbut after what was committed it is\n  {expected}")
