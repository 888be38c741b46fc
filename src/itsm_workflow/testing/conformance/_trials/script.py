"""The writes of a trial: which changes are there before, and what each commit makes of them."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.storage.protocol import Cursor, Order, Query
from itsm_workflow.testing.conformance._model import Model
from itsm_workflow.testing.conformance._rows import NOW, claim, create, follow

if TYPE_CHECKING:
    from collections.abc import Container

    from itsm_workflow.storage.protocol import Row, Write
    from itsm_workflow.testing.conformance._trials.session import Contents, State

    Writes = list[Write]

_LARGE = (1 << 20) + (1 << 16)


@attrs.frozen(slots=False)  # cached_property needs a dictionary
class Script:
    """The commits of a trial. Each change is written by one of them at most, so it has two states.

    Attributes:
        prefix: The start of every id and unique value, so that trials can share a store.
    """

    prefix: str = ""

    @property
    def base(self) -> list[Writes]:
        """The commits that the store holds before the trial."""
        one = self.created("c1", entries=2, open_subject=self.named("s"))
        others = [self.created(f"c{number}") for number in (2, 4, 5, 6)]
        holders = [self.created("c3", open_subject=self.named("r")), self.created("c8", open_subject=self.named("m"))]
        return [[one], [*others, *holders, self.created("c7", submission=1)]]

    @property
    def first(self) -> Writes:
        """The first commit of a trial."""
        made = self.created("n1", entries=2, open_subject=self.named("s1"), ticket_key=self.named("t1"))
        return [follow(self.old("c1"), entries=2, state="pending", form=None), made]

    @property
    def second(self) -> Writes:
        """The second commit, of which one write is without entries, and one releases a unique value."""
        return [
            claim(self.old("c2"), NOW + 60_000_000),
            follow(self.old("c3"), state="approved", open_subject=None),
        ]

    @property
    def third(self) -> Writes:
        """A commit after the fault."""
        return [follow(self.old("c4")), self.created("n2", ticket_key=self.named("t2"))]

    @property
    def large(self) -> Writes:
        """A commit instead of `third`, with more than a MiB."""
        return [
            follow(self.old("c4"), document=f'"{"x" * _LARGE}"'),
            self.created("n2", ticket_key=self.named("t2"), form=f'"{"y" * _LARGE}"'),
        ]

    @property
    def moving(self) -> Writes:
        """A commit in which one change releases a unique value that another one takes; the latter may lose."""
        return [follow(self.old("c8"), open_subject=None), self.created("n4", open_subject=self.named("m"))]

    @property
    def elsewhere(self) -> Writes:
        """A commit of another process after the fault."""
        return [follow(self.old("c5")), self.created("n3", open_subject=self.named("s3"))]

    @property
    def rival(self) -> Writes:
        """A commit of another process for the unique value of `first`: a conflict if that was stored."""
        return [self.created("n8", open_subject=self.named("s1"))]

    @property
    def instead(self) -> Writes:
        """A commit for the unique values of `first` by another change, after `first` has failed and was not stored."""
        return [self.created("n11", open_subject=self.named("s1"), ticket_key=self.named("t1"))]

    @property
    def released(self) -> Writes:
        """A commit that releases the unique values of `instead`."""
        return [follow(self.instead[0].row, open_subject=None, ticket_key=None)]

    @property
    def last(self) -> Writes:
        """A commit after the store was opened again."""
        return [follow(self.old("c6"), entries=2)]

    @property
    def competing(self) -> Writes:
        """A commit that competes with `first` for one change, and makes another one."""
        return [follow(self.old("c1"), state="rejected"), self.created("n9")]

    @property
    def alone(self) -> dict[str, Writes]:
        """By place in a story: commits of one write each that compete with no other."""
        made = self.created("n10", open_subject=self.named("s10"), ticket_key=self.named("t10"))
        return {"claiming": [claim(self.old("c2"), NOW)], "creating": [made]}

    def taken(self, contents: Contents) -> Writes:
        """Return the creations of changes that each have a unique value which one of these changes has."""
        rows = [row for row, _ in contents.states.values() if row is not None]
        values = [(column, getattr(row, column)) for row in rows for column in ("open_subject", "ticket_key")]
        held = [(column, value) for column, value in values if value is not None]
        return [self.created(f"u{number}", **{column: value}) for number, (column, value) in enumerate(held, start=1)]

    def otherwise(self, missing: Container[str]) -> Writes:
        """Return the writes of the first three commits to these changes, but with entries of another actor."""
        writes = [write for write in (*self.first, *self.second, *self.third) if write.row.id in missing]
        return [
            attrs.evolve(write, entries=tuple(attrs.evolve(line, actor="bob") for line in write.entries))
            for write in writes
        ]

    @property
    def late(self) -> Writes:
        """A commit that comes too late if `first` was stored."""
        return self.competing[:1]

    @property
    def workflow(self) -> str:
        """The workflow of all changes of the script."""
        return self.named("collector")

    @property
    def names(self) -> tuple[str, ...]:
        """The ids of all changes of the script."""
        return tuple(
            map(self.named, ("c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8", "n1", "n2", "n3", "n4", "n8", "n9"))
        )

    @property
    def query(self) -> Query:
        """A query that finds every change of the script."""
        return Query(workflow=self.workflow, order=Order.ID)

    @property
    def further(self) -> dict[str, Query]:
        """By place in a story: a query for a page after the first, and one for the newest submission of a subject."""
        return {
            "next page": Query(workflow=self.workflow, after=Cursor(value=None, id=self.named("c2")), limit=3),
            "newest": Query(subject=self.old("c7").subject, order=Order.SUBMISSION, limit=2),
        }

    def short(self, text: str) -> str:
        """Return a text of a report without the prefix."""
        if not self.prefix:
            return text
        return (
            text.replace(f"workflow='{self.workflow}', ", "")
            .replace(f" (workflow='{self.workflow}')", "")
            .replace(self.prefix, "")
        )

    def named(self, name: str) -> str:
        """Return the name with the trial's prefix."""
        return self.prefix + name

    def created(self, name: str, *, entries: int = 1, **columns: object) -> Write:
        """Return the write of a new change."""
        return create(self.named(name), entries=entries, workflow=self.workflow, **columns)

    def old(self, name: str) -> Row:
        """Return the row of a change of the base."""
        return self.model.rows[self.named(name)]

    @cached_property
    def model(self) -> Model:
        """The content of the store before the trial, made once for all trials of the script; copy it to change it."""
        model = Model()
        for writes in self.base:
            for write in writes:
                model.write(write)
        return model

    def before(self, name: str) -> State:
        """Return the state of a change before the trial."""
        model = self.model
        return model.get(name), model.entries.get(name, ())

    def after(self, write: Write) -> State:
        """Return the state of a change after this write."""
        if not write.expected_version:
            return write.row, write.entries
        model = self.model.copy()
        model.write(write)
        return model.get(write.row.id), model.entries.get(write.row.id, ())
