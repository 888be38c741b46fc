"""The store: does it open, with a schema that this release knows, is it sound, and what waits in it."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections import Counter
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.change import AttentionReason
from itsm_workflow.clock import from_micros, to_micros
from itsm_workflow.doctor.findings import ok, problem, warning
from itsm_workflow.errors import StorageCorrupt, StorageError, StorageSchemaError
from itsm_workflow.secrets import SecretURL
from itsm_workflow.storage.abilities import TellsDamage
from itsm_workflow.storage.damage import logged_damage
from itsm_workflow.storage.files import check_writable, look_at
from itsm_workflow.storage.protocol import Order, Query
from itsm_workflow.storage.registry import open_storage, schema_of
from itsm_workflow.storage.soundness import row_problem
from itsm_workflow.storage.url import FILES, path_of, scheme_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from itsm_workflow.doctor.findings import Finding
    from itsm_workflow.storage.protocol import Row, StorageBackend

    Place = tuple[str, str]

LATE = dt.timedelta(minutes=15)
"""Since when something must have been due to say that nobody reconciles; a pass runs every few minutes."""

_PAGE = 500
_SHOWN = 5
_REPAIR = "`itsm-workflow storage repair`, or bring a backup back with `itsm-workflow storage restore`"
_CORRECT = "correct BKAPP_ITSM_STORE or --store, or remove what stands in the way"


def examine_storage(url: str | SecretURL, *, now: dt.datetime) -> Iterator[Finding]:
    """Yield what is found of a store. Nothing is stored, made or upgraded, and no password of the URL is shown."""
    url = SecretURL.of(url)
    for finding in _examined(url, now):
        yield attrs.evolve(finding, seen=url.scrub(finding.seen))


def _examined(url: SecretURL, now: dt.datetime) -> Iterator[Finding]:
    try:
        if scheme_of(url) in FILES and look_at(path_of(url)) is None:
            check_writable(path_of(url))
            yield warning(
                "storage.open",
                f"there is no store at {_name(url)} yet; the first change makes it",
                "correct BKAPP_ITSM_STORE or --store if there are changes already",
            )
            return
        schema = schema_of(url)
        if schema is not None and schema.found < schema.known:
            yield warning(
                "storage.schema",
                f"the store has schema {schema.found}, this release writes {schema.known}: the first that opens it to "
                "write upgrades it, and processes of older releases cannot use it after that",
                "back the store up, stop those processes, then run `itsm-workflow storage upgrade`; the rest of the "
                "store was not looked at",
            )
            return
        with logged_damage() as told, contextlib.closing(open_storage(url)) as storage:
            if told:
                yield problem("storage.open", f"{_name(url)} opens, and is damaged: {'; '.join(told)}", _REPAIR)
            else:
                yield ok("storage.open", f"{_name(url)} opens")
            yield ok("storage.schema", f"schema {schema.found} is current" if schema else "a schema that is known")
            yield _writable(storage)
            states: Counter[Place] = Counter()
            yield _sound(storage, states)
            yield ok("storage.open_changes", _by_workflow(states) or "none")
            yield from _waiting(storage, now)
    except StorageError as error:
        yield _failed(error)


def _failed(error: StorageError) -> Finding:
    if isinstance(error, StorageSchemaError):
        return problem("storage.schema", str(error), "install a release that knows it")
    if isinstance(error, StorageCorrupt):
        return problem("storage.open", str(error), _REPAIR)
    return problem("storage.open", str(error), _CORRECT)


def _writable(storage: StorageBackend) -> Finding:
    """Ask for the right to write, and write nothing."""
    try:
        storage.commit([])
    except StorageError as error:
        return problem("storage.writable", str(error), _REPAIR if isinstance(error, StorageCorrupt) else _CORRECT)
    return ok("storage.writable", "can be written")


def _sound(storage: StorageBackend, states: Counter[Place]) -> Finding:
    """Look into all of it: an index that is damaged may hide a change from every reader that goes by it.

    Args:
        storage: The store.
        states: Takes how many sound changes of each workflow and state are open. The row says that, whatever a
            workflow's states are called.
    """
    count, damaged = 0, list(storage.damage()) if isinstance(storage, TellsDamage) else []
    for row in _rows(storage, Query()):
        count += 1
        if (wrong := row_problem(row)) is not None:
            damaged.append(wrong)
        elif row.open_subject is not None:
            states[row.workflow, row.state] += 1
    if not damaged:
        return ok("storage.damage", f"none was found, in {count} {'row' if count == 1 else 'rows'}")
    more = f"; and {len(damaged) - _SHOWN} more" if len(damaged) > _SHOWN else ""
    return problem("storage.damage", "; ".join(damaged[:_SHOWN]) + more, _REPAIR)


def late_query(now: dt.datetime) -> Query:
    """Return what finds the changes that nobody reconciles, whatever their workflow, longest due first."""
    return Query(due_before=to_micros(now - LATE), order=Order.DUE_AT)


def _waiting(storage: StorageBackend, now: dt.datetime) -> Iterator[Finding]:
    since = now
    reasons = Counter(str(row.attention) for row in _rows(storage, Query(attention=tuple(AttentionReason))))
    if reasons:
        yield warning(
            "storage.attention",
            f"waiting for a person: {_counted(reasons)}",
            "`itsm-workflow list --attention` names them, `itsm-workflow why ID` says what to do",
        )
    else:
        yield ok("storage.attention", "no change waits for a person")
    late: Counter[str] = Counter()
    for row in _rows(storage, late_query(now)):
        since = since if late else from_micros(row.due_at or 0)
        late[row.workflow] += 1
    if late:
        yield warning(
            "storage.due",
            f"due and not looked at: {late.total()} ({_counted(late)}), the first since {since:%Y-%m-%d %H:%M} UTC",
            "run `itsm-workflow reconcile --app module:name` every few minutes, by cron or your task queue, with the "
            f"application of {' and one of '.join(sorted(late))}: a pass looks at the changes of one workflow",
        )
    else:
        yield ok("storage.due", "what was due has been looked at")


def _rows(storage: StorageBackend, query: Query) -> Iterator[Row]:
    page = storage.find(attrs.evolve(query, limit=_PAGE))
    yield from page.rows
    while page.next is not None:
        page = storage.find(attrs.evolve(query, limit=_PAGE, after=page.next))
        yield from page.rows


def _name(url: SecretURL) -> str:
    """Return what can be shown of a store's URL: that of a server may hold a password."""
    return str(path_of(url)) if scheme_of(url) in FILES and url.is_plain else f"the {scheme_of(url)} store"


def _by_workflow(states: Counter[Place]) -> str:
    """Return how many there are of each workflow, by state."""
    told = {name: Counter({state: many for (one, state), many in states.items() if one == name}) for name, _ in states}
    return "; ".join(f"{name}: {_counted(counts)}" for name, counts in sorted(told.items()))


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
