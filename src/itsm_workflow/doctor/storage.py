"""The examination of the store: opening, schema, write access, damage, open changes and overdue work."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections import Counter
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.change import AttentionReason
from itsm_workflow.clock import from_micros, to_micros
from itsm_workflow.doctor.findings import ok, problem, warning
from itsm_workflow.doctor.unsent import unsent_problems
from itsm_workflow.errors import StorageCorrupt, StorageError, StorageSchemaError
from itsm_workflow.secrets import SecretURL
from itsm_workflow.storage import paging
from itsm_workflow.storage.abilities import TellsDamage
from itsm_workflow.storage.damage import logged_damage
from itsm_workflow.storage.files import check_writable, look_at
from itsm_workflow.storage.integrity import row_problem
from itsm_workflow.storage.protocol import Order, Query
from itsm_workflow.storage.registry import open_storage, schema_of
from itsm_workflow.storage.url import FILES, path_of, scheme_of
from itsm_workflow.text import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from itsm_workflow.doctor.findings import Finding
    from itsm_workflow.storage.protocol import Row, StorageBackend

    Place = tuple[str, str]

LATE = dt.timedelta(minutes=15)
"""The delay after which a due change shows that no process reconciles; a pass runs every few minutes."""

_PAGE = 500
_SHOWN = 5
_REPAIR = "`itsm-workflow storage repair`, or restore a backup with `itsm-workflow storage restore`"
_CORRECT = "correct BKAPP_ITSM_STORE or --store, or remove the cause of the error"


def examine_storage(
    url: str | SecretURL, *, now: dt.datetime, unsent: dict[str, str] | None = None
) -> Iterator[Finding]:
    """Examine a store and yield the findings. Nothing is stored, created or upgraded, and no password is shown.

    Args:
        url: The store's URL.
        now: The current time.
        unsent: Receives the problems of changes whose create was not sent, by id.
    """
    url = SecretURL.of(url)
    for finding in _examined(url, now, {} if unsent is None else unsent):
        yield attrs.evolve(finding, seen=url.scrub(finding.seen))


def _examined(url: SecretURL, now: dt.datetime, unsent: dict[str, str]) -> Iterator[Finding]:
    try:
        if scheme_of(url) in FILES and look_at(path_of(url)) is None:
            check_writable(path_of(url))
            yield warning(
                "storage.open",
                f"there is no store at {_name(url)} yet; the first change creates it",
                "correct BKAPP_ITSM_STORE or --store if changes were stored before",
            )
            return
        schema = schema_of(url)
        if schema is not None and schema.found < schema.known:
            yield warning(
                "storage.schema",
                f"the store has schema {schema.found}, but this release writes {schema.known}: the first process of "
                "this release that opens it for writing upgrades it, and older releases cannot use it afterwards",
                "back up the store, stop the processes of older releases, then run `itsm-workflow storage upgrade`; "
                "the rest of the store was not examined",
            )
            return
        with logged_damage() as damage, contextlib.closing(open_storage(url)) as storage:
            if damage:
                yield problem("storage.open", f"{_name(url)} opens, but is damaged: {'; '.join(damage)}", _REPAIR)
            else:
                yield ok("storage.open", f"{_name(url)} opens")
            yield ok("storage.schema", f"schema {schema.found} is current" if schema else "the schema is known")
            yield _writable(storage)
            states: Counter[Place] = Counter()
            yield _sound(storage, states)
            yield ok("storage.open_changes", _by_workflow(states) or "none")
            yield from _waiting(storage, now)
            unsent.update(unsent_problems(storage))
    except StorageError as error:
        yield _failed(error)


def _failed(error: StorageError) -> Finding:
    if isinstance(error, StorageSchemaError):
        return problem("storage.schema", str(error), "install a release that knows this schema")
    if isinstance(error, StorageCorrupt):
        return problem("storage.open", str(error), _REPAIR)
    return problem("storage.open", str(error), _CORRECT)


def _writable(storage: StorageBackend) -> Finding:
    """Acquire write access and write nothing."""
    try:
        storage.commit([])
    except StorageError as error:
        return problem("storage.writable", str(error), _REPAIR if isinstance(error, StorageCorrupt) else _CORRECT)
    return ok("storage.writable", "the store can be written")


def _sound(storage: StorageBackend, states: Counter[Place]) -> Finding:
    """Check every row: a damaged index may hide a change from every query that uses it.

    Args:
        storage: The store.
        states: Receives the number of open undamaged changes per workflow and state. The row itself shows whether a
            change is open, so the names of the states do not matter.
    """
    count, damaged = 0, list(storage.damage()) if isinstance(storage, TellsDamage) else []
    for row in _rows(storage, Query()):
        count += 1
        if (wrong := row_problem(row)) is not None:
            damaged.append(wrong)
        elif row.open_subject is not None:
            states[row.workflow, row.state] += 1
    if not damaged:
        return ok("storage.damage", f"no damage was found in {counted(count, 'row')}")
    more = f"; and {len(damaged) - _SHOWN} more" if len(damaged) > _SHOWN else ""
    return problem("storage.damage", "; ".join(damaged[:_SHOWN]) + more, _REPAIR)


def late_query(now: dt.datetime) -> Query:
    """Return a query for the overdue changes of every workflow, the longest overdue first."""
    return Query(due_before=to_micros(now - LATE), order=Order.DUE_AT)


def _waiting(storage: StorageBackend, now: dt.datetime) -> Iterator[Finding]:
    since = now
    reasons = Counter(str(row.attention) for row in _rows(storage, Query(attention=tuple(AttentionReason))))
    if reasons:
        yield warning(
            "storage.attention",
            f"changes that wait for a person: {_counted(reasons)}",
            "`itsm-workflow list --attention` lists them, `itsm-workflow why ID` shows what to do",
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
            f"overdue changes: {late.total()} ({_counted(late)}), the first since {since:%Y-%m-%d %H:%M} UTC",
            "run `itsm-workflow reconcile --app module:name` every few minutes, by cron or your task queue, with the "
            f"application of {' and one of '.join(sorted(late))}: a pass reconciles the changes of one workflow",
        )
    else:
        yield ok("storage.due", "no change is overdue")


def _rows(storage: StorageBackend, query: Query) -> Iterator[Row]:
    return paging.rows(storage, attrs.evolve(query, limit=_PAGE))


def _name(url: SecretURL) -> str:
    """Return a name of the store without secrets: the URL of a server may hold a password."""
    return str(path_of(url)) if scheme_of(url) in FILES and url.is_plain else f"the {scheme_of(url)} store"


def _by_workflow(states: Counter[Place]) -> str:
    """Return the number of open changes per workflow and state, as a text."""
    workflows = {
        name: Counter({state: count for (owner, state), count in states.items() if owner == name}) for name, _ in states
    }
    return "; ".join(f"{name}: {_counted(counts)}" for name, counts in sorted(workflows.items()))


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
