"""Changes in a store: load a change, fire triggers on it, commit it. No other module commits a change."""

from __future__ import annotations

import functools
from itertools import chain
from typing import TYPE_CHECKING, Any

import attrs

from itsm_workflow.change import Moment
from itsm_workflow.errors import (
    AlreadyApplied,
    ChangeNotFound,
    DefinitionError,
    StorageConflict,
    StorageCorrupt,
    StorageUnavailable,
)
from itsm_workflow.exports import lazy_module
from itsm_workflow.machine.clock_skew import repair_future_times
from itsm_workflow.machine.due import next_due, serves
from itsm_workflow.machine.engine import fire, open_change
from itsm_workflow.machine.evidence import Drafted
from itsm_workflow.readonly import ReadOnlyDict
from itsm_workflow.runtime.numbering import numbered
from itsm_workflow.runtime.other_version import other_version_error
from itsm_workflow.runtime.reasons import pages_of
from itsm_workflow.runtime.wakeups import wake_for
from itsm_workflow.storage import paging
from itsm_workflow.storage.protocol import ConflictKind, Order, Query
from itsm_workflow.text import describe

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Mapping, Sequence

    from itsm_workflow.change import ChangeRequest, Entry, Form
    from itsm_workflow.clock import Clock
    from itsm_workflow.machine.definition import WorkflowDefinition
    from itsm_workflow.policy import Policy
    from itsm_workflow.runtime.observers import Observers
    from itsm_workflow.settle import Step
    from itsm_workflow.storage import codec, documents
    from itsm_workflow.storage.codec import Stored
    from itsm_workflow.storage.protocol import Conflict, Row, StorageBackend, Write
else:
    # They load cattrs and msgspec, which a process needs only once it opens a workflow.
    codec, documents = lazy_module("itsm_workflow.storage.codec"), lazy_module("itsm_workflow.storage.documents")

GATEWAY = "gateway"
"""The actor of entries that the gateway's answers decide."""

WORKER = "worker"
"""The actor of entries that the library writes by itself."""

_PAGE = 500


@attrs.frozen(kw_only=True)
class Prepared:
    """A write that is prepared and not committed yet.

    Attributes:
        write: The write for the store.
        before: The change as it was read; None for a new change.
        stored: The change as it will be stored.
        entries: The new entries of the history.
        looked: Whether the gateway was asked for this write.
    """

    write: Write
    before: Stored | None
    stored: Stored
    entries: tuple[Entry, ...]
    looked: bool

    @property
    def is_news(self) -> bool:
        """Whether the write changes anything: it has an entry, or after a look a new time for the next look."""
        return bool(self.entries) or (
            self.looked and self.before is not None and self.before.due_at != self.stored.due_at
        )


@attrs.define(kw_only=True)
class Page:
    """A page of changes.

    Attributes:
        changes: The changes that could be read.
        unreadable: The rows of the other changes, each with its error.
    """

    changes: list[Stored] = attrs.field(factory=list)
    unreadable: list[tuple[Row, Exception]] = attrs.field(factory=list)


class Journal:
    """The changes of one workflow in one store.

    Args:
        storage: The store.
        definition: The workflow.
        policy: The timings in force.
        clock: Source of the current time.
        effects: By state, the names of the workflow's effects.
        aliases: By name, the effect's earlier names.
        observers: Notified after each commit.
    """

    def __init__(
        self,
        *,
        storage: StorageBackend,
        definition: WorkflowDefinition,
        policy: Policy,
        clock: Clock,
        effects: Mapping[str, tuple[str, ...]],
        aliases: Mapping[str, tuple[str, ...]] = ReadOnlyDict(),
        observers: Observers,
    ) -> None:
        self.storage = storage
        self.definition = definition
        self.policy = policy
        self.clock = clock
        self.effects = effects
        self.aliases = aliases
        self._observers = observers
        self._states = frozenset(definition.states)
        self._codec = codec.Codec({**definition.evidence_types, Drafted.__name__: Drafted})

    def load(self, change_id: str) -> Stored:
        """Return a change by its id.

        Raises:
            ChangeNotFound: The workflow has no change with this id.
            StorageCorrupt: The change is damaged.
            StorageSchemaError: A newer version of the library or of the workflow wrote the change.
        """
        return self.read(self.row(change_id))

    def pages(self, query: Query) -> Iterator[list[Stored]]:
        """Yield the changes that match, in pages of the query's limit; observers are notified of unreadable ones."""
        return (page.changes for page in self.read_pages(query))

    def read_pages(self, query: Query) -> Iterator[Page]:
        """Yield the pages of matching changes; observers are notified of each change that cannot be read.

        It is damaged, a newer version wrote it, or a due rule of the host failed on it.
        """
        return map(self.read_rows, pages_of(self.storage, query, self.read))

    def read_rows(self, rows: Sequence[Row]) -> Page:
        """Return the changes in rows as a page; observers are notified of each change that cannot be read."""
        page = Page()
        for row in rows:
            try:
                page.changes.append(self.read(row))
            except StorageUnavailable:
                raise  # it concerns all changes
            except Exception as error:  # noqa: BLE001 - a host's due rule may raise anything
                page.unreadable.append((row, error))
                self._observers.on_trouble(row.id, error, doing="the change cannot be read")
        return page

    def rows(self, query: Query) -> Iterator[Row]:
        """Yield the rows that match, page by page, without decoding them, so damaged rows are included."""
        return chain.from_iterable(pages_of(self.storage, query, self.read))

    def highest_submission(self, subject: str, *, besides: str | None = None) -> int:
        """Return the highest submission number of a subject, or 0.

        Args:
            subject: The subject.
            besides: The id of a change to leave out.

        Raises:
            StorageCorrupt: The number is too high to have a successor, so this library did not write it.
        """
        query = Query(workflow=self.definition.name, subject=subject, order=Order.SUBMISSION, limit=2)
        newest = next((row for row in self.rows(query) if row.id != besides), None)
        highest = (newest and newest.submission) or 0
        if newest is not None and highest > codec.LAST:
            message = f"change {newest.id} is not stored as this version wrote it: submission {highest} is too high"
            raise StorageCorrupt(message, change_id=newest.id)
        return highest

    def held(self, subject: str) -> str:
        """Return the unique key that the open change of a subject holds in the store."""
        return f"{self.definition.name}:{subject}"

    def find(self, query: Query) -> Iterator[Stored]:
        """Yield all changes that match, page by page.

        Raises:
            StorageCorrupt: One of the changes is damaged.
            StorageSchemaError: A newer version of the library or of the workflow wrote one of the changes.
        """
        return map(self.read, self.rows(query))

    def life(self, change_id: str) -> dict[str, Any]:
        """Return what a picture of a change needs: its history, its attention, both of one time, and the policy."""
        stored = self.load(change_id)
        path = tuple(self.history(change_id, stored)[: stored.seq])
        return {"path": path, "attention": stored.change.attention, "policy": self.policy}

    def history(self, change_id: str, stored: Stored | None = None) -> list[Entry]:
        """Return the complete history, after checking its chain of digests up to the last entry that the change names.

        Entries that are added during the read are included. The change is then read again and must name the last of
        them, since an entry and the change that names it are written in one commit.

        Args:
            change_id: The change.
            stored: The change as the caller has just read it; by default it is read.

        Raises:
            ChangeNotFound: The workflow has no change with this id.
            StorageCorrupt: An entry was edited, removed, added or moved; the error names the first affected entry.
        """
        stored, heads = stored or self.load(change_id), [codec.START]
        found: list[Entry] = []
        while True:
            for row in paging.entries(self.storage, change_id, after_seq=len(found), limit=_PAGE):
                found += self._codec.entries([row], previous=heads[-1])
                heads.append(documents.entry_digest(row))
            if stored.seq > len(found) or heads[stored.seq] != stored.head:
                message = (
                    f"entry {stored.seq} of change {change_id} is not what was written: the change names another one"
                )
                raise StorageCorrupt(message, change_id=change_id, seq=stored.seq)
            if stored.seq == len(found):
                return found
            stored = self.load(change_id)
            if stored.seq < len(found):
                message = f"entry {stored.seq + 1} of change {change_id} was never committed: the change ends before it"
                raise StorageCorrupt(message, change_id=change_id, seq=stored.seq + 1)

    def read(self, row: Row) -> Stored:
        """Return the change in a row, after repairing times that were stored while the clock was ahead.

        Raises:
            StorageCorrupt: The change is damaged.
            StorageSchemaError: A newer version of the library or of the workflow wrote the change.
        """
        stored, definition, now = self._codec.read(row), self.definition, self.clock.now()
        change = stored.change
        if change.definition_version > definition.version or change.state not in self._states:
            raise other_version_error(definition, change)
        outcome = definition.outcome_in(change.state, change.outcome)
        if outcome is not change.outcome:  # the definition had another outcome for the state when it was stored
            change = attrs.evolve(change, outcome=outcome)
        failed = functools.partial(self._report_due_rule, change)
        change, due_at = repair_future_times(definition, change, stored.due_at, now, self.policy, failed=failed)
        is_as_stored = change is stored.change and due_at is stored.due_at
        return stored if is_as_stored else attrs.evolve(stored, change=change, due_at=due_at)

    def row(self, change_id: str) -> Row:
        """Return the row of a change, without decoding it.

        Raises:
            ChangeNotFound: The workflow has no change with this id.
            StorageCorrupt: The row is of another workflow and damaged, so the name of its workflow may be wrong.
        """
        row = self.storage.get(change_id)
        if row is None:
            raise ChangeNotFound(name=change_id, by_id=True)
        if row.workflow != self.definition.name:
            self._codec.read(row)
            raise ChangeNotFound(name=change_id, by_id=True)
        return row

    def prepare_draft(
        self, *, change_id: str, subject: str, form: Form, actor: str, steps: Sequence[Step] = ()
    ) -> Prepared:
        """Prepare a new change, and fire triggers on it."""
        now = self.clock.now()
        change, entry = open_change(
            self.definition,
            change_id=change_id,
            subject=str.__str__(subject),  # a host may pass a subclass of str, such as an enum; a row holds plain text
            form=form,
            now=now,
            actor=actor,
        )
        return self._prepared(None, change, [entry], steps, now, actor, looked=False)

    def prepare(
        self, stored: Stored, steps: Sequence[Step], *, actor: str, looked: bool = False, called_back: bool = False
    ) -> Prepared:
        """Prepare the firing of triggers in order.

        Args:
            stored: The change as it was read.
            steps: The triggers to fire, with their evidence.
            actor: The actor of the entries.
            looked: Whether the gateway was asked for this; then the time of the next look moves even if nothing is new.
            called_back: Whether callbacks arrive, see `next_due`.

        Raises:
            TransitionRefused: The machine refused a trigger; nothing is prepared.
        """
        now = self.clock.now()
        return self._prepared(stored, stored.change, [], steps, now, actor, looked=looked, called_back=called_back)

    def prepare_claim(self, stored: Stored, steps: Sequence[Step], *, until: dt.datetime, actor: str) -> Prepared:
        """Prepare a claim: the change falls due again at ``until``, unless an answer is stored before that."""
        now = self.clock.now()
        return self._prepared(stored, stored.change, [], steps, now, actor, looked=True, until=until)

    def moment(self, gateway: dt.datetime | None = None) -> Moment:
        """Return the current time by every available clock; ``gateway`` is the ``Date`` of its last answer."""
        boot_id, boot = self.clock.boot()
        return Moment(wall=self.clock.now(), boot_id=boot_id, boot=boot, gateway=gateway)

    def commit(self, prepared: Sequence[Prepared], *, announced: bool = True) -> list[Conflict | None]:
        """Commit prepared writes, and announce those that were stored, unless the caller does it later."""
        conflicts = self.storage.commit([one.write for one in prepared])
        if announced:
            self.announce([one for one, conflict in zip(prepared, conflicts, strict=True) if conflict is None])
        return conflicts

    def announce(self, stored: Sequence[Prepared]) -> None:
        """Wake the callers that wait for the stored changes, and notify the observers of their entries."""
        wake_for(self.storage, {one.write.row.id for one in stored})
        for one in stored:
            for entry in one.entries:
                self._observers.on_entry(one.stored.change, entry)

    def commit_one(self, prepared: Prepared, *, announced: bool = True) -> Stored:
        """Commit one prepared write, and return the change; a write that changes nothing is skipped. See `commit`.

        Raises:
            AlreadyApplied: Another open change holds the subject.
            StorageConflict: Another writer was first, or another change holds the ticket.
        """
        if prepared.before is not None and not prepared.is_news:
            return prepared.before
        conflict = self.commit([prepared], announced=announced)[0]
        if conflict is None:
            return prepared.stored
        if conflict.kind is ConflictKind.SUBJECT:
            subject = prepared.stored.change.subject
            raise AlreadyApplied(subject=subject, change_id=conflict.holder or "unknown")
        raise StorageConflict(change_id=conflict.change_id, kind=conflict.kind.value, holder=conflict.holder or "")

    def _prepared(  # noqa: PLR0917 - private, and the arguments have different types
        self,
        before: Stored | None,
        change: ChangeRequest,
        entries: list[Entry],
        steps: Sequence[Step],
        now: dt.datetime,
        actor: str,
        *,
        looked: bool,
        called_back: bool = False,
        until: dt.datetime | None = None,
    ) -> Prepared:
        """Return the write after the steps; the change is due at ``until``, or when its facts say."""
        seq = (before.seq if before else 0) + len(entries)
        for step in self._numbered(change, steps):
            change, entry = fire(
                self.definition,
                change,
                step.trigger,
                step.evidence,
                now=now,
                policy=self.policy,
                seq=seq + 1,
                actor=actor,
                effects=self.effects,
                aliases=self.aliases,
            )
            if entry is not None:
                entries.append(entry)
                seq += 1
        if until is None:
            failed = functools.partial(self._report_due_rule, change)
            until = next_due(
                self.definition, change, now, self.policy, looked=looked, called_back=called_back, failed=failed
            )
            if looked and not entries and before is not None and serves(before.due_at, until, now, self.policy):
                until = before.due_at
        held = self.held(change.subject) if self.definition.is_open(change) else None
        write, stored = self._codec.write(before, change, entries, until, open_subject=held)
        return Prepared(write=write, before=before, stored=stored, entries=tuple(entries), looked=looked)

    def _report_due_rule(self, change: ChangeRequest, error: BaseException) -> None:
        if not isinstance(error, DefinitionError):
            rule = f"the due rule of state {change.state} failed, so the change is polled"
            error = DefinitionError(f"{rule}: {describe(error)}")
        self._observers.on_trouble(change.id, error)

    def _numbered(self, change: ChangeRequest, steps: Sequence[Step]) -> Sequence[Step]:
        """Return the steps, preceded by a higher submission number if the change needs one, see `numbered`."""
        others = functools.partial(self.highest_submission, change.subject, besides=change.id)
        return numbered(self.definition, change, steps, others)
