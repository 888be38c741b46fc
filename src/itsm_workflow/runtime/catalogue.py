"""The names of a workflow's effects, kept in the store, so that no process submits a change that would lose some.

A process plans the effects whose names it knows. A process that was opened with fewer names than another would plan
fewer effects, and no change would show that some are missing. So the store keeps all names that the processes of a
workflow have declared: one row for each version of the definition, in a separate workflow that has no other rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from itsm_workflow.change import ChangeRequest, Entry, Form
from itsm_workflow.errors import DefinitionError, StorageConflict, StorageCorrupt, StorageError, StorageSchemaError
from itsm_workflow.exports import lazy_module
from itsm_workflow.machine.evidence import EffectNames
from itsm_workflow.runtime.journal import WORKER
from itsm_workflow.runtime.transact import repeat_on_conflict
from itsm_workflow.storage.protocol import ConflictKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from itsm_workflow.runtime.journal import Journal
    from itsm_workflow.runtime.observers import Observers
    from itsm_workflow.storage import codec
    from itsm_workflow.storage.codec import Stored
    from itsm_workflow.storage.protocol import Row
else:
    codec = lazy_module("itsm_workflow.storage.codec")

WORKFLOW = "itsm_workflow.catalogue"
"""The workflow of these rows. It is stored, so it does not follow the name of this module.

A definition's name has no dot, so queries for a definition's changes skip these rows.
"""

_STATE, _TRIGGER = "known", "name_effects"


@attrs.define
class _Unreadable(Exception):
    """The catalogue's row cannot be read; the error says nothing about other rows."""

    error: StorageError


class Catalogue:
    """The names of the effects of one version of a workflow.

    Args:
        journal: The workflow's changes, and the effect names of this process.
        observers: Notified of a row that cannot be read.
    """

    def __init__(self, *, journal: Journal, observers: Observers) -> None:
        self._journal = journal
        self._observers = observers
        self._codec = codec.Codec({EffectNames.__name__: EffectNames})
        self._is_noted = False
        # The row hardly ever changes, so it is decoded only if it is not the one that was decoded last.
        self._last: tuple[Row | None, Stored | None] = (None, None)

    def check(self) -> None:
        """Store this process's effect names, and raise if it lacks names of its definition's version.

        If the row cannot be read, observers are notified and nothing is raised, so that changes can still be filed.

        Raises:
            DefinitionError: The process lacks names; nothing was stored.
            StorageError: The store failed, or more than this row is damaged.
        """

        def once() -> None:
            known = self._read()
            missing = self._missing(known.change) if known else {}
            if missing:
                raise self._missing_names_error(missing)
            self._store(known)

        try:
            repeat_on_conflict(once)
        except _Unreadable as unreadable:
            self._observers.on_trouble(self._id, unreadable.error)

    def is_stored(self) -> bool:
        """Return whether the store has this process's effect names and no others, so that `check` stores nothing."""
        try:
            known = self._read()
        except _Unreadable:
            return False
        names = known.change.effect_names if known else {}
        return not (known and self._missing(known.change)) and self._merged(names) == names

    def note(self) -> None:
        """Store this process's effect names, once. It may lack names, since the caller does not submit a change.

        Raises:
            StorageError: The store failed, or more than this row is damaged.
        """
        if self._is_noted or not self._journal.effects:
            return
        try:
            repeat_on_conflict(lambda: self._store(self._read()))
        except StorageConflict:
            pass  # other writers were first each time; a later process stores the names
        except _Unreadable as unreadable:
            self._observers.on_trouble(self._id, unreadable.error)
        self._is_noted = True

    @property
    def _id(self) -> str:
        return f"effects.{self._journal.definition.name}.{self._journal.definition.version}"

    def _read(self) -> Stored | None:
        try:
            row = self._journal.storage.get(self._id)
        except StorageCorrupt as error:
            if getattr(error, "change_id", None) == self._id:
                raise _Unreadable(error) from error
            raise
        if row is None:
            return None
        last, stored = self._last
        if row != last:
            try:
                stored = self._codec.read(row)
            except (StorageCorrupt, StorageSchemaError) as error:
                raise _Unreadable(error) from error
            self._last = (row, stored)
        return stored

    def _missing(self, known: ChangeRequest) -> dict[str, list[str]]:
        """Return, by state, the names that the store has and this process lacks."""
        journal, missing = self._journal, {}
        for state, names in known.effect_names.items():
            ours = {one for name in journal.effects.get(state, ()) for one in (name, *journal.aliases.get(name, ()))}
            missing[state] = [name for name in names if name not in ours]
        return {state: names for state, names in missing.items() if names}

    def _missing_names_error(self, missing: Mapping[str, list[str]]) -> DefinitionError:
        definition = self._journal.definition
        listed = "; ".join(f"{', '.join(names)} of state {state}" for state, names in sorted(missing.items()))
        return DefinitionError(
            f"this process cannot submit a change of {definition.name} version {definition.version}: the store has "
            f"effect names that the process lacks ({listed}), and these effects would be lost. Give each process the "
            "same definition or the same effects; add the old name of a renamed effect as an alias; or raise the "
            "definition's version to retire a name",
            problems=tuple(f"effect {name} of state {state}" for state, names in missing.items() for name in names),
        )

    def _store(self, known: Stored | None) -> None:
        """Store the names that this process adds, if any.

        Raises:
            StorageConflict: Another process stored its names first.
        """
        journal, now = self._journal, self._journal.clock.now()
        version = journal.definition.version
        before: Mapping[str, tuple[str, ...]] = known.change.effect_names if known else {}
        names = self._merged(before)
        if names == before:
            return
        change = ChangeRequest(
            id=self._id,
            workflow=WORKFLOW,
            definition_version=version,
            subject=journal.definition.name,
            state=_STATE,
            form=Form(title=f"effects of {journal.definition.name}", applicant="itsm_workflow"),
            created_at=known.change.created_at if known else now,
            updated_at=now,
            effect_names=names,
        )
        entry = Entry(
            change_id=change.id,
            seq=(known.seq if known else 0) + 1,
            at=now,
            trigger=_TRIGGER,
            source=_STATE if known else "",
            dest=_STATE,
            actor=WORKER,
            evidence=EffectNames(version=version, effects=names),
        )
        write, _ = self._codec.write(known, change, [entry], None, open_subject=None)
        if journal.storage.commit([write])[0] is not None:
            raise StorageConflict(change_id=self._id, kind=ConflictKind.VERSION.value)

    def _merged(self, known: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        return _merged(known, self._journal.effects, self._journal.aliases)


def _merged(
    known: Mapping[str, tuple[str, ...]], brought: Mapping[str, tuple[str, ...]], aliases: Mapping[str, tuple[str, ...]]
) -> dict[str, tuple[str, ...]]:
    """Return the union; a known alias represents the effect's new name until the definition's version is raised."""
    merged = dict(known)
    for state, names in brought.items():
        old = merged.get(state, ())
        new = (name for name in names if not {name, *aliases.get(name, ())}.intersection(old))
        merged[state] = (*old, *new)
    return merged
