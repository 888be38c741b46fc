"""A disk that fails, is full, read-only or damaged, and other objects at the path of the store."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
from random import Random
from typing import TYPE_CHECKING, ParamSpec

import pytest

from itsm_workflow import open_storage
from itsm_workflow.errors import StorageError, StorageUnavailable
from itsm_workflow.storage import files
from itsm_workflow.testing.conformance._rows import create
from itsm_workflow_backends.json_file import JSONFileBackend
from itsm_workflow_backends.sqlite import SQLiteBackend
from tests.faults import disks, logs
from tests.faults.cases import row
from tests.faults.damage import ids_in, must_refuse_writes, read, read_by_workflow, spoiled, whole
from tests.faults.disks import filled, immutable, no_file_beyond, read_only, small_disk, told_by_list
from tests.faults.mortal import NEW, OLD, MortalWorld, file
from tests.faults.remote import FarWorld
from tests.faults.stores import opened
from tests.faults.syscalls import TROUBLES, run_preloaded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from itsm_workflow import Workflow
    from itsm_workflow.form import FormArguments
    from tests.faults.cases import Faults
    from tests.faults.damage import Whole


P = ParamSpec("P")


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Disable the log, since the library reports every injected fault."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("trouble", [name for name in TROUBLES if not name.startswith("killed")])
@pytest.mark.parametrize("kind", ["sqlite", "json"])
@row("S1", quick=False)
def test_s1_call_of_the_system_fails(faults: Faults, folder: Path, kind: str, trouble: str) -> None:
    """An error of each call of an apply that changes a file is raised or does no harm, and nothing is sent."""
    run_preloaded(faults, folder, "trouble", kind, trouble)
    faults.note(f"{kind}, {trouble}")


# ---------------------------------------------------------------- damage


@row("S4")
def test_s4_json_file_is_cut_at_every_byte(faults: Faults, folder: Path) -> None:
    """Only whole changes are read, and the file is left unchanged."""
    store = whole(f"json:///{folder}/changes.json")
    content = store.files["changes.json"]
    step = faults.pick(quick=41, full=1)
    for length in faults.cases(range(0, len(content), step)):
        with faults.case(length), store.damaged({"changes.json": content[:length]}):
            found = read(store.url, list(store.now))
            commits = content[:length].count(b"\n") - 1
            if commits < 0:
                assert all(isinstance(one, StorageError) for one in found.values()), "it was reset"
            else:
                assert found == {name: store.states[commits].get(name) for name in store.now}
            assert store.path.read_bytes() == content[:length]
    faults.note(
        f"cut at every {step}th of {len(content)} bytes" if step > 1 else f"cut at each of {len(content)} bytes"
    )


@row("S4")
def test_s4_json_file_is_cut_beside_what_says_where_it_ended(faults: Faults, folder: Path) -> None:
    """A lost acknowledged commit is reported; writes on it are refused, and no data is invented."""
    store = whole(f"json:///{folder}/changes.json")
    content, end = store.files["changes.json"], store.files["changes.json.end"]
    step = faults.pick(quick=331, full=7)
    for length in faults.cases(range(0, len(content), step)):
        files = {"changes.json": content[:length], "changes.json.end": end}
        with faults.case(length), store.damaged(files):
            commits = content[:length].count(b"\n") - 1
            found = read(store.url, list(store.now))
            if commits >= 0:
                missing = len(store.states) - 1 - commits
                with contextlib.closing(JSONFileBackend(store.path)) as opened:
                    assert f"{missing} commit(s) that were acknowledged are missing" in "".join(opened.damage())
                assert found == {name: store.states[commits].get(name) for name in store.now}
            assert store.path.read_bytes() == content[:length]
    faults.note(f"cut at every {step}th of {len(content)} bytes, with the file `.end` in place")


@row("S4")
@pytest.mark.long
def test_s4_json_file_with_a_bit_flipped(faults: Faults, folder: Path) -> None:
    """A change is read correctly, or the damage is reported and writes are refused; other changes are unaffected."""
    store = whole(f"json:///{folder}/changes.json")
    content = store.files["changes.json"]
    step = faults.pick(quick=131, full=1)
    hit = 0
    for bit in faults.cases(range(0, (len(content) - 1) * 8, step)):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        with faults.case(bit), store.damaged({"changes.json": bytes(flipped)}):
            found = _truth_or_told(store)
            named = _named_at(content, bit // 8)
            if named is not None:
                hit += 1
                assert [name for name in found if isinstance(found[name], StorageError)] == sorted(named)
            assert store.path.read_bytes() == flipped
    faults.note(
        f"bits flipped in {len(content)} bytes, in steps of {step}; {hit} of the flips damaged one change alone"
    )


@pytest.mark.long
@row("S4")
def test_s4_json_file_with_lines_swapped_repeated_taken_out_or_from_another_store(faults: Faults, folder: Path) -> None:
    """As with bits, the change is read correctly or the damage is reported; a blank line is ignored."""
    (folder / "other").mkdir()
    (folder / "one").mkdir()
    other = whole(f"json:///{folder}/other/changes.json", seed=1).files["changes.json"].splitlines(keepends=True)
    store = whole(f"json:///{folder}/one/changes.json")
    lines = store.files["changes.json"].splitlines(keepends=True)
    places = range(len(lines))
    edits = {
        **{f"swap-{a}-{b}": _swapped(lines, a, b) for a in places for b in places if a < b},
        **{f"repeat-{a}-at-{b}": [*lines[:b], lines[a], *lines[b:]] for a in places for b in places},
        **{f"blank-at-{b}": [*lines[:b], b" \n", *lines[b:]] for b in places},
        **{f"without-{a}": [*lines[:a], *lines[a + 1 :]] for a in places[:-1]},
        **{f"foreign-{a}-at-{b}": [*lines[:b], other[a], *lines[b:]] for a in places for b in places},
    }
    for name in faults.cases(edits):
        with faults.case(name), store.damaged({"changes.json": b"".join(edits[name])}):
            found = _truth_or_told(store)
            assert not name.startswith("blank") or found == store.now, "a blank line is nothing"


def _swapped(lines: list[bytes], a: int, b: int) -> list[bytes]:
    swapped = list(lines)
    swapped[a], swapped[b] = swapped[b], swapped[a]
    return swapped


def _truth_or_told(store: Whole) -> dict[str, object]:
    """Fail unless each change is read as it is, or in an older state that refuses writes, or an error reports it."""
    found = read(store.url, list(store.now))
    for name, one in found.items():
        if isinstance(one, StorageError) or one == store.now[name]:
            continue
        known = [state.get(name) for state in store.states]
        assert one in known, f"{name} was read as it never was"
        must_refuse_writes(store.url, one[0] if one else store.now[name][0])
    return dict(sorted(found.items()))


def _named_at(content: bytes, place: int) -> set[str] | None:
    """Return the changes in the line whose body is at this place; None if the place is outside of every body."""
    start = content.rfind(b"\n", 0, place) + 1
    end = content.find(b"\n", start)
    body = content.find(b'"changes":', start, end)
    if body < 0 or place < body or place >= end - len(b'"}'):
        return None
    return {held[0] for held in json.loads(content[start : end + 1])["names"]["holds"]}


@row("S5")
def test_s5_sqlite_file_is_damaged(faults: Faults, folder: Path) -> None:
    """With a damaged page, header or length each change is read as it is, or the damage is reported."""
    store = whole(f"sqlite:///{folder}/changes.db")
    content = store.files["changes.db"]
    with store.damaged(store.files):
        truth = read_by_workflow(store)
    told = 0
    for seed in faults.cases(range(faults.pick(quick=100, full=2000))):
        with faults.case(seed), store.damaged({"changes.db": spoiled(content, Random(seed))}):
            found, listed = read_by_workflow(store), ids_in(store.url)
            told += any(isinstance(one, StorageError) for one in [*found.values(), listed])
            assert listed != [], "an empty store was put in its place"
            for name, one in found.items():
                assert isinstance(one, StorageError) or one == truth[name], f"{name} was read as it never was"
    faults.note(f"{told} of {faults.ran} damages were reported; with the others every change was read as it is")


KINDS = ("link", "dangling link", "fifo", "folder", "hard link", "socket", "device")


@pytest.mark.parametrize("kind", ["sqlite", "json"])
@row("S6")
def test_s6_something_else_stands_at_the_path(faults: Faults, folder: Path, kind: str) -> None:
    """It is refused immediately, and neither it nor its target is changed."""
    ends = ("", "-wal", "-shm", "-journal") if kind == "sqlite" else ("", ".lock")
    for key in faults.cases(f"{kind}{end}:{what}" for end in ends for what in KINDS):
        end, what = key.removeprefix(kind).split(":")
        place = folder / f"{kind}{end}-{what}"
        place.mkdir()
        target = place / "target"
        target.write_bytes(b"somebody else's")
        if end:
            open_storage(f"{kind}:///{place}/store").close()
        path = place / f"store{end}"
        path.unlink(missing_ok=True)
        with _made(path, what, target), faults.case(key):
            told = _refusal(lambda url: open_storage(url).close(), f"{kind}:///{place}/store")
            assert str(path) in told, told
            assert target.read_bytes() == b"somebody else's"
            assert not os.path.lexists(place / "nowhere")


def _refusal(act: Callable[P, object], *given: P.args, **options: P.kwargs) -> str:
    """Return the text of the error that a call raises."""
    try:
        act(*given, **options)
    except StorageUnavailable as error:
        return str(error)
    except StorageError as error:
        raise AssertionError(f"it was taken for something else: {error}") from error
    raise AssertionError("it was not refused")


def _made(path: Path, what: str, target: Path) -> socket.socket:
    """Put an object at the path; the returned stack removes it when it is closed."""
    held = socket.socket(socket.AF_UNIX)
    match what:
        case "link":
            path.symlink_to(target)
        case "dangling link":
            path.symlink_to(target.with_name("nowhere"))
        case "fifo":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
        case "hard link":
            path.hardlink_to(target)
        case "socket":
            held.bind(str(path))
        case _:
            path.symlink_to("/dev/zero")
    return held


# ---------------------------------------------------------------- the log of a SQLite store


@row("S7")
def test_s7_log_is_removed_or_replaced_under_processes(faults: Faults, folder: Path) -> None:
    """The calls after it raise an error or work, and no acknowledged commit is lost silently."""
    told = there = 0
    keys = [(how, holders, point) for how in logs.STRIKES for holders in (1, 2) for point in range(1, logs.CALLS)]
    for how, holders, point in faults.cases(keys):
        with faults.case((how, holders, point)):
            place = folder / f"{how}-{holders}-{point}"
            place.mkdir()
            work = logs.Committing(place / "changes.db", holders)
            work.run(how=how, point=point)
            assert work.errors, "it was not noticed"
            told += len(work.errors)
            log = place / "changes.db-wal-away"
            there += logs.check(work.path, work.acknowledged, log=log if log.exists() else None)
    faults.note(
        f"{told} calls raised an error; {there} of {faults.ran} stores were complete, the others with their log back"
    )


@row("S7")
def test_s7_file_is_copied_without_its_log(faults: Faults, folder: Path) -> None:
    """A copy made after each commit of an open store is refused, or has every acknowledged commit."""
    path, whole_ones = folder / "changes.db", 0
    store = opened(f"sqlite:///{path}")
    names: list[str] = []
    for number in faults.cases(range(faults.pick(quick=40, full=1000))):
        with faults.case(number):
            name = f"c{number:04}"
            assert store.commit([create(name, document='"' + "x" * 5000 + '"')]) == [None]
            names.append(name)
            copy = folder / "copy.db"
            copy.write_bytes(path.read_bytes())
            whole_ones += logs.check(copy, names)
            copy.unlink()
    store.close()
    logs.check(path, names)
    faults.note(f"{whole_ones} of {faults.ran} copies were complete, the others were refused")


@row("S8", quick=False)
def test_s8_file_is_mounted_at_a_second_path(
    faults: Faults, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It is refused while another process has it open by the first path, or after that process died."""
    for seen, dies in faults.cases([(seen, dies) for seen in (True, False) for dies in (True, False)]):
        with faults.case((seen, dies)), monkeypatch.context() as hidden:
            first = folder / f"{seen}-{dies}" / "changes.db"
            second = folder / f"{seen}-{dies}-second" / "changes.db"
            first.parent.mkdir()
            second.parent.mkdir()
            opened(f"sqlite:///{first}").close()
            if not seen:
                hidden.setattr(files, "_MOUNTS", tmp_path / "no such list")
            with disks.bound(first, second), logs.held(first, dies=dies):
                with pytest.raises(StorageError) as caught:
                    SQLiteBackend(second, timeout=0.2)
                words = (
                    "mount point" if seen else "without its write-ahead log" if dies else "another process has it open"
                )
                assert words in str(caught.value)
                assert [file.name for file in second.parent.iterdir()] == ["changes.db"]
            assert logs.check(first, ["held"])


# ---------------------------------------------------------------- a disk without space, or read-only

INDEX = 32 * 1024


@pytest.mark.long
@pytest.mark.parametrize("kind", ["sqlite", "json"])
@row("S2")
def test_s2_file_may_not_grow(faults: Faults, folder: Path, kind: str) -> None:
    """At any limit the error reports it, reads work, and writes work again when the limit is gone."""
    largest = faults.pick(quick=128, full=160) * 1024
    surfaced = 0
    for limit in faults.cases(range(0, largest, faults.pick(quick=8192, full=256))):
        with faults.case(limit), FarWorld(0, f"{kind}:///{folder / str(limit)}") as world:
            world.live(file_old)
            world.store.close()
            # SQLite's index of the log takes 32 KiB from the start; SQLite gives no reason if it cannot grow.
            must = "the disk is full" if kind == "sqlite" and 0 < limit < INDEX else ""
            with no_file_beyond(limit):
                surfaced += _try_to_file(world, "damaged", must=must)
            world.store.close()
            world.open()
            world.come_to_rest()
    faults.note(f"{kind}, files limited in size: {surfaced} of {faults.ran} applies raised an error")


SMALL = {"json": 200 * 1024, "sqlite": 2**21}
"""The size of a disk with just enough room, in bytes; SQLite's log grows before it is merged."""


@pytest.mark.parametrize("kind", ["sqlite", "json"])
@row("S2", quick=False)
def test_s2_disk_is_full(faults: Faults, folder: Path, kind: str) -> None:
    """The error names the full disk, also in `list`; reads are correct; writes work again when there is space."""
    surfaced = refused = 0
    with small_disk(folder / "disk", SMALL[kind]) as disk:
        for seed in faults.cases(range(500)):
            left = Random(seed).randrange(3 if kind == "json" else 48) * 4096
            with faults.case(seed), FarWorld(seed, f"{kind}:///{disk}/changes") as world:
                world.live(file_old)
                world.store.close()
                with filled(disk, left=left):
                    code, said = told_by_list(world.url)
                    assert "damaged" not in said
                    assert code == 0 or "the disk is full" in said, said
                    refused += code != 0
                    surfaced += _try_to_file(world, "damaged", must="the disk is full")
                world.store.close()
                world.open()
                world.come_to_rest()
            for path in disk.iterdir():
                path.unlink()
    reported = f"{surfaced} of {faults.ran} applies and {refused} lists raised an error"
    faults.note(f"{kind}, {SMALL[kind] >> 10} KiB: {reported}")


def file_old(world: MortalWorld) -> None:
    """File a change."""
    file(world.workflow(), OLD)
    world.asked.append(OLD)


def _try_to_file(world: FarWorld, never: str, *, must: str = "") -> bool:
    """File a change where that may fail, and return whether an error was raised."""
    told = ""
    world.start()
    try:
        world.open()
        file(world.workflow(), NEW)
    except StorageUnavailable as error:
        told = str(error)
        assert never not in told
        assert must in told
    with contextlib.suppress(StorageUnavailable) if told else contextlib.nullcontext():
        assert OLD in {change.subject for change in world.workflow().find()}
    return bool(told)


def _open_and(act: Callable[[Workflow], object], world: FarWorld) -> None:
    world.open()
    try:
        act(world.workflow())
    finally:
        world.store.close()


@pytest.mark.parametrize("way", ["remount", "chattr"])
@pytest.mark.parametrize("kind", ["sqlite", "json"])
@row("S3", quick=False)
def test_s3_store_is_read_only(faults: Faults, folder: Path, tmp_path: Path, kind: str, way: str) -> None:
    """For every write the error names it, before any call of the ticket system."""
    with contextlib.ExitStack() as stack:
        place = (
            stack.enter_context(small_disk(folder / "disk", SMALL["sqlite"])) if way == "remount" else tmp_path / "disk"
        )
        place.mkdir(exist_ok=True)
        with FarWorld(0, f"{kind}:///{place}/changes") as world:
            workflow = world.workflow()
            waiting = file(workflow, OLD)
            form: FormArguments = {"title": "t", "applicant": "alice", "approvers": ["carol"]}
            drafted = workflow.draft(subject="collector-2", **form)
            world.store.close()
            asked = dict(world.ledger.requests)
            acts: dict[str, Callable[[Workflow], object]] = {
                "apply": lambda workflow: file(workflow, NEW),
                "draft": lambda workflow: workflow.draft(
                    subject=NEW, title="t", applicant="alice", approvers=["carol"]
                ),
                "revise": lambda workflow: workflow.revise(drafted.id, **form),
                "submit": lambda workflow: workflow.submit(drafted.id),
                "ask for a withdrawal": lambda workflow: workflow.withdraw(waiting.id, actor="alice"),
                "abandon": lambda workflow: workflow.abandon(drafted.id, actor="alice"),
                "settle": lambda workflow: workflow.settle(waiting.id),
            }
            with read_only(place) if way == "remount" else immutable(place):
                for name in faults.cases(acts):
                    with faults.case(f"{kind}-{way}-{name}"):
                        told = _refusal(_open_and, acts[name], world)
                        assert any(word in told for word in ("read-only", "not permit", "may not write")), told
                        assert dict(world.ledger.requests) == asked
            world.open()
            world.asked.append(OLD)
            acts["submit"](world.workflow())
            world.come_to_rest()
