"""Processes that die: at every point of their work, inside SQLite, with the power, and in recovering from a death."""

from __future__ import annotations

import itertools
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import pytest

from tests.faults.cases import row
from tests.faults.mortal import NEW, OLD, MortalWorld, file
from tests.faults.points import Points, steady
from tests.faults.remote import FarWorld

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.faults.cases import Faults
    from tests.faults.mortal import Stage


SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of its own is made there


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Return a folder whose syncs cost nothing, where there is one: a killed process loses no page of the system's."""
    if not os.access(SHARED_MEMORY, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=SHARED_MEMORY) as made:
        yield Path(made)


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
    """File a change by a process that lives."""
    world.live(lambda world: file(world.workflow(), OLD))
    world.asked.append(OLD)
    return world


@row("C1")
def test_c1_simulated_death_at_every_instruction_of_apply(faults: Faults) -> None:
    """Whatever instruction of the library is its last: nothing is lost, doubled or illegal after recovery."""
    points = Points(faults.pick(quick="call", full="opcode"), in_store=False)
    faults.found = steady(lambda: office().live(apply, points))
    for number in faults.cases(range(1, faults.found + 1)):
        world = office()
        with faults.case(number):
            assert world.live(apply, points, die_at=number) == number
            assert not world.life.alive, "the point was not reached"
            world.come_to_rest()
    faults.note(f"apply, simulated death, every {points.grain}: {faults.found} points found, {faults.ran} run")


@pytest.mark.parametrize(
    ("kind", "condition"),
    [
        pytest.param("sqlite", "new", marks=row("C1")),
        pytest.param("sqlite", "used", marks=row("C1", quick=False)),
        pytest.param("json", "new", marks=row("C1", quick=False)),
        pytest.param("json", "used", marks=row("C1")),
    ],
)
def test_c1_sigkill_at_every_line_of_apply(faults: Faults, folder: Path, kind: str, condition: str) -> None:
    """The process is killed for good, in a store that it makes or that others use; the quick profile stores a draft."""
    quick = faults.profile == "quick"
    points = Points("call" if quick else "line", in_store=True, only_store=quick)
    stage = draft if quick else apply
    names = itertools.count()

    def place() -> Killed:
        return Killed(f"{kind}:///{folder / str(next(names))}", new=condition == "new")

    faults.found = steady(lambda: place().count(stage, points))
    for number in faults.cases(f"{kind}-{condition}-{at}" for at in range(1, faults.found + 1)):
        with faults.case(number):
            place().check(stage, points, int(number.rpartition("-")[2]))
    what = f"{stage.__name__} in a {condition} {kind} store, SIGKILL, every {points.grain}"
    faults.note(f"{what}{' of the store' if quick else ''}: {faults.found} points found, {faults.ran} run")


@attrs.frozen
class Killed:
    """One process that is killed on the way, in a store of its own."""

    url: str
    new: bool = attrs.field(kw_only=True)

    def count(self, stage: Stage, points: Points) -> int:
        """Let it get to its end and return how many points it passed."""
        with self._world() as world:
            end = world.dies(stage, points, 0)
            assert not end.error, end.error
            return end.passed

    def check(self, stage: Stage, points: Points, at: int) -> None:
        """Let it be killed, and look whether all is well in the end."""
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
