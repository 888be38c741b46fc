"""The list of changes: filters and search in the address, and pages that read no more than they show."""

from __future__ import annotations

import contextlib
import datetime as dt
from typing import TYPE_CHECKING, TypedDict
from urllib.parse import urlencode

import attrs
from flask import g, redirect, request, url_for

from itsm_workflow.change import AttentionReason, EffectStatus
from itsm_workflow.errors import ChangeNotFound, ItsmWorkflowError
from itsm_workflow.machine.self_approval import reasons_of
from itsm_workflow.pictures.ink import Meaning, meaning_of
from itsm_workflow.runtime.finding import FoundPage
from itsm_workflow.web.presenting import Reader, badge, is_quietly_parked, state_badge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from werkzeug.wrappers import Response

    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.machine.definition import WorkflowDefinition
    from itsm_workflow.runtime.records import Records
    from itsm_workflow.web.pages import Site

PAGE = 50
"""The number of changes on a page."""

ANY = "any"
PARKED = EffectStatus.PARKED.value
"""What the address says for changes with a parked effect."""

AGES: Mapping[str, dt.timedelta] = {
    "1h": dt.timedelta(hours=1),
    "1d": dt.timedelta(days=1),
    "7d": dt.timedelta(days=7),
    "30d": dt.timedelta(days=30),
}
"""By what the address says, the time for which a change has not moved."""

COUNTED = 1000
"""The largest number that is counted of each state and each reason, so that a page is as quick in a large store."""

SCANNED = 2000
"""The largest number of changes that are read for a page of old ones in a state, or of those with words."""

_CHUNK = 250
_FILTERS = ("q", "state", "attention", "age", "effect")


class _Filters(TypedDict):
    states: list[str] | None
    attention: Sequence[str] | None


def list_page(site: Site) -> Response:
    """Return the page with the changes that match the filters in the address."""
    records, reader = site.records(), g.reader
    definition = records.definition
    g.workflow = definition.name
    given = {name: request.args.get(name, "").strip() for name in _FILTERS}
    problem, found = "", FoundPage()
    try:
        found = _found(records, given)
    except ValueError:
        problem = reader.words("bad_filter")
    is_exact = given["q"] in {name for one in found.changes for name in (one.id, one.subject, one.sn)}
    if is_exact and len(found.changes) == 1 and not found.unreadable and not found.next:
        return redirect(url_for("change", change_id=found.changes[0].id), 303)
    chosen = {name: value for name, value in given.items() if value}
    return site.page(
        "list",
        reader.words("changes"),
        400 if problem else 200,
        problem=problem,
        given=given,
        is_filtered=bool(chosen),
        states=[(state.value, state_badge(definition, state.value, reader).text) for state in definition.states],
        reasons=[(one.value, reader.reason(one)) for one in AttentionReason],
        ages=[(name, reader.words(name)) for name in AGES],
        effects=[(PARKED, reader.words("effect_parked"))],
        is_of_counts=set(chosen) == {"effect"} and not request.args.get("after"),
        rows=list(_rows(definition, found, reader)),
        unreadable=[(one, reader.words("unreadable", error=error)) for one, error in found.unreadable.items()],
        looked_at=SCANNED if found.next and not found.changes else 0,
        is_searched=bool(given["q"] and not is_exact and found.changes),
        following=f"?{urlencode({**chosen, 'after': found.next})}" if found.next else "",
        first=f"?{urlencode(chosen)}" if request.args.get("after") else "",
    )


def _found(records: Records, given: Mapping[str, str]) -> FoundPage:
    """Return the page that the address asks for.

    Raises:
        ValueError: A filter has a value that nothing can match, or the token is not one of these filters.
    """
    after = request.args.get("after") or None
    if given["q"]:
        named = FoundPage() if after else _named(records, given["q"])
        if named.changes or named.unreadable:
            return named
        return _searched(records, {"states": None, "attention": None}, _has_words(given["q"]), after)
    age, attention = given["age"], given["attention"]
    if age and age not in AGES:
        raise ValueError(f"age={age} is not one of {', '.join(AGES)}")
    reasons = list(AttentionReason) if attention == ANY else [attention]
    filters: _Filters = {
        "states": [given["state"]] if given["state"] else None,
        "attention": reasons if attention else None,
    }
    until = g.reader.now - AGES[age] if age else None
    is_old = (lambda change: change.updated_at <= until) if until else (lambda _: True)
    if given["effect"]:
        if given["effect"] != PARKED:
            raise ValueError(f"effect={given['effect']} is not {PARKED}")
        if not (given["state"] or attention or age or after):
            return _with_parked_effects(records)
        return _searched(records, filters, lambda change: bool(change.parked_effects) and is_old(change), after)
    if age and (attention or given["state"]):
        return _searched(records, filters, is_old, after)
    return records.find_page(**filters, older_than=AGES[age] if age else None, after=after, limit=PAGE)


def _with_parked_effects(records: Records) -> FoundPage:
    """Return the changes that `Counts.parked` names, whatever their attention."""
    parked = records.counts(limit=COUNTED).parked
    changes: list[ChangeRequest] = []
    unreadable: dict[str, Exception] = {}
    for name in parked[:PAGE]:
        try:
            changes.append(records.get(name))
        except ItsmWorkflowError as error:
            unreadable[name] = error
    following = parked[PAGE - 1] if len(parked) > PAGE else None
    return FoundPage(changes=tuple(changes), unreadable=unreadable, next=following)


def _has_words(text: str) -> Callable[[ChangeRequest], bool]:
    """Return whether a change has each word of a text in its subject, title or applicant, in any letter case."""
    words = text.casefold().split()

    def matches(change: ChangeRequest) -> bool:
        shown = f"{change.subject}\n{change.form.title}\n{change.form.applicant}".casefold()
        return all(word in shown for word in words)

    return matches


def _searched(
    records: Records, filters: _Filters, matches: Callable[[ChangeRequest], bool], after: str | None
) -> FoundPage:
    """Return a page of the changes that match, of those that match the other filters.

    No index has both. So at most `SCANNED` changes are read, and the next page goes on after them.
    """
    changes: list[ChangeRequest] = []
    unreadable: dict[str, Exception] = {}
    for _ in range(SCANNED // _CHUNK):
        page = records.find_page(**filters, after=after, limit=_CHUNK)
        unreadable.update(page.unreadable)
        changes += [one for one in page.changes if matches(one)]
        after = page.next
        if len(changes) >= PAGE:
            is_last = len(changes) == PAGE and after is None
            changes = changes[:PAGE]
            after = None if is_last else changes[-1].id  # the token of a page in the order of ids
            unreadable = {key: error for key, error in unreadable.items() if after is None or key <= after}
            break
        if after is None:
            break
    return FoundPage(changes=tuple(changes), unreadable=unreadable, next=after)


def _named(records: Records, name: str) -> FoundPage:
    """Return the changes that have a name as id, subject or ticket number: at most a page of each."""
    pages = [records.find_page(subject=name, limit=PAGE), records.find_page(sn=name, limit=PAGE)]
    changes: dict[str, ChangeRequest] = {one.id: one for page in pages for one in page.changes}
    unreadable: dict[str, Exception] = {key: error for page in pages for key, error in page.unreadable.items()}
    with contextlib.suppress(ChangeNotFound):
        changes[name] = records.get(name)
    return FoundPage(changes=tuple(changes.values()), unreadable=unreadable)


@attrs.frozen(kw_only=True)
class _Row:
    change: ChangeRequest
    badge: object
    reasons: Sequence[str]
    is_parked: bool
    approvers: Sequence[str]


def _rows(definition: WorkflowDefinition, found: FoundPage, reader: Reader) -> Iterator[_Row]:
    for change in found.changes:
        is_waiting = meaning_of(definition, change.state) is Meaning.WAITING
        yield _Row(
            change=change,
            badge=badge(definition, change, reader),
            reasons=[reader.reason(reason) for reason in reasons_of(change)],
            is_parked=is_quietly_parked(change),
            approvers=change.form.approvers if is_waiting else (),
        )
