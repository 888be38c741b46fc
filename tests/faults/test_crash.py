"""Processes that die at every point of their work, inside SQLite, in a power cut, and during a recovery."""

from __future__ import annotations

import itertools
import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import pytest

from itsm_workflow_backends.json_file import JSONFileBackend
from tests.faults.cases import row
from tests.faults.damage import Remembering, check_cut
from tests.faults.host import environment_of
from tests.faults.mortal import ACTS, NEW, OLD, MortalWorld, file
from tests.faults.nested import SCENARIOS, Deaths
from tests.faults.order import traced
from tests.faults.points import Points, steady
from tests.faults.power import Disk
from tests.faults.remote import FarWorld
from tests.faults.syscalls import run_preloaded
from tests.support.office import Office
from tests.support.world import World

if TYPE_CHECKING:
    from tests.faults.cases import Faults
    from tests.faults.damage import State
    from tests.faults.mortal import Stage


def apply(world: MortalWorld) -> None:
    """File a change."""
    file(world.workflow(), NEW)


def draft(world: MortalWorld) -> None:
    """Store a draft, which is one commit."""
    world.workflow().draft(subject=NEW, title="接入日志", applicant="alice", approvers=["carol"])


def office() -> MortalWorld:
    """Return a world in memory, with a change that was filed before."""
    return with_a_change(MortalWorld())


def with_a_change(world: MortalWorld) -> MortalWorld:
    """File a change in a process that lives."""
    world.live(lambda world: file(world.workflow(), OLD))
    world.asked.append(OLD)
    return world


_QUICK_POINTS = 14
"""The approximate number of kill points of a store in the quick profile, evenly spread; the full profile runs all."""


@row("C1")
def test_c1_simulated_death_at_every_line_of_apply(faults: Faults) -> None:
    """At any last line of the library nothing is lost, doubled or illegal after recovery."""
    points = faults.pick(quick=Points("call", only=ACTS), full=Points("line"))
    faults.found = steady(lambda: office().live(apply, points))
    for number in faults.cases(range(1, faults.found + 1)):
        world = office()
        with faults.case(number):
            assert world.live(apply, points, die_at=number) == number
            assert not world.life.alive, "the point was not reached"
            world.come_to_rest()
    grain = faults.pick(quick="act", full="line")
    faults.note(f"apply, simulated death, every {grain}")


@pytest.mark.parametrize(
    ("kind", "condition"),
    [
        pytest.param("sqlite", "new", marks=row("C1")),
        pytest.param("sqlite", "used", marks=row("C1", quick=False)),
        pytest.param("json", "new", marks=row("C1", quick=False)),
        pytest.param("json", "used", marks=[row("C1"), pytest.mark.long]),
    ],
)
def test_c1_sigkill_at_every_line_of_the_store(faults: Faults, folder: Path, kind: str, condition: str) -> None:
    """The process is really killed, in a new store or in one that others use; the quick profile stores a draft.

    What runs outside of the store changes memory alone, which a simulated death loses as well.
    """
    quick = faults.profile == "quick"
    points = Points("call" if quick else "line", in_store=True, only_store=True)
    stage = draft if quick else apply
    names = itertools.count()

    def place() -> Killed:
        return Killed(f"{kind}:///{folder / str(next(names))}", new=condition == "new")

    with FarWorld(0, place().url) as world:
        with_a_change(world)  # fills this process's caches, which the recovery after some kills would else fill later
    total = steady(lambda: place().count(stage, points))
    step = max(1, total // _QUICK_POINTS) if quick else 1
    numbers = range(1, total + 1, step)
    faults.found = len(numbers)
    for number in faults.cases(f"{kind}-{condition}-{at}" for at in numbers):
        with faults.case(number):
            place().check(stage, points, int(number.rpartition("-")[2]))
    what = f"{stage.__name__} in a {condition} {kind} store, SIGKILL, every {points.grain}"
    faults.note(f"{what} of the store{f', each {step} of {total}' if quick else ''}")


@attrs.frozen
class Killed:
    """A process that is killed during its work, in a new store."""

    url: str
    new: bool = attrs.field(kw_only=True)

    def count(self, stage: Stage, points: Points) -> int:
        """Let it complete its work, and return the number of points that it passed."""
        with self._world() as world:
            end = world.dies(stage, points, 0)
            assert not end.error, end.error
            world.come_to_rest()  # the next child inherits filled caches and compiled code
            return end.passed

    def check(self, stage: Stage, points: Points, at: int) -> None:
        """Kill it at a point, and check every promise in the end."""
        with self._world() as world:
            end = world.dies(stage, points, at)
            assert end.struck, end.error or "the point was not reached"
            world.come_to_rest()
        for path in self._files():
            path.unlink()

    def _world(self) -> FarWorld:
        world = FarWorld(0, self.url)
        if self.new:
            world.store.close()
            for path in self._files():
                path.unlink()
        else:
            with_a_change(world)
        return world

    def _files(self) -> list[Path]:
        path = Path("/" + self.url.partition("////")[2])
        return list(path.parent.glob(path.name + "*"))


@pytest.mark.parametrize("moment", ["killed-before", "killed-after"])
@row("C2", quick=False)
def test_c2_death_inside_sqlite(faults: Faults, folder: Path, moment: str) -> None:
    """After SIGKILL at each call by which SQLite changes a file, the file is whole, and every promise holds."""
    run_preloaded(faults, folder, "death", "sqlite", moment)
    faults.note(f"{moment} each write, sync, cut and unlink of an apply in SQLite")


@pytest.mark.long
@pytest.mark.parametrize("name", SCENARIOS)
@row("C3")
def test_c3_death_in_work_and_in_its_recoveries(faults: Faults, name: str) -> None:
    """If a process, the one that recovers and the next one die, nothing is lost, doubled or illegal."""
    act = Points("call", only=ACTS)
    deaths = Deaths(SCENARIOS[name], faults.pick(quick=[act, act], full=[Points("call"), act, act]))
    by_depth: Counter[int] = Counter()
    for path, world in deaths.all() if faults.only is None else deaths.of(named(faults.only, name)):
        by_depth[len(path)] += 1
        for key in faults.cases([f"{name}-{'-'.join(map(str, path))}"]):
            with faults.case(key):
                world.come_to_rest()
    faults.found = by_depth.total()
    runs = ", ".join(f"{count} runs with {depth}" for depth, count in sorted(by_depth.items()))
    first = faults.pick(quick="an act", full="a call")
    faults.note(f"{name}: {runs} deaths in a row; the first at {first}, later ones at an act")


def named(case: str, name: str) -> list[tuple[int, ...]]:
    """Return the path of a case of a scenario, without enumerating the others."""
    scenario, *way = case.split("-")
    return [tuple(map(int, way))] if scenario == name else []


@row("C4")
def test_c4_power_goes_in_a_json_store(faults: Faults, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With any part of the unsynced data, acknowledged commits are there, and no commit is there in part."""
    one = folder / "one"
    one.mkdir()
    states: list[State] = [{}]
    disk = Disk(one, lambda: len(states) - 1, every=faults.pick(quick=64, full=1))
    with monkeypatch.context() as patch:
        disk.watch(patch)
        backend = JSONFileBackend(one / "changes.json", compact_at=faults.pick(quick=2**20, full=6000))
        store = Remembering(backend, states)
        world = World(store=store)  # type: ignore[arg-type] # it passes on what it does not have
        workflow = world.workflow()
        if faults.profile == "quick":
            workflow.draft(subject="collector-1", title="t", applicant="alice", approvers=["carol"])
        else:
            world.approved(workflow)
            world.gateway.deliver(workflow.receive)
        disk.lose_power()
        backend.close()
    faults.found = len(disk.cuts)
    set_aside = 0
    for number in faults.cases(range(len(disk.cuts))):
        cut = disk.cuts[number]
        with faults.case(number):
            set_aside += check_cut(folder / "other", cut, states)
    faults.note(f"states of the disk after a power cut; in {set_aside} a change was set aside")


@pytest.mark.parametrize("kind", ["sqlite", "json"])
@row("C5", quick=False)
def test_c5_intent_is_synced_before_it_is_sent(faults: Faults, tmp_path: Path, kind: str) -> None:
    """By its system calls, no byte of a create is sent over HTTP while a write to the store is not synced."""
    count = faults.pick(quick=10, full=500)
    url = f"{kind}:///{tmp_path}/changes"
    with Office("memory://") as office:
        environment = {**os.environ, **environment_of(office)}
        sent = traced(url, count, environment, tmp_path / "calls")
        filed = len(office.sandbox.tickets())
    assert (len(sent), filed) == (count, count)
    for number, one in faults.cases(enumerate(sent)):
        with faults.case(number):
            assert one.unsynced == (), f"create {number} was sent while {one.unsynced} was not synced"
    faults.note(f"{kind}: {len(sent)} creates, each sent after the sync")
