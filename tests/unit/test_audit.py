"""The audit: silent about a good store, and it names each violation that is planted."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from itsm_workflow import COLLECTOR_CHANGE, BkItsmGateway, Effect, State, Workflow, open_storage
from itsm_workflow.audit import AuditReport, Delivery, Forged, audit
from itsm_workflow.change import AttentionReason
from itsm_workflow.machine.evidence import Concern
from itsm_workflow.sandbox import Sandbox
from itsm_workflow.storage.protocol import EntryRow, Write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.runtime.effects import EffectCall
    from itsm_workflow.sandbox import TicketView
    from itsm_workflow.storage.protocol import Conflict, EntryRows, Query, Row, Rows, StorageBackend

EFFECTS = {"approved": ["start"]}


class Scene:
    """A workflow, its store, and a stand-in whose ledger is the other side of the books."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.storage = open_storage("memory://")
        self.gateway = BkItsmGateway(sandbox.settings())
        self.deliveries: list[Delivery] = []
        self.workflow = Workflow(
            storage=self.storage,
            gateway=self.gateway,
            effects={State.APPROVED: [Effect("start", self._start)]},
            after_callback="later",
        )

    def _start(self, call: EffectCall) -> None:
        self.deliveries.append(Delivery(effect=call.id, name=call.name, change=call.change.id))

    def apply(self, subject: str) -> ChangeRequest:
        """File a change."""
        return self.workflow.apply(subject=subject, title="接入日志", applicant="alice", approvers=["bob"])

    def ended(self, subject: str, *, approved: bool) -> ChangeRequest:
        """File a change, decide its ticket and settle."""
        change = self.apply(subject)
        act = self.sandbox.approve if approved else self.sandbox.reject
        ticket = act(change.expect_ticket().sn)
        self.sandbox.wait(lambda ledger: ledger.by_id(ticket.id).ended)
        return self.workflow.settle(change.id)

    def audit(self, **given: Any) -> AuditReport:
        """Audit what there is."""
        known = {"asked": ["granted", "refused"], "effects_expected": EFFECTS, "deliveries": self.deliveries}
        return audit(given.pop("storage", self.storage), given.pop("ledger", self.sandbox), **{**known, **given})

    def change(self, subject: str) -> ChangeRequest:
        """Return a change by its subject."""
        return self.workflow.resolve(subject)


@pytest.fixture
def scene() -> Iterator[Scene]:
    """Return a good store: one change that was approved, one that was rejected, each as the ledger says."""
    with Sandbox(start_delay=0, decision_delay=0) as sandbox:
        scene = Scene(sandbox)
        scene.ended("granted", approved=True)
        scene.ended("refused", approved=False)
        yield scene
        scene.workflow.close()
        scene.gateway.close()


@attrs.frozen
class OtherLedger:
    """A ledger that says something else than the sandbox's own."""

    views: tuple[TicketView, ...]

    def tickets(self) -> tuple[TicketView, ...]:
        """Return every ticket."""
        return self.views


@attrs.define
class DoctoredStore:
    """A store whose histories are read as ``doctor`` makes them: what no backend would take by itself."""

    kept: StorageBackend
    doctor: Callable[[Sequence[EntryRow]], Sequence[EntryRow]]

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        """Store in the kept store."""
        return self.kept.commit(writes)

    def get(self, change_id: str, /) -> Row | None:
        """Read from the kept store."""
        return self.kept.get(change_id)

    def find(self, query: Query, /) -> Rows:
        """Read from the kept store."""
        return self.kept.find(query)

    def history(self, change_id: str, /, after_seq: int = 0, limit: int = 1000) -> EntryRows:
        """Read from the kept store, and doctor."""
        page = self.kept.history(change_id, after_seq, limit)
        return attrs.evolve(page, entries=tuple(self.doctor(page.entries)))

    def close(self) -> None:
        """Leave the kept store open."""


def digest(entry: EntryRow) -> str:
    """Return an entry's digest, as the documentation of the chain says."""
    text = json.dumps(list(attrs.astuple(entry)), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def append(
    scene: Scene, change_id: str, trigger: str, source: str, dest: str, *, brings: str = "Decision", **document: object
) -> None:
    """Commit an entry, well chained, straight into the store, and the row that follows from it."""
    row = scene.storage.get(change_id)
    assert row is not None
    last = scene.storage.history(change_id).entries[-1]
    chained = {"schema": 2, "previous": digest(last), "kind": brings, "evidence": {}, "effects": [], **document}
    entry = EntryRow(
        change_id=change_id,
        seq=row.seq + 1,
        at=last.at,
        trigger=trigger,
        source=source,
        dest=dest,
        actor="intruder",
        document=json.dumps(chained),
    )
    follows = attrs.evolve(
        row,
        state=dest,
        seq=entry.seq,
        version=row.version + 1,
        document=json.dumps({**json.loads(row.document), "head": digest(entry)}),
    )
    assert scene.storage.commit([Write(row=follows, expected_version=row.version, entries=(entry,))]) == [None]


def test_nothing_is_found_in_a_good_store(scene: Scene) -> None:
    """Every figure adds up, and there is no finding."""
    assert scene.audit() == AuditReport(
        requests=2,
        by_state={"approved": 1, "rejected": 1},
        by_outcome={"approved": 1, "rejected": 1},
        keys=2,
        tickets_created=2,
        duplicate_tickets=0,
        lost_requests=0,
        illegal_transitions=0,
        effects_expected=1,
        effects_delivered=1,
        forged_accepted=0,
        findings=(),
    )


def test_damage_that_the_store_tells_of_itself_is_found(scene: Scene) -> None:
    """It may hide a change from the audit."""

    class Damaged(DoctoredStore):
        def damage(self) -> Sequence[str]:
            return ["row 2 missing from index changes_due_at"]

    report = scene.audit(storage=Damaged(scene.storage, lambda entries: entries))
    assert report.findings == ("damaged: row 2 missing from index changes_due_at",)


def test_histories_longer_than_a_page_are_read_whole(scene: Scene) -> None:
    """All pages of rows and of entries are read: nothing beyond the first is overlooked."""
    change = scene.change("granted")
    page = scene.storage.history(change.id)
    seen = []

    class Short(DoctoredStore):
        def find(self, query: Query, /) -> Rows:
            return self.kept.find(attrs.evolve(query, limit=1))

        def history(self, change_id: str, /, after_seq: int = 0, limit: int = 1000) -> EntryRows:
            seen.append((change_id, after_seq))
            return self.kept.history(change_id, after_seq, 2)

    report = scene.audit(storage=Short(scene.storage, lambda entries: entries))
    assert report == scene.audit()
    assert {(change.id, number) for number in range(0, len(page.entries), 2)} <= set(seen)


def test_an_entry_beyond_what_the_change_names_is_found(scene: Scene) -> None:
    """Well chained, and no commit brought it."""
    change = scene.change("granted")

    def forged(entries: Sequence[EntryRow]) -> Sequence[EntryRow]:
        if not entries or entries[0].change_id != change.id:
            return entries
        last = entries[-1]
        document = json.loads(last.document) | {"previous": digest(last)}
        return (*entries, attrs.evolve(last, seq=last.seq + 1, document=json.dumps(document)))

    report = scene.audit(storage=DoctoredStore(scene.storage, forged))

    assert any("its history ends with entry" in finding for finding in report.findings)


def test_a_change_that_moves_while_it_is_audited_is_no_finding(scene: Scene) -> None:
    """An entry that is committed between the row and its history belongs to both."""
    change = scene.change("granted")
    moved: list[str] = []

    class Moving(DoctoredStore):
        def history(self, change_id: str, /, after_seq: int = 0, limit: int = 1000) -> EntryRows:
            if change_id == change.id and not moved:
                moved.append(change_id)
                append(scene, change.id, "clear_attention", "approved", "approved")
            return self.kept.history(change_id, after_seq, limit)

    report = scene.audit(storage=Moving(scene.storage, lambda entries: entries))

    assert moved == [change.id]
    assert not [finding for finding in report.findings if "its history ends" in finding or "digest" in finding]


# ---------------------------------------------------------------- tickets


def test_a_second_ticket_with_the_same_key_is_a_duplicate(scene: Scene) -> None:
    """One key, two tickets: the finding names the key and both."""
    change = scene.change("granted")
    with scene.sandbox.locked() as ledger:
        second = ledger.file(ledger.by_id(int(change.expect_ticket().id)).draft)
    report = scene.audit()
    assert (report.duplicate_tickets, report.tickets_created, report.lost_requests) == (1, 3, 0)
    (finding,) = report.findings
    assert change.expect_attempt().key in finding
    assert str(second.id) in finding


def test_a_key_is_also_known_by_the_title(scene: Scene) -> None:
    """A gateway that dropped the tag of the second ticket hides nothing."""
    change = scene.change("granted")
    first, *others = scene.sandbox.tickets()
    doubled = OtherLedger((first, attrs.evolve(first, id=77, tag=None), *others))
    assert [change.expect_attempt().key in finding for finding in scene.audit(ledger=doubled).findings] == [True]


def test_a_foreign_ticket_under_our_number_is_none_of_ours(scene: Scene) -> None:
    """What carries no key of ours is not counted, whatever its number."""
    scene.sandbox.duplicate_sn(scene.change("granted").expect_ticket().sn)
    assert (scene.audit().ok, scene.audit().tickets_created) == (True, 2)


def test_a_change_that_was_asked_for_and_is_not_stored_is_lost(scene: Scene) -> None:
    """The caller's own list is compared with the store."""
    report = scene.audit(asked=["granted", "refused", "forgotten"])
    assert (report.requests, report.lost_requests) == (3, 1)
    assert report.findings == ("lost: a change of forgotten was requested but is not stored",)


def test_no_change_of_a_workflow_that_was_not_examined_passes_unseen(scene: Scene) -> None:
    """A host's own workflow needs its definition: without it, nothing of it would be looked at."""
    own, name = attrs.evolve(COLLECTOR_CHANGE, name="glass"), COLLECTOR_CHANGE.name
    report = scene.audit(definition=own, asked=["granted"], effects_expected={}, deliveries=())
    assert report.findings == (
        f"unexamined: 2 changes of workflow {name} were not examined: pass its definition as definition=",
        f"lost: a change of granted was requested but is stored in workflow {name} only",
    )
    assert (report.requests, report.lost_requests, report.by_state) == (1, 1, {})
    other = scene.audit(definition=own, asked=(), effects_expected={}, deliveries=(), other_workflows=[name])
    assert (other.findings, other.requests) == ((), 0)


def test_a_ticket_whose_change_does_not_know_it_is_lost_until_a_person_is_told(scene: Scene) -> None:
    """An intent with a ticket must be bound to it, or carry attention."""
    scene.sandbox.faults.lose_answer("create_ticket")
    scene.sandbox.faults.status("get_tickets", 502, always=True)
    change = scene.apply("orphaned")
    assert change.ticket is None
    report = scene.audit()
    assert (report.lost_requests, len(report.findings)) == (1, 1)
    assert change.expect_attempt().key in report.findings[0]
    scene.workflow.fire(change.id, "raise_attention", Concern(reason=AttentionReason.HOST), actor="test")
    assert scene.audit().ok


def test_a_ticket_that_the_ledger_does_not_have_is_lost(scene: Scene) -> None:
    """A change bound to nothing that exists is found."""
    report = scene.audit(ledger=OtherLedger(scene.sandbox.tickets()[:1]))
    assert report.lost_requests == 1
    assert scene.change("refused").id in report.findings[0]


# ---------------------------------------------------------------- histories


def test_an_entry_that_the_table_does_not_have_is_illegal(scene: Scene) -> None:
    """A well-chained entry that no row allows is found, and so is leaving a final state."""
    change = scene.change("refused")
    append(scene, change.id, "resume", "rejected", "pending", brings="Snapshot")
    report = scene.audit()
    said = f"illegal: entry 6 of change {change.id} (resume: rejected to pending)"
    assert report.findings == (f"{said} leads out of a final state", f"{said} matches no row of the table")
    assert report.illegal_transitions == 2


def test_an_entry_that_starts_elsewhere_is_illegal(scene: Scene) -> None:
    """The source must be where the entry before led."""
    change = scene.change("refused")
    append(scene, change.id, "reject", "pending", "rejected", brings="Snapshot")
    assert [finding.rpartition(") ")[2] for finding in scene.audit().findings] == [
        "does not start in rejected, where the entry before it ended"
    ]


def test_evidence_of_another_kind_is_illegal(scene: Scene) -> None:
    """The table names the evidence that a trigger must bring."""
    append(scene, scene.change("refused").id, "raise_attention", "rejected", "rejected", brings="Decision")
    assert [finding.rpartition(") ")[2] for finding in scene.audit().findings] == ["has Decision as evidence"]


def test_an_entry_with_a_text_that_is_none_is_illegal(scene: Scene) -> None:
    """As damage in a file leaves it; the audit goes on."""

    def damaged(entries: Sequence[EntryRow]) -> Sequence[EntryRow]:
        return [attrs.evolve(entry, actor="al\udcffce") if entry.seq == 2 else entry for entry in entries]

    report = scene.audit(storage=DoctoredStore(scene.storage, damaged))
    assert report.illegal_transitions == report.requests > 0


def test_an_entry_without_the_digest_of_the_one_before_is_illegal(scene: Scene) -> None:
    """A history that was cut and sewn is found."""
    change = scene.change("refused")
    append(scene, change.id, "raise_attention", "rejected", "rejected", brings="Concern", previous="0" * 64)
    assert [finding.rpartition(") ")[2] for finding in scene.audit().findings] == [
        "does not carry the digest of the entry before it"
    ]


def test_an_approval_that_the_ledger_does_not_back_is_illegal(scene: Scene) -> None:
    """An approve entry with a plausible snapshot is found out by the ticket itself."""
    change = scene.apply("impatient")
    ticket = change.expect_ticket()
    evidence = {"ticket_id": ticket.id, "sn": ticket.sn, "status": "finished", "approve_result": True}
    append(scene, change.id, "approve", "pending", "approved", brings="Snapshot", evidence=evidence)
    report = scene.audit()
    assert [finding.rpartition(") ")[2] for finding in report.findings if finding.startswith("illegal")] == [
        f"approves, but in the ledger ticket {ticket.id} is RUNNING and not approved"
    ]


def test_an_approval_on_account_of_another_ticket_is_illegal(scene: Scene) -> None:
    """The snapshot must be of the very ticket that the change is bound to."""
    change, other = scene.apply("impatient"), scene.change("granted").expect_ticket()
    append(scene, change.id, "approve", "pending", "approved", brings="Snapshot", evidence={"ticket_id": other.id})
    (finding,) = [one for one in scene.audit().findings if one.startswith("illegal")]
    assert finding.endswith(f"approves because of a ticket other than {change.expect_ticket().id}")


def test_an_approval_whose_ticket_is_not_in_the_ledger_is_illegal(scene: Scene) -> None:
    """No ticket, no approval."""
    report = scene.audit(ledger=OtherLedger(scene.sandbox.tickets()[1:]))
    assert (report.illegal_transitions, report.lost_requests) == (1, 1)
    assert report.findings[-1].endswith("approves without a ticket in the ledger")


def test_an_approval_that_was_taken_back_in_the_ledger_is_illegal(scene: Scene) -> None:
    """Finished and not approved backs no approval."""
    first, second = scene.sandbox.tickets()
    report = scene.audit(ledger=OtherLedger((attrs.evolve(first, approve_result=False), second)))
    assert report.findings[0].endswith(f"in the ledger ticket {first.id} is FINISHED and not approved")


@pytest.mark.parametrize(
    ("doctor", "finding"),
    [
        (lambda entries: (*entries[:2], *entries[3:]), "should have number 3"),
        (lambda entries: entries[:-1], "its history ends with entry"),
        (lambda _: (), "its history ends with no entry"),
        (
            lambda entries: (attrs.evolve(entries[0], trigger="submit"), *entries[1:]),
            "does not open a history in draft",
        ),
        (lambda entries: (*entries[:-1], attrs.evolve(entries[-1], at=1)), "does not match its last entry"),
        (lambda entries: (*entries[:-1], attrs.evolve(entries[-1], document="{")), "does not carry the digest"),
        (lambda entries: (*entries[:-1], attrs.evolve(entries[-1], actor="x")), "does not match its last entry"),
        (
            lambda entries: (*entries[:1], attrs.evolve(entries[1], actor="x"), *entries[2:]),
            "does not carry the digest",
        ),
    ],
)
def test_a_history_that_no_store_would_take_is_illegal(
    scene: Scene, doctor: Callable[[Sequence[EntryRow]], Sequence[EntryRow]], finding: str
) -> None:
    """Gaps, a missing beginning or end, and edits are found wherever they come from."""
    report = scene.audit(storage=DoctoredStore(scene.storage, doctor))
    assert report.illegal_transitions >= 2
    assert any(finding in found for found in report.findings)


# ---------------------------------------------------------------- effects


def test_an_effect_that_was_skipped_is_found(scene: Scene) -> None:
    """Each change that entered the state is due its effect."""
    change = scene.change("granted")
    report = scene.audit(deliveries=[])
    assert (report.effects_expected, report.effects_delivered) == (1, 0)
    assert report.findings == (f"effect: start of change {change.id} is due 1 times but was delivered 0 times",)


def test_a_repeat_under_the_same_id_is_one_delivery(scene: Scene) -> None:
    """At least once is what is promised."""
    assert scene.audit(deliveries=scene.deliveries * 3).ok


def test_a_delivery_under_a_second_id_is_found(scene: Scene) -> None:
    """A host that knows repeats by id would do the work twice."""
    again = attrs.evolve(scene.deliveries[0], effect="another")
    report = scene.audit(deliveries=[*scene.deliveries, again])
    assert (report.effects_expected, report.effects_delivered, len(report.findings)) == (1, 2, 1)


def test_an_effect_of_a_change_that_was_not_approved_is_found(scene: Scene) -> None:
    """Work that was never due is as wrong as work that was not done."""
    early = Delivery(effect="early", name="start", change=scene.change("refused").id)
    (finding,) = scene.audit(deliveries=[*scene.deliveries, early]).findings
    assert finding.endswith("is due 0 times but was delivered 1 times (early)")


# ---------------------------------------------------------------- callbacks


def test_a_forged_callback_that_was_acknowledged_is_found(scene: Scene) -> None:
    """HTTP 200 is what the gateway counts as delivered; a refusal and a body that is no JSON are none."""
    refused = Forged(what="no credential", status=401, body=b"\xff")
    taken = Forged(what="a guess", status=200, body=b"{}")
    report = scene.audit(forged=[refused, taken])
    assert report.forged_accepted == 1
    assert report.findings == ("forged: a callback (a guess) was acknowledged with HTTP 200",)


def test_a_forged_callback_that_became_an_entry_is_found(scene: Scene) -> None:
    """Whatever it was answered: an entry that holds the body's digest proves that it was believed."""
    change = scene.apply("called")
    with scene.sandbox.locked() as ledger:
        meta = ledger.by_id(int(change.expect_ticket().id)).draft.meta
    texts = dict.fromkeys(("title", "current_status", "ticket_url", "update_at", "updated_by", "token"), "text")
    body = json.dumps({**texts, "sn": change.sn, "approve_result": True, "last_approver": "bob"}).encode()
    answer = scene.workflow.receive(method="POST", path=meta["callback_url"], headers=meta["headers"], body=body)
    assert answer.status == 200
    report = scene.audit(forged=[Forged(what="planted", status=401, body=body)])
    assert report.forged_accepted == 1
    assert report.findings[0].startswith("forged: a callback (planted) became entry 5")
