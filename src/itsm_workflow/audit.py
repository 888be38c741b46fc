"""An independent check of a store against the records of the ticket system and of the host.

It shares no counters and no readers with the workflow. It reads the stored rows and entries through the storage port,
the tickets of a ledger (the sandbox, or any object with the same method), and the host's own log of deliveries. It
recomputes every figure from these.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import attrs

from itsm_workflow.gateway.records import recorded
from itsm_workflow.machine.approval import COLLECTOR_CHANGE
from itsm_workflow.machine.evidence import TicketStatus
from itsm_workflow.storage.abilities import TellsDamage
from itsm_workflow.storage.protocol import Query

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from itsm_workflow.gateway.records import KeepsRecords, RecordedTicket, TicketLedger
    from itsm_workflow.machine.definition import WorkflowDefinition
    from itsm_workflow.storage.protocol import EntryRow, Row, StorageBackend

_PAGE = 500
_START = "0" * 64
_OPENING = "draft"
_TITLE_SUFFIX = 8
_SERVICES = "itsm_workflow.catalogue"  # the workflow of the row that keeps the form of the service, not a change
_ACCEPTED = range(200, 300)
_HEARD = ("title", "current_status", "sn", "ticket_url", "update_at", "updated_by", "approve_result")


@attrs.frozen(kw_only=True)
class Delivery:
    """A line of the host's own log: an effect that the host carried out.

    Attributes:
        effect: The effect's id, the same for a repeated delivery.
        name: The effect's name.
        change: The change's id.
    """

    effect: str
    name: str
    change: str


@attrs.frozen(kw_only=True)
class Forged:
    """A forged callback and the response to it.

    Attributes:
        what: The forged part, for people.
        status: The HTTP status of the response.
        body: The request body. An entry with its digest proves that the workflow accepted it as authentic.
    """

    what: str
    status: int
    body: bytes = attrs.field(repr=False)


@attrs.frozen(kw_only=True)
class AuditReport:
    """The result of an audit.

    Attributes:
        requests: The number of changes of the workflow in the store, plus the requested changes that are missing.
        by_state: The number of changes in each state.
        by_outcome: The number of changes with each outcome, without changes that have not ended.
        keys: The number of correlation keys that were submitted.
        tickets_created: The number of tickets in the ledger that carry one of these keys.
        duplicate_tickets: The number of keys that more than one ticket carries.
        lost_requests: The number of changes that are not stored, and of tickets that their change does not know.
        illegal_transitions: The number of entries and rows that the definition's table does not allow, or that the
            ledger does not confirm.
        effects_expected: The number of effects that are due because their state was entered.
        effects_delivered: The number of effects in the host's log, without repeated deliveries.
        forged_accepted: The number of forged callbacks that were acknowledged or caused an entry.
        findings: A sentence for each violation, with the ids; for each damage that the store reports, since damaged
            data may hide a change from this check; and for each workflow whose changes were not examined.
    """

    requests: int
    by_state: Mapping[str, int]
    by_outcome: Mapping[str, int]
    keys: int
    tickets_created: int
    duplicate_tickets: int
    lost_requests: int
    illegal_transitions: int
    effects_expected: int
    effects_delivered: int
    forged_accepted: int
    findings: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether there are no findings."""
        return not self.findings


@attrs.frozen(kw_only=True)
class _Case:
    """A stored change, with its documents parsed without the library's own reader."""

    row: Row
    entries: tuple[EntryRow, ...]
    document: Mapping[str, Any]
    documents: tuple[Mapping[str, Any], ...]

    @property
    def keys(self) -> list[str]:
        """The correlation keys of all submissions of the change."""
        return [str(_evidence(one).get("key")) for one in self.documents if one.get("kind") == "Submission"]

    def entered(self, state: str) -> int:
        """Return the number of times that the change entered a state from another one."""
        return sum(entry.dest == state and entry.source not in {"", state} for entry in self.entries)


def audit(
    storage: StorageBackend,
    ledger: TicketLedger | KeepsRecords,
    *,
    definition: WorkflowDefinition = COLLECTOR_CHANGE,
    other_workflows: Collection[str] = (),
    gateway: str | None = None,
    asked: Iterable[str] = (),
    effects_expected: Mapping[str, Sequence[str]] = MappingProxyType({}),
    deliveries: Iterable[Delivery] = (),
    forged: Iterable[Forged] = (),
) -> AuditReport:
    """Recompute all figures from the records, and report each violation.

    Call it when no work is in progress: an effect that is still being retried counts as not delivered.

    Args:
        storage: The store.
        ledger: The ticket system's own record.
        definition: The workflow whose changes are checked.
        other_workflows: The names of the workflows in this store that another audit checks; any other is a finding.
        gateway: The gateway name with which tickets of this ledger are stored: a `TicketSystem` has it, otherwise it
            is ``bk_itsm`` by default.
        asked: The subjects for which the caller requested a change.
        effects_expected: By state, the names of the effects that are due when a change enters it.
        deliveries: The host's own log, in any order, with repeated deliveries.
        forged: All forged callbacks that were sent.
    """
    rows = [row for row in _rows(storage) if row.workflow != _SERVICES]
    cases = [_case(storage, row) for row in rows if row.workflow == definition.name]
    elsewhere = [row for row in rows if row.workflow != definition.name]
    name, listed = recorded(ledger)
    gateway, tickets = gateway or name, {str(ticket.id): ticket for ticket in listed}
    keys = {key: case.row.id for case in cases for key in case.keys}
    carried = _carried(tickets.values(), keys)

    stored = {row.subject: f"stored in workflow {row.workflow} only" for row in elsewhere}
    missing = [
        f"lost: a change of {subject} was requested but is {stored.get(subject, 'not stored')}"
        for subject in sorted(set(asked) - {case.row.subject for case in cases})
    ]
    duplicates = [
        f"duplicate: key {key} of change {keys[key]} is carried by tickets {', '.join(sorted(ids))}"
        for key, ids in sorted(carried.items())
        if len(ids) > 1
    ]
    lost = missing + [found for case in cases for found in _lost(case, carried, tickets, gateway)]
    illegal = [found for case in cases for found in _illegal(definition, case, tickets, gateway)]
    expected, delivered, effects = _effects(cases, effects_expected, deliveries)
    accepted = list(_accepted(cases, forged))
    damaged = [f"damaged: {one}" for one in storage.damage()] if isinstance(storage, TellsDamage) else []
    overlooked = [*damaged, *_unexamined(elsewhere, other_workflows)]
    return AuditReport(
        requests=len(cases) + len(missing),
        by_state=_counted(case.row.state for case in cases),
        by_outcome=_counted(str(case.document.get("outcome") or "") for case in cases),
        keys=len(keys),
        tickets_created=sum(map(len, carried.values())),
        duplicate_tickets=len(duplicates),
        lost_requests=len(lost),
        illegal_transitions=len(illegal),
        effects_expected=expected,
        effects_delivered=delivered,
        forged_accepted=len(accepted),
        findings=(*overlooked, *duplicates, *lost, *illegal, *effects, *accepted),
    )


# ---------------------------------------------------------------- reading


def _rows(storage: StorageBackend) -> Iterator[Row]:
    following: Query | None = Query(limit=_PAGE)
    while following is not None:
        page = storage.find(following)
        yield from page.rows
        following = attrs.evolve(following, after=page.next) if page.next else None


def _case(storage: StorageBackend, row: Row) -> _Case:
    row, entries = _whole(storage, row)
    document, documents = _object(_parsed(row.document).get("change")), tuple(_parsed(one.document) for one in entries)
    return _Case(row=row, entries=entries, document=document, documents=documents)


def _unexamined(elsewhere: Iterable[Row], other_workflows: Collection[str]) -> Iterator[str]:
    for name, count in _counted(row.workflow for row in elsewhere if row.workflow not in other_workflows).items():
        yield f"unexamined: {count} changes of workflow {name} were not examined: pass its definition as definition="


def _whole(storage: StorageBackend, row: Row) -> tuple[Row, tuple[EntryRow, ...]]:
    """Return a change's row, read after its entries, and the entries up to that time.

    A row that is read after its entries names the last of them, unless an entry was added without its change.
    """
    entries: list[EntryRow] = []
    while True:
        entries += _history(storage, row.id, len(entries))
        again = storage.get(row.id) or row
        if again.seq <= len(entries) or again.seq == row.seq:
            return again, tuple(entries)
        row = again


def _history(storage: StorageBackend, change_id: str, after: int | None) -> Iterator[EntryRow]:
    while after is not None:
        page = storage.history(change_id, after, _PAGE)
        yield from page.entries
        after = page.next_seq


def _parsed(text: str | bytes) -> Mapping[str, Any]:
    try:
        return _object(json.loads(text))
    except ValueError:
        return {}


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _evidence(document: Mapping[str, Any]) -> Mapping[str, Any]:
    return _object(document.get("evidence"))


def _digest(value: object) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()  # damaged files can contain lone surrogates


def _counted(words: Iterable[str]) -> dict[str, int]:
    return {word: count for word, count in sorted(Counter(words).items()) if word}


# ---------------------------------------------------------------- tickets


def _carried(tickets: Iterable[RecordedTicket], keys: Iterable[str]) -> dict[str, list[str]]:
    """Return the ids of the tickets that carry each key, as their tag or, if the tag was dropped, in their title."""
    by_suffix = {f"#{key[-_TITLE_SUFFIX:]}": key for key in keys}
    known = set(by_suffix.values())
    found: dict[str, list[str]] = defaultdict(list)
    for ticket in tickets:
        key = ticket.tag if ticket.tag in known else by_suffix.get(ticket.title.rpartition(" ")[2])
        if key is not None:
            found[key].append(str(ticket.id))
    return found


def _lost(
    case: _Case, carried: Mapping[str, Sequence[str]], tickets: Mapping[str, RecordedTicket], gateway: str
) -> Iterator[str]:
    row, bound, earlier = case.row, _bound(case, gateway), _earlier(case)
    if bound is not None and bound not in tickets:
        yield f"lost: change {row.id} is bound to ticket {bound}, which the ledger does not have"
    for key in case.keys:
        ids = carried.get(key, ())
        if ids and bound not in ids and not any(f"{gateway}:{one}" in earlier for one in ids) and row.attention is None:
            yield f"lost: ticket {', '.join(sorted(ids))} carries key {key}, but change {row.id} does not know it"


def _bound(case: _Case, gateway: str) -> str | None:
    name, _, ticket_id = (case.row.ticket_key or "").partition(":")
    return ticket_id if name == gateway else None


def _earlier(case: _Case) -> Mapping[str, Any]:
    """Return the tickets of the change's earlier submissions, by gateway and id."""
    return _object(case.document.get("earlier_tickets"))


def _decisive(case: _Case, document: Mapping[str, Any], gateway: str) -> str | None:
    """Return the id of the ticket whose approval an entry may record: the change's own, now or when it was made."""
    named = str(_evidence(document).get("ticket_id"))
    return named if f"{gateway}:{named}" in _earlier(case) else _bound(case, gateway)


# ---------------------------------------------------------------- histories


def _illegal(
    definition: WorkflowDefinition, case: _Case, tickets: Mapping[str, RecordedTicket], gateway: str
) -> Iterator[str]:
    row, before = case.row, None
    for number, (entry, document) in enumerate(zip(case.entries, case.documents, strict=True), start=1):
        where = f"illegal: entry {entry.seq} of change {row.id} ({entry.trigger}: {entry.source} to {entry.dest})"
        for problem in _breaks(definition, number, before, entry, document):
            yield f"{where} {problem}"
        if entry.dest == definition.roles_in(entry.dest).granted and entry.source != entry.dest:
            problem = _not_backed(tickets.get(_decisive(case, document, gateway) or ""), document)
            if problem:
                yield f"{where} {problem}"
        before = entry
    last = case.entries[-1] if case.entries else None
    if last is None or (row.seq, row.state) != (last.seq, last.dest):
        end = f"entry {last.seq} in {last.dest}" if last else "no entry"
        yield f"illegal: change {row.id} is at entry {row.seq} in {row.state}, but its history ends with {end}"
    elif _parsed(row.document).get("head") != _digest(list(attrs.astuple(last))):
        yield f"illegal: the digest in change {row.id} does not match its last entry"


def _breaks(
    definition: WorkflowDefinition, number: int, before: EntryRow | None, entry: EntryRow, document: Mapping[str, Any]
) -> Iterator[str]:
    if entry.seq != number:
        yield f"should have number {number}"
    if document.get("previous") != (_digest(list(attrs.astuple(before))) if before else _START):
        yield "does not carry the digest of the entry before it"
    if before is None:
        if (entry.trigger, entry.source, entry.dest) != (_OPENING, "", definition.initial):
            yield f"does not open a history in {definition.initial.value}"
        return
    if entry.source != before.dest:
        yield f"does not start in {before.dest}, where the entry before it ended"
    # The times are not checked, since a clock may be set back. The numbers and digests give the order.
    if entry.source in definition.final and entry.dest != entry.source:
        yield "leads out of a final state"
    rows = [row for row in definition.rows(entry.source, entry.trigger) if (row.dest or entry.source) == entry.dest]
    if not rows:
        yield "matches no row of the table"
    elif document.get("kind") not in {kind.__name__ for row in rows for kind in row.evidence_types}:
        yield f"has {document.get('kind')} as evidence"


def _not_backed(ticket: RecordedTicket | None, document: Mapping[str, Any]) -> str:
    if ticket is None:
        return "approves without a ticket in the ledger"
    if _evidence(document).get("ticket_id") != str(ticket.id):
        return f"approves because of a ticket other than {ticket.id}"
    if ticket.current_status.lower() != TicketStatus.FINISHED or not ticket.approve_result:
        result = "approved" if ticket.approve_result else "not approved"
        return f"approves, but in the ledger ticket {ticket.id} is {ticket.current_status.value} and {result}"
    return ""


# ---------------------------------------------------------------- effects and callbacks


def _effects(
    cases: Sequence[_Case], names: Mapping[str, Sequence[str]], deliveries: Iterable[Delivery]
) -> tuple[int, int, list[str]]:
    due = {(case.row.id, name): case.entered(state) for case in cases for state in names for name in names[state]}
    expected = Counter(due)
    delivered: dict[tuple[str, str], set[str]] = defaultdict(set)
    for one in deliveries:
        delivered[one.change, one.name].add(one.effect)
    findings = []
    for change, name in sorted({*expected, *delivered}):
        wanted, ids = expected[change, name], delivered[change, name]
        if len(ids) != wanted:
            findings.append(
                f"effect: {name} of change {change} is due {wanted} times but was delivered {len(ids)} times"
                + (f" ({', '.join(sorted(ids))})" if ids else "")
            )
    return expected.total(), sum(map(len, delivered.values())), findings


def _accepted(cases: Sequence[_Case], forged: Iterable[Forged]) -> Iterator[str]:
    heard = {
        str(_evidence(document).get("digest")): entry
        for case in cases
        for entry, document in zip(case.entries, case.documents, strict=True)
        if document.get("kind") == "CallbackHeard"
    }
    for one in forged:
        body = _parsed(one.body)
        entry = heard.get(_digest({name: body[name] for name in _HEARD if name in body}))
        if entry is not None:
            yield f"forged: a callback ({one.what}) became entry {entry.seq} of change {entry.change_id}"
        elif one.status in _ACCEPTED:
            yield f"forged: a callback ({one.what}) was acknowledged with HTTP {one.status}"
