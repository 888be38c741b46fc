"""The states that a power cut could leave, made from recorded calls."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from unittest import mock

import pytest

from itsm_workflow.testing.conformance._base import NotRun
from itsm_workflow.testing.conformance._trials.calls import FAILED_BY_ITSELF, Kind, Operation, decoded
from itsm_workflow.testing.conformance._trials.crash import SECTOR, History, joined, states
from itsm_workflow.testing.conformance._trials.session import Outcome
from itsm_workflow.testing.conformance._trials.stories import committing

FOLDER = Path("/store")
FILE, NEW = FOLDER / "file", FOLDER / "new"
OLD = {FILE: b"old"}
KNOWN = {1: FILE}


def write(path: Path, data: bytes, *, at: int = 0, inode: int = 1, failed: int = 0) -> Operation:
    """Return a write."""
    return Operation(Kind.WRITE, str(path), inode=inode, at=at, data=data, failed=failed)


def sync(path: Path, *, inode: int = 1, failed: int = 0) -> Operation:
    """Return a sync."""
    return Operation(Kind.SYNC, str(path), inode=inode, failed=failed)


def create(path: Path, *, inode: int = 2) -> Operation:
    """Return the creation of a file."""
    return Operation(Kind.CREATE, str(path), inode=inode)


def rename(path: Path, other: Path) -> Operation:
    """Return a rename."""
    return Operation(Kind.RENAME, str(path), other=str(other))


def left(*operations: Operation, **options: bool) -> list[dict[str, bytes]]:
    """Return what a power cut at the end of these calls can leave, by name and without duplicates."""
    history = History(OLD, KNOWN, operations, **options)
    pending = history.pending(history.moments[-1])
    found = []
    for number in range(1 << len(pending)):
        kept = {each for place, each in enumerate(pending) if number >> place & 1}
        files = {path.name: content for path, content in history.files(history.moments[-1], kept).items()}
        if files not in found:
            found.append(files)
    return found


def test_a_write_may_be_lost_until_it_is_synced() -> None:
    """Then it is there."""
    assert left(write(FILE, b"new")) == [{"file": b"old"}, {"file": b"new"}]
    assert left(write(FILE, b"new"), sync(FILE)) == [{"file": b"new"}]
    assert left(write(FILE, b"1", at=3), sync(FILE), write(FILE, b"2", at=4)) == [{"file": b"old1"}, {"file": b"old12"}]


def test_writes_may_be_lost_in_any_order() -> None:
    """A later one leaves a gap before it, as of a file that was made larger."""
    assert left(write(FILE, b"1", at=3), write(FILE, b"2", at=4)) == [
        {"file": b"old"},
        {"file": b"old1"},
        {"file": b"old\x002"},
        {"file": b"old12"},
    ]


def test_a_sync_of_another_file_is_none_of_this_one() -> None:
    """Nor is one of the folder."""
    made = (create(NEW), write(FILE, b"new"))
    assert left(*made, sync(NEW, inode=2), sync(FOLDER, inode=9)) == [
        {"file": b"old", "new": b""},
        {"file": b"new", "new": b""},
    ]


def test_a_name_needs_a_sync_of_its_folder() -> None:
    """Where names are said to be kept, it does not."""
    made = (create(NEW), write(NEW, b"new", inode=2), sync(NEW, inode=2))
    assert left(*made) == [{"file": b"old"}, {"file": b"old", "new": b"new"}]
    assert left(*made, sync(FOLDER, inode=9)) == [{"file": b"old", "new": b"new"}]
    assert left(*made, names_are_kept=True) == [{"file": b"old", "new": b"new"}]


def test_a_rename_before_the_sync_may_leave_an_empty_file() -> None:
    """With the sync before it, one of the two files is there, whole."""
    made, moved = (create(NEW), write(NEW, b"new", inode=2)), rename(NEW, FILE)
    assert {"file": b""} in left(*made, moved, sync(FOLDER, inode=9))
    assert left(*made, sync(NEW, inode=2), moved) == [
        {"file": b"old"},
        {"file": b"old", "new": b"new"},
        {"file": b"new"},
    ]


def test_a_removal_and_a_link_are_names_too() -> None:
    """A file can have two of them."""
    link = Operation(Kind.LINK, str(FILE), other=str(NEW))
    assert left(link) == [{"file": b"old"}, {"file": b"old", "new": b"old"}]
    assert left(link, Operation(Kind.UNLINK, str(FILE))) == [
        {"file": b"old"},
        {"file": b"old", "new": b"old"},
        {},
        {"new": b"old"},
    ]


def test_truncations_are_lost_like_writes() -> None:
    """Also that of opening a file to write it again."""
    assert left(Operation(Kind.TRUNCATE, str(FILE), inode=1, at=1)) == [{"file": b"old"}, {"file": b"o"}]
    assert left(Operation(Kind.TRUNCATE, str(FILE), inode=1, at=5)) == [{"file": b"old"}, {"file": b"old\0\0"}]
    assert left(Operation(Kind.CREATE, str(FILE), inode=1, at=1)) == [{"file": b"old"}, {"file": b""}]


def test_after_a_failed_sync_no_later_one_helps() -> None:
    """The data may be dropped from the cache; only what is written again and synced is safe."""
    failed = (write(FILE, b"new"), sync(FILE, failed=1), sync(FILE))
    assert left(*failed) == [{"file": b"old"}, {"file": b"new"}]
    assert left(*failed, write(FILE, b"new"), sync(FILE)) == [{"file": b"new"}]
    assert left(write(FILE, b"new"), sync(FILE, failed=FAILED_BY_ITSELF), sync(FILE)) == [{"file": b"new"}]


def test_what_failed_changed_nothing() -> None:
    """Of any kind."""
    assert left(write(FILE, b"new", failed=1), Operation(Kind.UNLINK, str(FILE), failed=1)) == [{"file": b"old"}]


def test_a_number_of_a_file_is_used_again() -> None:
    """The new file is another one."""
    made = (
        create(NEW),
        Operation(Kind.UNLINK, str(NEW)),
        create(FOLDER / "third"),
        write(FOLDER / "third", b"3", inode=2),
    )
    assert {"file": b"old", "third": b"3"} in left(*made)
    assert {"file": b"old", "new": b"3"} not in left(*made)


def test_a_memory_map_cannot_be_followed() -> None:
    """The record does not show what was written through it."""
    with pytest.raises(NotRun, match="through a memory map"):
        History(OLD, KNOWN, [Operation(Kind.FLUSH_MAP, "")])


def test_parts_of_a_write_are_made() -> None:
    """Up to a byte, to each sector, and from each sector on; the latter are said to have a gap."""
    data = bytes(range(256)) * 5
    history = History({FILE: b""}, KNOWN, [write(FILE, data)])
    contents = {state.files[FILE]: state.has_a_gap for state in states(history)}
    assert contents[data[:SECTOR]] is False
    assert contents[data[:1]] is False
    assert contents[bytes(SECTOR) + data[SECTOR:]] is True
    assert contents[data] is False


def test_few_parts_of_a_large_write_are_made() -> None:
    """As many as its sectors would be thousands of states of a MiB each."""
    data = b"x" * (1 << 20)
    history = History({FILE: b""}, KNOWN, [write(FILE, data)])
    torn = [state.what for state in states(history) if state.is_torn]
    assert len(torn) < 12
    assert f"everything before it, and bytes {1 << 19} to {1 << 20} of the write to file, is there" in torn


def test_writes_that_continue_each_other_are_joined() -> None:
    """Not those of another file, of another place, that failed, or with another call between them."""
    one, two = write(FILE, b"12", at=3), write(FILE, b"34", at=5)
    assert joined([one, two, write(FILE, b"5", at=7)]) == [write(FILE, b"12345", at=3)]
    for apart in (
        [one, write(FILE, b"34", at=6)],
        [one, write(NEW, b"34", at=5, inode=2)],
        [one, write(FILE, b"34", at=5, failed=1)],
        [one, sync(FILE), two],
        [one, Operation(Kind.TRUNCATE, str(FILE), inode=1, at=5)],
    ):
        assert joined(apart) == apart


def test_a_gap_between_writes_is_said() -> None:
    """A later write of a file without an earlier one; a lost write to another file leaves none."""
    both = [write(FILE, b"1", at=3), write(FILE, b"2", at=4)]
    assert [state.has_a_gap for state in states(History(OLD, KNOWN, both)) if state.files[FILE] == b"old\x002"] == [
        True
    ]
    two = {**OLD, NEW: b""}
    known = {**KNOWN, 2: NEW}
    others = [write(FILE, b"1", at=3), write(NEW, b"2", inode=2)]
    assert not any(state.has_a_gap for state in states(History(two, known, others)))


def test_states_carry_the_notes_before_them() -> None:
    """So that it is known what had been acknowledged."""
    operations = [write(FILE, b"1", at=3), sync(FILE), Operation(Kind.NOTE, "end 1"), write(FILE, b"2", at=4)]
    found = {(state.files[FILE], state.notes) for state in states(History(OLD, KNOWN, operations))}
    assert found == {
        (b"old", ()),
        (b"old1", ()),
        (b"old1", ("end 1",)),
        (b"old12", ("end 1",)),
    }


def test_a_record_is_read_to_its_last_whole_entry() -> None:
    """Of a process that was killed, the last one may be incomplete."""
    operations = [write(FILE, b"1", at=3), rename(NEW, FILE), Operation(Kind.NOTE, "end 1")]
    record = b"".join(operation.encoded() for operation in operations)
    assert list(decoded(record)) == operations
    assert list(decoded(record[:-1])) == operations[:2]


def test_files_are_followed_by_the_numbers_that_they_have_in_the_trial() -> None:
    """Each reset makes them again, and may exchange the numbers of two of them."""
    resets = count()
    stage = mock.MagicMock()
    stage.reset.side_effect = lambda: next(resets)
    stage.inodes.side_effect = lambda: {1 + next(resets) % 2: FILE}
    stage.actor.return_value.perform.return_value = Outcome()
    assert committing(stage) == {2: FILE}
    stage.reset.assert_called_once()


def test_files_of_one_name_in_different_folders_are_told_apart() -> None:
    """A report names each file from the folder that all of them are in."""
    rows, past = FILE.with_name("rows"), FILE.with_name("past")
    operations = [create(rows / "one"), write(rows / "one", b"1", inode=2), rename(rows / "one", past / "one")]
    assert [effect.what for effect in History({}, {}, operations).effects] == [
        "creation of rows/one",
        "write to rows/one",
        "rename of rows/one to past/one",
    ]
    assert [effect.what for effect in History({}, {}, operations[:2]).effects] == ["creation of one", "write to one"]
