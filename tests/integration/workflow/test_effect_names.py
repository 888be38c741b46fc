"""Which effects a change plans does not depend on the process that moves it; which are delivered does."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from itsm_workflow import COLLECTOR_CHANGE, Effect, EffectCall, Policy, State, Workflow, open_storage
from itsm_workflow.change import AttentionReason, EffectStatus
from itsm_workflow.errors import DefinitionError, StorageConflict, StorageCorrupt
from itsm_workflow.runtime.catalogue import WORKFLOW as CATALOGUE
from itsm_workflow.storage.protocol import Conflict, ConflictKind, Query, Write
from tests.support.attention import reason_of
from tests.support.places import WatchedStore, Witness
from tests.support.world import World, times

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from itsm_workflow import ChangeRequest
    from itsm_workflow.storage.protocol import Row

ROW = "effects.collector_change.1"
NAMED = attrs.evolve(COLLECTOR_CHANGE, effects={State.APPROVED: ("start", "tell")})


def decided(world: World, change: ChangeRequest) -> None:
    """Let the change's ticket be approved."""
    world.start_flow()
    world.decide(world.ticket_of(change), approved=True)


def known(world: World) -> Any:  # noqa: ANN401 - JSON
    """Return what the store knows of the workflow's effects."""
    row = world.store.get(ROW)
    assert row is not None
    return json.loads(row.document)["change"]["effect_names"]


@pytest.fixture(params=["memory", "sqlite", "json"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """Return a world over each kind of store."""
    url = {"memory": "memory://", "sqlite": f"sqlite:///{tmp_path}/a.db", "json": f"json:///{tmp_path}/a.jsonl"}
    world = World(store=WatchedStore(open_storage(url[request.param])))
    yield world
    world.store.close()


# ---------------------------------------------------------------- planning


@pytest.mark.parametrize("definition", [COLLECTOR_CHANGE, NAMED], ids=["named by its effects", "named by its table"])
def test_a_process_without_effects_plans_them_by_the_names_that_were_submitted(definition: Any, world: World) -> None:  # noqa: ANN401 - a definition
    """It takes the callback that approves; the process that has the function delivers."""
    worker = world.workflow(definition=definition)
    change = world.apply(worker)
    decided(world, change)
    web = world.workflow(effects={}, definition=COLLECTOR_CHANGE)

    assert world.knock(web, change) == 200

    left = web.get(change.id)
    assert (left.state, [one.name for one in left.effects][:1]) == (State.APPROVED, ["start"])
    assert left.effects[0].status is EffectStatus.PLANNED
    said = "effect start is due, and this process has no function for it"
    assert said in web.why(change.id)
    assert said in web.status(change.id).effects
    assert said not in worker.why(change.id)
    assert "effect start is due" in worker.why(change.id)
    assert web.reconcile().unchanged == 1
    assert worker.reconcile().moved == 1
    assert [one.effect for one in world.deliveries] == [left.effects[0].id]
    assert worker.get(change.id).effects[0].status is EffectStatus.DELIVERED


def test_names_that_this_process_adds_are_planned_after_those_that_were_submitted(world: World) -> None:
    """An effect that came with a later release follows a change that was submitted before it."""
    change = world.apply(world.workflow())
    decided(world, change)
    later = world.workflow(effects={State.APPROVED: [Effect("tell", print), Effect("start", world._start)]})

    later.settle(change.id)

    assert [one.name for one in later.get(change.id).effects] == ["start", "tell"]


def test_a_renamed_effect_is_delivered_under_its_old_name_and_planned_once(world: World) -> None:
    """The alias says that it is the same one."""
    change = world.apply(world.workflow())
    decided(world, change)
    calls: list[EffectCall] = []
    renamed = world.workflow(effects={State.APPROVED: [Effect("begin", calls.append, aliases=("start",))]})

    renamed.settle(change.id)

    assert [(one.name, one.status) for one in renamed.get(change.id).effects] == [("start", EffectStatus.DELIVERED)]
    assert [call.name for call in calls] == ["start"]


# ---------------------------------------------------------------- submitting


def test_names_that_another_process_adds_later_are_noticed(world: World) -> None:
    """Also by a process that has submitted changes before, and has read the names then."""
    early = world.workflow()
    world.apply(early, subject="collector-1")
    world.apply(early, subject="collector-2")
    later = world.workflow(effects={State.APPROVED: [Effect("start", world._start), Effect("tell", print)]})
    world.apply(later, subject="collector-3")

    with pytest.raises(DefinitionError, match="tell"):
        world.apply(early, subject="collector-4")


@pytest.mark.parametrize("act", ["apply", "submit"])
def test_submitting_without_an_effect_that_the_store_knows_is_refused(act: str, world: World) -> None:
    """It would be lost. The error names it and the ways out; nothing is stored or filed."""
    world.apply(world.workflow())
    web = world.workflow(effects={})
    asked: dict[str, Any] = {"subject": "collector-2", "title": "t", "applicant": "alice", "approvers": ["carol"]}
    draft = web.draft(**asked) if act == "submit" else None
    before = [attrs.astuple(row) for row in world.store.find(Query()).rows]

    with pytest.raises(DefinitionError) as caught:
        web.submit(draft.id) if draft else web.apply(**asked)

    assert str(caught.value) == (
        "this process cannot submit a change of collector_change version 1: the store has effect names that the "
        "process lacks (start of state approved), and these effects would be lost. Give each process the same "
        "definition or the same effects; add the old name of a renamed effect as an alias; or raise the definition's "
        "version to retire a name"
    )
    assert vars(caught.value)["problems"] == ("effect start of state approved",)
    assert [attrs.astuple(row) for row in world.store.find(Query()).rows] == before
    assert len(world.ledger.tickets()) == 1


def test_a_definition_that_names_them_lets_a_process_without_functions_submit(world: World) -> None:
    """The names are what must be the same everywhere."""
    world.workflow(definition=NAMED).reconcile()

    change = world.apply(world.workflow(definition=NAMED, effects={}))

    assert change.effect_names == {"approved": ("start", "tell")}


def test_a_process_that_only_passes_by_makes_its_effects_known(world: World) -> None:
    """So that another one, which has none and never meets it, does not file changes whose effects would be lost."""
    worker, web = world.workflow(), world.workflow(effects={})
    worker.reconcile()

    with pytest.raises(DefinitionError, match="start of state approved"):
        world.apply(web)


def test_an_alias_is_as_good_as_the_name(world: World) -> None:
    """Without it, the renamed effect is refused."""
    world.apply(world.workflow())

    with pytest.raises(DefinitionError, match="start of state approved"):
        world.apply(world.workflow(effects={State.APPROVED: [Effect("begin", print)]}), "collector-2")
    renamed = world.workflow(effects={State.APPROVED: [Effect("begin", print, aliases=("start",))]})
    assert world.apply(renamed, "collector-2").effect_names == {"approved": ("begin",)}
    assert known(world) == {"approved": ["start"]}


def test_a_higher_version_retires_a_name(world: World) -> None:
    """A process with the version before goes on with what it knows, and takes nothing back."""
    old = world.workflow()
    world.apply(old)
    second = attrs.evolve(COLLECTOR_CHANGE, version=2)
    new = world.workflow(definition=second, effects={State.APPROVED: [Effect("begin", print)]})

    assert world.apply(new, "collector-2").effect_names == {"approved": ("begin",)}
    assert world.apply(old, "collector-3").effect_names == {"approved": ("start",)}


def test_a_process_of_an_older_version_loses_no_effect_either(world: World) -> None:
    """What the store knows of its version holds, also after it met a newer one."""
    world.apply(world.workflow())
    second = attrs.evolve(COLLECTOR_CHANGE, version=2)
    world.apply(world.workflow(definition=second, effects={State.APPROVED: [Effect("begin", print)]}), "collector-2")

    with pytest.raises(DefinitionError, match="start of state approved"):
        world.apply(world.workflow(effects={}), "collector-3")


def test_names_are_brought_by_several_processes_at_once(world: World) -> None:
    """Each adds its own to what another one stored meanwhile, or is refused."""
    store = world.store
    assert isinstance(store, WatchedStore)
    one = world.workflow(effects={State.APPROVED: [Effect("start", print)]})
    other = world.workflow(effects={State.APPROVED: [Effect("start", print)], State.REJECTED: [Effect("tell", print)]})

    def overtake(_: object) -> None:
        store.before = lambda _: None
        world.apply(other, "collector-2")

    store.before = overtake
    with pytest.raises(DefinitionError, match="tell of state rejected"):
        world.apply(one)
    assert known(world) == {"approved": ["start"], "rejected": ["tell"]}
    assert [change.subject for change in one.find()] == ["collector-2"]


def test_processes_that_only_reconcile_keep_each_others_names(world: World) -> None:
    """The process whose write lost the race adds its names to those of the other; each pass does so once."""
    store = world.store
    assert isinstance(store, WatchedStore)
    one = world.workflow(effects={State.APPROVED: [Effect("start", print)]})
    other = world.workflow(effects={State.REJECTED: [Effect("tell", print)]})

    def overtake(_: object) -> None:
        store.before = lambda _: None
        other.reconcile()

    store.before = overtake
    one.reconcile()
    assert known(world) == {"approved": ["start"], "rejected": ["tell"]}
    commits = store.commits
    one.reconcile()
    other.reconcile()
    assert store.commits == commits


def test_names_that_lose_every_race_file_nothing_and_name_the_row(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The caller of `submit` gets an error that names the busy row of effect names."""
    assert isinstance(world.store, WatchedStore)
    commit = world.store.inner.commit

    def lost(writes: Sequence[Write]) -> list[Conflict | None]:
        if [write.row.id for write in writes] == [ROW]:
            return [Conflict(kind=ConflictKind.VERSION, change_id=ROW)]
        return commit(writes)

    monkeypatch.setattr(world.store.inner, "commit", lost)
    with pytest.raises(StorageConflict) as caught:
        world.apply(world.workflow())
    assert (caught.value.change_id, caught.value.kind) == (ROW, "version")
    assert not world.ledger.tickets()


def test_the_row_of_effect_names_is_not_a_change(world: World) -> None:
    """Lists, passes and the audit skip it; its history shows when each name was added."""
    workflow = world.workflow()
    change = world.apply(workflow)
    world.clock.advance(301)

    assert [one.id for one in workflow.find()] == [change.id]
    assert workflow.reconcile().due == 1
    assert world.audit().requests == 1
    [row] = world.store.find(Query(workflow=CATALOGUE)).rows
    assert (row.id, row.due_at, row.open_subject, row.attention) == (ROW, None, None, None)
    [entry] = world.store.history(ROW).entries
    assert (entry.trigger, entry.source, entry.dest, entry.actor) == ("name_effects", "", "known", "worker")
    assert json.loads(entry.document)["evidence"] == {"version": 1, "effects": {"approved": ["start"]}}


def test_names_that_are_added_later_keep_the_row_and_its_beginning(world: World) -> None:
    """The row says since when it is there, when it last changed, and that it is the library's own."""
    world.apply(world.workflow())
    first = world.store.get(ROW)
    world.clock.advance(60)
    more = {State.APPROVED: [Effect("start", print)], State.REJECTED: [Effect("tell", print)]}
    world.apply(world.workflow(effects=more), "collector-2")

    row = world.store.get(ROW)
    assert first is not None
    assert row is not None
    assert (first.created_at, first.updated_at) == (row.created_at, row.created_at)
    assert row.updated_at >= first.updated_at + 60_000_000
    assert (row.subject, row.state) == ("collector_change", "known")
    assert json.loads(row.form or "") == {"title": "effects of collector_change", "applicant": "itsm_workflow"}
    assert known(world) == {"approved": ["start"], "rejected": ["tell"]}
    entries = world.store.history(ROW).entries
    assert [(entry.seq, entry.source, entry.dest, entry.at) for entry in entries] == [
        (1, "", "known", first.created_at),
        (2, "known", "known", row.updated_at),
    ]


def test_damage_to_what_the_store_knows_of_effects_stops_no_submission(world: World) -> None:
    """Observers are notified; changes are filed as before."""
    witness = Witness()
    workflow = world.workflow(observers=(witness,))
    world.apply(workflow)
    row = world.store.get(ROW)
    assert row is not None
    spoilt = attrs.evolve(row, version=row.version + 1, seq=row.seq + 1, document="{}")
    entry = attrs.evolve(world.store.history(ROW).entries[0], seq=row.seq + 1)
    assert world.store.commit([Write(row=spoilt, expected_version=row.version, entries=(entry,))]) == [None]

    assert world.apply(workflow, "collector-2").state == State.PENDING
    world.workflow(observers=(witness,)).reconcile()

    assert [(name, type(error)) for name, error in witness.troubles] == [(ROW, StorageCorrupt)] * 2


def test_a_row_that_the_store_itself_calls_damaged_stops_no_submission(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is that row alone: observers are notified of it."""
    witness = Witness()
    workflow = world.workflow(observers=(witness,))
    world.apply(workflow)
    found = world.store.get

    def damaged(change_id: str, /) -> Row | None:
        if change_id == ROW:
            raise StorageCorrupt("a checksum does not hold", change_id=ROW)
        return found(change_id)

    monkeypatch.setattr(world.store, "get", damaged)

    assert world.apply(workflow, "collector-2").state == State.PENDING
    assert [(name, str(error)) for name, error in witness.troubles] == [(ROW, "a checksum does not hold")]


def test_damage_to_the_whole_store_is_not_taken_for_damage_to_that_row(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`submit`, `settle` and `reconcile` raise the error; nothing is filed, and the row is read again the next time."""
    witness = Witness()
    workflow = world.workflow(observers=(witness,))
    change = world.apply(workflow)
    assert isinstance(world.store, WatchedStore)
    inner, fresh = world.store.inner, world.workflow(observers=(witness,))

    def damaged(change_id: str) -> Row | None:
        raise StorageCorrupt(f"the log was replaced, whoever asks for {change_id}", path="store")

    with monkeypatch.context() as replaced:
        replaced.setattr(inner, "get", damaged)
        for call in (
            lambda: world.apply(workflow, "collector-2"),
            fresh.reconcile,
            fresh.reconcile,
            lambda: fresh.settle(change.id),
        ):
            with pytest.raises(StorageCorrupt, match=f"asks for {ROW}"):
                call()
    assert witness.troubles == []
    assert len(world.ledger.tickets()) == 1
    assert fresh.reconcile().finished


# ---------------------------------------------------------------- leaving effects to others


def waiting(world: World, **options: Any) -> tuple[Workflow, ChangeRequest]:
    """Return a process without functions, and a change whose effect is due while its ticket waits."""
    planned = {State.PENDING: [Effect("announce", _fails)], State.APPROVED: [Effect("start", world._start)]}
    change = world.apply(world.workflow(effects=planned, policy=Policy(effect_backoff=dt.timedelta(seconds=1))))
    world.start_flow()
    assert [one.name for one in world.workflow(effects=planned).get(change.id).effects] == ["announce"]
    return world.workflow(effects={}, **options), change


def _fails(_call: object) -> None:
    raise ConnectionError("no answer")


def test_the_rest_of_a_change_goes_on_beside_an_effect_that_is_left(world: World) -> None:
    """Its ticket is read as often as that of any other change, and decides it."""
    other, change = waiting(world)

    def reads(seconds: float) -> int:
        before = world.ledger.requests["get_ticket_info"]
        world.clock.advance(seconds)
        other.reconcile()
        return world.ledger.requests["get_ticket_info"] - before

    assert [reads(seconds) for seconds in (310, 100, 100, 50, 51, 290, 11)] == [1, 0, 0, 0, 1, 0, 1]
    world.decide(world.ticket_of(change), approved=True)
    assert reads(301) == 1
    after = other.get(change.id)
    assert (after.state, [one.name for one in after.effects]) == (State.APPROVED, ["announce", "start"])
    assert [one.status for one in after.effects] == [EffectStatus.PLANNED] * 2


def test_a_callback_is_looked_into_despite_an_effect_of_another_process(world: World) -> None:
    """The look is immediate, as for every callback."""
    other, change = waiting(world)
    world.clock.advance(301)
    other.reconcile()
    world.decide(world.ticket_of(change), approved=True)

    assert world.knock(other, change) == 200

    assert other.get(change.id).state == State.APPROVED


def test_an_effect_that_no_process_knows_raises_attention_once(world: World) -> None:
    """Any process raises it after an hour; it ends when the effect is delivered."""
    witness = Witness()
    owner = world.workflow()
    change = world.apply(owner)
    decided(world, change)
    other = world.workflow(effects={}, observers=(witness,))
    other.settle(change.id)
    world.clock.advance(3599)
    other.reconcile()
    assert other.get(change.id).attention is None
    for _ in range(5):
        world.clock.advance(3600)
        other.reconcile()

    left = other.get(change.id)
    assert left.attention is not None
    assert left.attention.reason is AttentionReason.EFFECT_UNKNOWN
    assert left.attention.facts["effect"] == left.effects[0].id
    assert left.attention.facts["name"] == "start"
    assert times(other, change, "raise_attention") == 1
    assert "run a process that has a function for the effect" in other.why(change.id)
    owner.reconcile()
    delivered = owner.get(change.id)
    assert (delivered.effects[0].status, delivered.attention) == (EffectStatus.DELIVERED, None)


def test_attention_for_an_effect_that_is_not_known_outlives_the_approval(world: World) -> None:
    """The approval clears what it answers, and does not answer this."""
    other, change = waiting(world, policy=Policy(effect_unknown=dt.timedelta(seconds=1)))
    world.clock.advance(301)
    other.reconcile()
    world.decide(world.ticket_of(change), approved=True)
    world.clock.advance(301)
    other.reconcile()

    after = other.get(change.id)
    assert after.state == State.APPROVED
    assert reason_of(after) is AttentionReason.EFFECT_UNKNOWN
    assert times(other, change, "raise_attention") == 1


def test_names_are_noted_once_and_only_where_there_are_some(world: World) -> None:
    """A pass that finds them noted reads and writes nothing for them; a workflow without effects has no row."""
    assert isinstance(world.store, WatchedStore)
    plain = world.workflow(effects={})
    plain.reconcile()
    assert world.store.get(ROW) is None
    workflow = world.workflow(definition=NAMED)
    workflow.reconcile()
    before = world.store.commits
    assert known(world) != {}
    read: list[str] = []
    get = world.store.inner.get

    def noted(change_id: str, /) -> Row | None:
        read.append(change_id)
        return get(change_id)

    world.store.inner.get = noted  # type: ignore[method-assign]  # the case
    workflow.reconcile()
    assert (world.store.commits, read) == (before, [])


def test_the_row_of_the_names_keeps_the_workflow_that_older_versions_wrote() -> None:
    """It is stored: with another one, older rows would count as the changes of another workflow."""
    assert CATALOGUE == "itsm_workflow.catalogue"
