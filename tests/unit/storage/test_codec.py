"""Changes and entries as stored rows, and back."""

from __future__ import annotations

import datetime as dt
import json
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from itsm_workflow.change import (
    WITHDRAW,
    Attention,
    AttentionReason,
    Decider,
    EffectStatus,
    LastCallback,
    Moment,
    Outcome,
    TicketDecision,
)
from itsm_workflow.errors import InvalidForm, StorageCorrupt, StorageSchemaError
from itsm_workflow.machine import evidence as ev
from itsm_workflow.machine.approval import COLLECTOR_CHANGE
from itsm_workflow.storage import codec
from itsm_workflow.storage.checks import check_writes
from itsm_workflow.storage.codec import START, Codec, Stored
from itsm_workflow.storage.documents import SCHEMA, entry_digest
from itsm_workflow.storage.protocol import MAX_TEXT_BYTES, EntryRow, Row, ticket_key
from itsm_workflow.strict import canonical, parse, stored_text
from itsm_workflow.testing import strategies as s
from tests.stateful.walk import walks
from tests.support import examples as x

if TYPE_CHECKING:
    from itsm_workflow.change import ChangeRequest, Entry
    from itsm_workflow.storage.protocol import Write
    from itsm_workflow.testing.strategies import Walk

CODEC = Codec({**COLLECTOR_CHANGE.evidence_types, "Drafted": ev.Drafted})

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
MOMENT = Moment(wall=x.later(3), boot_id="b1", boot=7, gateway=x.later(4))
DECIDER = Decider(user="bob", approved=False, remark="not enough disk", at=x.later(5))

EVERY_TYPE = [
    ev.Decision(reason="not wanted"),
    ev.AbsenceAttested(reason="the space waits for it", evidence="the list of alice's tickets is empty"),
    ev.Drafted(form=attrs.evolve(x.FORM, content="all of them", fields={"a": [1, None, {"b": 0.5}]})),
    x.submission(number=3, effects={"approved": ("start",)}, trace=TRACE),
    ev.SubmissionNumber(number=4),
    ev.ApprovalAttested(ticket_id="7", approver="bob", evidence="the page shows his approval"),
    x.mark(problem="connection reset", at=MOMENT),
    ev.LookupNoted(number=2, answered=False, problem="no answer", at=MOMENT),
    x.confirmed(
        channel=ev.Channel.OPERATOR,
        problem="its key was not shown",
        differences=("title: sent a, shows b",),
        override="the approver renamed it",
    ),
    ev.Refusal(number=1, owner="w1", remote_code=3900003, message="no", looked_up=True),
    ev.CallbackHeard(sn="REQ7", digest="0" * 64, number=1),
    ev.Undelivered(sn="REQ7"),
    x.finished(
        approved=False,
        step_running=False,
        decision="false",
        ambiguous=True,
        closed_by="bob",
        deciders=(DECIDER,),
        inconclusive="its log is too large",
        differences=("creator: sent alice, shows zoe",),
    ),
    ev.LateTicket(gateway="bk_itsm", id="8", sn="REQ8"),
    ev.Concern(reason=AttentionReason.DUPLICATE, facts={"tickets": "7, 8"}),
    ev.EffectStart(effect="E1", attempt=8, until=x.later(300), owner="w1"),
    ev.EffectResult(effect="E1", attempt=8, error="boom", final=True, withdrawal=ev.Withdrawal.UNKNOWN),
    ev.EffectRetry(effect="E1", reason="mended"),
]


def written(
    change: ChangeRequest, *entries: Entry, before: Stored | None = None, due_at: dt.datetime | None = None
) -> Write:
    """Return the write of a change."""
    return CODEC.write(before, change, entries, due_at, open_subject=None)[0]


def history(*made: Entry) -> tuple[EntryRow, ...]:
    """Return entries as stored rows, numbered from 1."""
    numbered = [attrs.evolve(entry, seq=number) for number, entry in enumerate(made, start=1)]
    return written(x.DRAFT, *numbered).entries


def edited(row: Row, **values: Any) -> Row:
    """Return the row with values in the change of its document replaced."""
    document: Any = parse(row.document)
    document["change"] |= values
    return attrs.evolve(row, document=canonical(document))


# ---------------------------------------------------------------- round trips


@given(change=s.changes, due_at=st.none() | s.moments, made=st.lists(s.entries, max_size=2))
def test_every_change_comes_back(change: ChangeRequest, due_at: dt.datetime | None, made: list[Entry]) -> None:
    """With its version, due time, and the digest of its last entry; and it is what any store can keep."""
    entries = [attrs.evolve(entry, seq=number) for number, entry in enumerate(made, start=1)]
    write, stored = CODEC.write(None, change, entries, due_at, open_subject="a:b")

    assert stored == CODEC.read(write.row)
    assert change == CODEC.read(write.row).change
    assert (1, len(made), due_at, "a:b") == (stored.version, stored.seq, stored.due_at, write.row.open_subject)
    assert (entry_digest(write.entries[-1]) if made else START) == stored.head
    if made:
        check_writes([write])


@given(made=st.lists(s.entries, min_size=1, max_size=8))
def test_every_entry_comes_back(made: list[Entry]) -> None:
    """With its evidence as the same type with the same facts."""
    numbered = [attrs.evolve(entry, seq=number) for number, entry in enumerate(made, start=1)]

    assert numbered == CODEC.entries(history(*made))


@pytest.mark.parametrize("evidence", EVERY_TYPE, ids=lambda one: type(one).__name__)
def test_every_type_of_evidence_comes_back(evidence: object) -> None:
    """One of each, with all that it can hold."""
    entry = attrs.evolve(x.opened()[1], evidence=evidence)
    [found] = CODEC.entries(history(entry))

    assert entry == found
    assert type(evidence) is type(found.evidence)


def test_every_type_of_evidence_has_a_strategy() -> None:
    """No type of the collector's table is left out above."""
    every = {*COLLECTOR_CHANGE.evidence_types.values(), ev.Drafted}

    assert every == set(s.EVIDENCE)
    assert every == {type(one) for one in EVERY_TYPE}


FULL = attrs.evolve(
    x.with_attention(x.SUSPECTED),
    form=attrs.evolve(x.FORM, content="all of them", fields={"size": 10}),
    attempt=attrs.evolve(
        x.UNKNOWN.expect_attempt(),
        marked_at=x.NOW,
        not_before=x.later(1),
        unknown_since=x.later(2),
        unsent=2,
        looks=3,
        looked=MOMENT,
        unwitnessed=True,
        look_problem="no ticket carries its key",
        trace=TRACE,
    ),
    attention=Attention(reason=AttentionReason.OVERDUE, since=x.later(5), facts={"ticket": "7"}),
    outcome=Outcome.WITHDRAWN,
    ended_at=x.later(6),
    heard=LastCallback(sn="REQ7", digest="0" * 64, at=x.later(7), count=2),
    effects=(
        x.started(
            attempts=8,
            error="boom",
            actor="alice",
            owner="w1",
            claimed_until=x.later(8),
            lost=1,
            retried_after=6,
            unsure=True,
        ),
    ),
    submission=2,
    round=3,
    planned=4,
    effect_names={"approved": ("start",)},
    decision=TicketDecision(deciders=(DECIDER,), attested_by="ops", evidence="seen on the page"),
    contradictions=("RUNNING None",),
    earlier_tickets={"bk_itsm:6": "REQ6"},
    data={"host": [1, None]},
)


def unset(value: object) -> list[str]:
    """Return the fields of a value, and of its parts, that are as if they had not been given."""
    if isinstance(value, tuple):
        return [name for one in value for name in unset(one)]
    kind: Any = type(value)
    if not attrs.has(kind):
        return []
    fields = attrs.fields_dict(kind)
    same = [name for name, field in fields.items() if getattr(value, name) == field.default]
    return same + [f"{name}.{inner}" for name in fields for inner in unset(getattr(value, name))]


def test_a_change_with_everything_in_it_comes_back() -> None:
    """Every field of every part, whichever parts can be together."""
    assert CODEC.read(written(FULL).row).change == FULL


@pytest.mark.parametrize("value", [FULL, *EVERY_TYPE], ids=lambda one: type(one).__name__)
def test_no_field_is_left_out_above(value: object) -> None:
    """One that is added to a stored shape must be added to its example."""
    assert unset(value) == []


@given(walk=walks())
def test_a_whole_walk_comes_back(walk: Walk) -> None:
    """Committed entry by entry, or all at once: the same rows."""
    whole = written(walk.change, *walk.entries)
    stored: Stored | None = None
    rows: list[EntryRow] = []
    for entry in walk.entries:
        write, stored = CODEC.write(stored, walk.change, [entry], None, open_subject=None)
        rows += write.entries

    assert list(whole.entries) == rows
    assert walk.entries == CODEC.entries(rows)
    assert stored is not None
    assert (len(rows), len(rows), entry_digest(rows[-1])) == (stored.version, stored.seq, stored.head)


@given(change=s.changes)
def test_documents_are_canonical(change: ChangeRequest) -> None:
    """Reading a text as JSON and writing it again gives the same text."""
    row = written(change).row

    assert row.document == stored_text(parse(row.document))
    assert row.form == stored_text(parse(row.form or ""))


@given(change=s.changes)
def test_documents_hold_only_what_no_column_holds(change: ChangeRequest) -> None:
    """What is in two places could disagree."""
    document: Any = parse(written(change).row.document)
    held = document["change"]

    assert {"schema", "head", "digest", "change"} == set(document)
    columns = {"id", "workflow", "state", "subject", "form", "created_at", "updated_at", "version", "seq", "due_at"}
    assert not columns & set(held)
    assert not {"gateway", "id", "sn"} & set(held.get("ticket") or {})
    assert "reason" not in (held.get("attention") or {})
    assert set(held) <= {field.name for field in attrs.fields(type(change))}


def test_columns_are_those_of_the_change() -> None:
    """What a store can search is what the change says."""
    change = x.with_attention(x.PENDING)
    row = CODEC.write(None, change, [x.opened()[1]], x.later(9), open_subject="collector_change:collector-1")[0].row

    assert (row.id, row.workflow, row.state, row.attention, row.subject) == (
        x.ID,
        "collector_change",
        "pending",
        "overdue",
        "collector-1",
    )
    assert (row.ticket_key, row.ticket_sn, row.open_subject) == ("bk_itsm:7", "REQ7", "collector_change:collector-1")
    created = int(x.NOW.timestamp()) * 10**6
    assert (1, 1, created, created, created + 9 * 10**6) == (
        row.version,
        row.seq,
        row.created_at,
        row.updated_at,
        row.due_at,
    )
    assert ticket_key(change.expect_ticket().gateway, change.expect_ticket().id) == "bk_itsm:7"


def test_the_form_is_written_once_and_when_it_changes() -> None:
    """In between, None leaves it as it is."""
    first, stored = CODEC.write(None, x.DRAFT, [x.opened()[1]], None, open_subject=None)
    same = CODEC.write(stored, x.QUEUED, [], None, open_subject=None)[0]
    other = attrs.evolve(x.DRAFT, form=attrs.evolve(x.FORM, title="Collect all logs"))
    revised = CODEC.write(stored, other, [], None, open_subject=None)[0]

    assert (isinstance(first.row.form, str), same.row.form) == (True, None)
    assert "Collect all logs" in (revised.row.form or "")
    assert (first.expected_version, same.expected_version, revised.expected_version) == (0, 1, 1)
    assert (same.row.version, same.row.seq) == (2, 1)


def test_what_a_host_keeps_with_a_change_may_be_frozen_all_the_way_down() -> None:
    """Its update need not copy what evidence held; what comes back is plain."""
    kept = MappingProxyType({"hosts": MappingProxyType({"a": (1, 2)})})
    row = written(attrs.evolve(x.PENDING, data=kept)).row

    assert dict(CODEC.read(row).change.data) == {"hosts": {"a": [1, 2]}}


def test_what_has_no_json_form_is_named() -> None:
    """Before anything is stored."""
    with pytest.raises(ValueError, match="is a set, which has no JSON form"):
        written(attrs.evolve(x.PENDING, data=MappingProxyType({"hosts": {"a"}})))


@pytest.mark.parametrize("character", ["a", "é", "接", '"', "🚒"])
@pytest.mark.parametrize("part", ["data", "form", "evidence"])
def test_a_text_is_as_large_as_a_store_takes_and_no_larger(part: str, character: str) -> None:
    """To the byte, whatever its characters take; what is larger is refused by the name of its largest part."""

    def write(value: str) -> str:
        if part == "data":
            return written(attrs.evolve(x.DRAFT, data={"k": value})).row.document
        if part == "form":
            return written(attrs.evolve(x.DRAFT, form=attrs.evolve(x.DRAFT.form, title=value))).row.form or ""
        entry = attrs.evolve(x.opened()[1], evidence=ev.Concern(reason=AttentionReason.OVERDUE, facts={"k": value}))
        return written(x.DRAFT, entry).entries[0].document

    each = len(write(character * 2).encode()) - len(write(character).encode())
    room = MAX_TEXT_BYTES - len(write("").encode())
    largest = character * (room // each) + "a" * (room % each)
    assert len(write(largest).encode()) == MAX_TEXT_BYTES
    with pytest.raises(InvalidForm, match="facts" if part == "evidence" else "data" if part == "data" else "title"):
        write(largest + "a")


def test_a_ticket_id_may_hold_a_colon() -> None:
    """Only the gateway's name may not."""
    change = attrs.evolve(x.PENDING, ticket=attrs.evolve(x.PENDING.expect_ticket(), id="7:a:"))

    assert change == CODEC.read(written(change).row).change


# ---------------------------------------------------------------- what is refused

ATTEMPT: dict[str, Any] = {
    "key": "K1",
    "number": 1,
    "phase": "queued",
    "creator": "alice",
    "service": "17",
    "owner": "w1",
    "submitted_at": 0,
}
SNAPSHOT = {"status": "running", "since": 0}
EFFECT = {"id": "E1", "name": "start", "status": "planned", "due_at": 0}

WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a number for a text": ({"attempt": {**ATTEMPT, "key": 1}}, "must be of type str, not int @ $.attempt.key"),
    "a text for a number": ({"attempt": {**ATTEMPT, "number": "1"}}, "must be of type int, not str @ $.attempt.number"),
    "truth for a number": ({"attempt": {**ATTEMPT, "looks": True}}, "must be of type int, not bool @ $.attempt.looks"),
    "a text for a time": ({"ended_at": "2024-05-17"}, "such as 2026-03-02T08:00:00Z @ $.ended_at"),
    "a time without end": ({"ended_at": 10**30}, "@ $.ended_at"),
    "an unknown phase": ({"attempt": {**ATTEMPT, "phase": "lost"}}, "must be one of queued, sending, unknown"),
    "an unknown outcome": ({"outcome": "fine"}, "must be one of approved, was_approved, rejected, withdrawn"),
    "an unknown key": ({"colour": "red"}, "colour @ $"),
    "an unknown key in a part": ({"suspicion": {**SNAPSHOT, "x": 1}}, "x @ $.suspicion"),
    "a missing key": ({"suspicion": {"status": "running"}}, "is missing @ $.suspicion.since"),
    "a text for a list": ({"contradictions": "ab"}, "must be a list, not str @ $.contradictions"),
    "an object for a list": ({"effects": {"E1": EFFECT}}, "must be a list, not dict @ $.effects"),
    "a wrong item": ({"effects": [{**EFFECT, "status": "done"}]}, "must be one of planned, started, delivered, parked"),
    "a list for a part": ({"attempt": []}, "$.attempt"),
    "a list for a mapping": ({"data": []}, "must be an object, not list @ $.data"),
    "a ticket without its column": (
        {"ticket": {"url": "", "channel": "answer", "recorded_at": 0}},
        "a value for ticket",
    ),
    "attention without its column": ({"attention": {"since": 0}}, "a value for attention"),
    "a ticket that is none": ({"ticket": "REQ7"}, "a value for ticket"),
    "a column in the document": ({"seq": 1}, "seq @ $"),
}


@pytest.mark.parametrize(("values", "problem"), WRONG.values(), ids=WRONG)
def test_a_change_of_another_shape_is_corrupt(values: dict[str, Any], problem: str) -> None:
    """Nothing is coerced or let in; the error names the change and the field."""
    row = edited(written(x.DRAFT).row, **values)
    with pytest.raises(StorageCorrupt) as caught:
        CODEC.read(row)

    assert f"change {x.ID} is not stored as this version wrote it: " in str(caught.value)
    assert problem in str(caught.value)
    assert vars(caught.value)["change_id"] == x.ID


COLUMNS: dict[str, dict[str, Any]] = {
    "no JSON": {"document": "{"},
    "no object": {"document": "[]"},
    "nothing": {"document": "null"},
    "NaN": {"document": '{"schema":2,"head":"x","digest":"x","change":{"data":{"n":NaN}}}'},
    "a key twice": {"document": '{"schema":2,"head":"x","head":"x","digest":"x","change":{}}'},
    "another key": {"document": '{"schema":2,"head":"x","digest":"x","change":{},"more":1}'},
    "no head": {"document": '{"schema":2,"digest":"x","change":{}}'},
    "no digest": {"document": '{"schema":2,"head":"x","change":{}}'},
    "a head that is no text": {"document": '{"schema":2,"head":1,"digest":"x","change":{}}'},
    "a change that is no object": {"document": '{"schema":2,"head":"x","digest":"x","change":[]}'},
    "no schema": {"document": '{"head":"x","digest":"x","change":{}}'},
    "an older schema": {"document": '{"schema":0,"head":"x","digest":"x","change":{}}'},
    "a schema that is true": {"document": '{"schema":true,"head":"x","digest":"x","change":{}}'},
    "a schema with a fraction": {"document": '{"schema":2.0,"head":"x","digest":"x","change":{}}'},
    "a schema that is a text": {"document": '{"schema":"2","head":"x","digest":"x","change":{}}'},
    "no form": {"form": None},
    "a form that is no object": {"form": '"Collect"'},
    "a form without a title": {"form": '{"applicant":"alice"}'},
    "approvers in one text": {"form": '{"title":"t","applicant":"alice","approvers":"bob"}'},
    "a time that is no number": {"created_at": "now"},
    "a ticket that the document lacks": {"ticket_key": "bk_itsm:7", "ticket_sn": "REQ7"},
    "attention that the document lacks": {"attention": "overdue"},
}


@pytest.mark.parametrize("values", COLUMNS.values(), ids=COLUMNS)
def test_a_row_that_cannot_be_true_is_corrupt(values: dict[str, Any]) -> None:
    """Whatever a store gives back instead of what was written."""
    with pytest.raises(StorageCorrupt, match=x.ID):
        CODEC.read(attrs.evolve(written(x.DRAFT).row, **values))


SHAPE = "the document must have a schema from 1 to 2 and exactly these keys: change, digest, head, schema"


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"document": "[]"}, "the document must be an object"),
        ({"document": '{"schema":2,"head":"x"}'}, SHAPE),
        ({"document": '{"schema":0,"head":"x","digest":"","change":{}}'}, SHAPE),
        ({"document": '{"schema":"1","head":"x","digest":"","change":{}}'}, SHAPE),
        ({"document": '{"schema":2,"head":1,"digest":"","change":{}}'}, "head must be a string and change an object"),
        ({"document": '{"schema":2,"head":"x","digest":"","change":[]}'}, "head must be a string and change an object"),
        ({"form": None}, "the form is missing"),
        ({"attention": "overdue"}, "only one of the row's columns and its document has a value for attention"),
        (
            {"ticket_key": "g:1", "ticket_sn": "S"},
            "only one of the row's columns and its document has a value for ticket",
        ),
    ],
)
def test_what_is_wrong_with_a_stored_change_is_said(values: dict[str, Any], problem: str) -> None:
    """In words that tell where to look, not by whatever goes wrong behind it."""
    stored = CODEC.write(None, x.DRAFT, [], None, open_subject=None)[0].row
    with pytest.raises(StorageCorrupt) as caught:
        CODEC.read(attrs.evolve(stored, **values))
    assert str(caught.value).endswith(f": {problem}")


@pytest.mark.parametrize(
    "values", [{"ticket_sn": None}, {"ticket_key": None}, {"attention": None}, {"attention": "tired"}]
)
def test_columns_that_disagree_with_the_document_are_corrupt(values: dict[str, Any]) -> None:
    """A ticket or attention of which a half is gone."""
    with pytest.raises(StorageCorrupt, match=x.ID):
        CODEC.read(attrs.evolve(written(x.with_attention(x.PENDING)).row, **values))


OTHERWISE: dict[str, Any] = {
    "id": "01JZZZZZZZZZZZZZZZZZZZZZZZ",
    "workflow": "another",
    "state": "draft",
    "attention": "duplicate",
    "seq": 8,
    "subject": "collector-2",
    "ticket_key": "bk_itsm:8",
    "submission": 1,
    "ticket_sn": "REQ8",
    "created_at": 1,
    "updated_at": 1,
    "form": '{"applicant":"alice","approvers":["mallory"],"title":"Collect access logs"}',
}


@pytest.mark.parametrize("column", OTHERWISE)
def test_a_row_of_which_a_column_was_changed_is_corrupt(column: str) -> None:
    """Each value is a good one, only not the one that was written."""
    row = CODEC.write(None, x.with_attention(x.PENDING), [], None, open_subject="collector_change:collector-1")[0].row
    with pytest.raises(StorageCorrupt, match="a part of it was changed"):
        CODEC.read(attrs.evolve(row, **{column: OTHERWISE[column]}))


def test_a_row_with_a_part_of_another_is_corrupt() -> None:
    """Neither what the document says of the change, nor the entry that it names as the last one, can be exchanged."""
    row = written(FULL).row
    document: Any = parse(row.document)
    for other in ({"head": "1" * 64}, {"change": {**document["change"], "outcome": "approved"}}):
        with pytest.raises(StorageCorrupt, match="a part of it was changed"):
            CODEC.read(attrs.evolve(row, document=canonical(document | other)))


@pytest.mark.parametrize("due_at", [-(2**62), 2**62])
def test_a_due_time_that_is_none_is_corrupt(due_at: int) -> None:
    """It is in no digest, since a claim moves it alone."""
    with pytest.raises(StorageCorrupt, match=x.ID):
        CODEC.read(attrs.evolve(written(x.PENDING).row, due_at=due_at))


@pytest.mark.parametrize("version", [-126, -1, 0, 2**63 - 1])
def test_a_version_that_none_can_follow_is_corrupt(version: int) -> None:
    """The row's digest does not cover it: a claim moves it, and nothing else of the row."""
    with pytest.raises(StorageCorrupt, match="version"):
        CODEC.read(attrs.evolve(written(x.DRAFT).row, version=version))


def test_every_column_but_those_of_a_claim_is_bound() -> None:
    """A column that is added is bound, or is named here with its reason."""
    moved_by_a_claim, let_go_by_a_repair = {"version", "due_at"}, {"open_subject"}

    assert {*OTHERWISE, *moved_by_a_claim, *let_go_by_a_repair, "document"} == {
        field.name for field in attrs.fields(Row)
    }


def test_a_row_whose_claim_moved_is_read() -> None:
    """A store moves the version and the due time alone, and knows nothing of digests."""
    row = attrs.evolve(written(x.PENDING).row, version=9, due_at=17)

    assert (CODEC.read(row).version, CODEC.read(row).change) == (9, x.PENDING)


def test_a_row_that_a_repair_made_let_go_of_its_subject_is_read() -> None:
    """Another change holds the subject by now; all else is as it was written."""
    row = CODEC.write(None, x.PENDING, [], None, open_subject="collector_change:collector-1")[0].row

    assert CODEC.read(attrs.evolve(row, open_subject=None)).change == x.PENDING


def test_a_withdrawal_of_an_earlier_submission_is_set_aside_in_a_change_of_schema_1() -> None:
    """It was stored as delivered although there was no ticket; one of the ticket that there is stays delivered."""
    at = x.PENDING.expect_attempt().submitted_at

    def statuses(change: ChangeRequest) -> list[EffectStatus]:
        second = dt.timedelta(seconds=1)
        earlier, later = (
            x.planned(EffectStatus.DELIVERED, name=WITHDRAW, due_at=moment) for moment in (at - second, at)
        )
        others = (x.planned(name=WITHDRAW, due_at=at - second), x.planned(EffectStatus.DELIVERED, due_at=at - second))
        held = attrs.evolve(change, effects=(earlier, later, *others))
        return [one.status for one in codec._without_earlier_withdrawals(held).effects]

    kept = [EffectStatus.PLANNED, EffectStatus.DELIVERED]
    assert statuses(x.PENDING) == [EffectStatus.SUPERSEDED, EffectStatus.DELIVERED, *kept]
    assert statuses(attrs.evolve(x.PENDING, ticket=None)) == [EffectStatus.SUPERSEDED] * 2 + kept


def test_a_form_of_an_older_shape_stays_as_it_is_stored() -> None:
    """The new digest covers the stored text, letter for letter."""
    _, stored = CODEC.write(None, x.DRAFT, [], None, open_subject=None)
    older = attrs.evolve(stored, form=stored.form.replace("{", '{"content":"",', 1))
    again = CODEC.write(older, x.DRAFT, [x.opened()[1]], None, open_subject=None)[0]

    assert again.row.form is None
    assert CODEC.read(attrs.evolve(again.row, form=older.form)).change == x.DRAFT
    with pytest.raises(StorageCorrupt, match="a part of it was changed"):
        CODEC.read(attrs.evolve(again.row, form=stored.form))


def test_a_ticket_that_is_a_text_is_corrupt() -> None:
    """Although there is one in the columns, too."""
    with pytest.raises(StorageCorrupt, match=r"\$\.ticket"):
        CODEC.read(edited(written(x.PENDING).row, ticket="REQ7"))


def test_a_newer_schema_is_refused_as_such() -> None:
    """The way out is an upgrade, not a repair."""
    row, [entry] = written(x.DRAFT).row, history(x.opened()[1])
    newer = row.document.replace('"schema":2', '"schema":3')
    with pytest.raises(StorageSchemaError, match=f"change {x.ID} was written by a newer version") as caught:
        CODEC.read(attrs.evolve(row, document=newer))
    with pytest.raises(StorageSchemaError, match=f"entry 1 of change {x.ID} was written by a newer version"):
        CODEC.entries([attrs.evolve(entry, document=entry.document.replace('"schema":2', '"schema":3'))])

    assert (caught.value.found, caught.value.known) == (3, SCHEMA)


def test_no_value_of_a_document_is_told() -> None:
    """An error goes to logs; what was stored may be personal."""
    row = edited(written(x.DRAFT).row, attempt={**ATTEMPT, "number": "0123456789"})
    with pytest.raises(StorageCorrupt) as caught:
        CODEC.read(row)

    assert "0123456789" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_history_begins_with_zeros() -> None:
    """Whoever else reads the rows finds the beginning of the chain."""
    document: Any = parse(history(x.opened()[1])[0].document)

    assert (document["previous"], START) == ("0" * 64, "0" * 64)


@pytest.mark.parametrize("column", ["trigger", "source", "dest", "actor"])
@pytest.mark.parametrize("spoilt", ["al\udcffce", b"alice"], ids=["no text", "bytes"])
def test_a_column_of_an_entry_that_is_no_text_is_corrupt(column: str, spoilt: object) -> None:
    """As damage in a file leaves it; its digest cannot even be made."""
    columns: dict[str, Any] = {column: spoilt}
    row = attrs.evolve(history(x.opened()[1])[0], **columns)
    with pytest.raises(StorageCorrupt, match=r"entry 1 of change .* is not what was written"):
        CODEC.entries([row])


def test_a_history_is_read_page_by_page() -> None:
    """Each page continues the digest of the one before."""
    rows = history(*[x.opened()[1]] * 3)

    assert len(CODEC.entries(rows[2:], previous=entry_digest(rows[1]))) == 1
    with pytest.raises(StorageCorrupt, match=r"^entry 3 of change .* does not continue the entry before it"):
        CODEC.entries(rows[2:], previous=entry_digest(rows[0]))


def test_evidence_of_a_type_that_is_not_known_is_read_as_it_is() -> None:
    """A host that took a trigger out of its table can still show its history."""
    rows = history(x.opened()[1])

    assert (
        Codec({}).entries(rows)[0].evidence["form"]  # type: ignore[index] # a plain mapping
    ) == {"title": "Collect access logs", "applicant": "alice", "approvers": ["bob"]}


@pytest.mark.parametrize(
    "values",
    [
        {"document": "[]"},
        {"document": '{"schema":2}'},
        {"document": json.dumps({"schema": 2, "previous": START, "kind": "Decision", "evidence": [], "effects": []})},
        {"document": json.dumps({"schema": 2, "previous": START, "kind": "Decision", "evidence": {}, "effects": "E1"})},
        {"document": json.dumps({"schema": 2, "previous": None, "kind": "Decision", "evidence": {}, "effects": []})},
        {"at": "now"},
    ],
    ids=["no object", "keys missing", "evidence", "effects", "previous", "time"],
)
def test_an_entry_of_another_shape_is_corrupt(values: dict[str, Any]) -> None:
    """The error names the change and the entry."""
    [row] = history(x.opened()[1])
    with pytest.raises(StorageCorrupt, match=f"entry 1 of change {x.ID} is not what was written: ") as caught:
        CODEC.entries([attrs.evolve(row, **values)])

    assert (vars(caught.value)["change_id"], vars(caught.value)["seq"]) == (x.ID, 1)
