"""What is asked of the system about a store's file, and what its errors become."""

from __future__ import annotations

import errno
import os
import tempfile
from typing import TYPE_CHECKING, Any

import pytest

from itsm_workflow.errors import StorageUnavailable
from itsm_workflow.storage import files
from tests.support.syncs import synced

if TYPE_CHECKING:
    from pathlib import Path


def test_an_error_of_the_system_is_told_with_its_path_and_an_advice(tmp_path: Path) -> None:
    """One that is not listed in the system's own words; one without a number in its own."""
    path = tmp_path / "store"
    known, listed_nowhere = OSError(errno.ENOSPC, "No space left"), OSError(errno.EIO, "Input/output error")
    for error, words in (
        (known, "the disk is full: free some space"),
        (listed_nowhere, os.strerror(errno.EIO)),
        (OSError("odd"), "odd"),
    ):
        with pytest.raises(StorageUnavailable) as caught, files.unavailable("do", path):
            raise error
        assert str(caught.value) == f"cannot do {path}: {words}"
        assert vars(caught.value)["path"] == str(path)


def test_an_error_about_another_file_names_it(tmp_path: Path) -> None:
    """As that of a temporary file that is to replace the store's."""
    path, new = tmp_path / "store", tmp_path / "store.new"
    path.touch()
    with pytest.raises(StorageUnavailable) as caught, files.unavailable("write to", path):
        new.replace(path)
    assert str(caught.value) == f"cannot write to {path}: {new} does not exist"
    with pytest.raises(StorageUnavailable) as caught, files.unavailable("write to", path):
        raise OSError(errno.ENOSPC, "No space left", str(new))
    assert str(caught.value) == (
        f"cannot write to {path}: the disk is full: free some space (the error is about {new})"
    )


def test_a_file_that_cannot_be_read_is_not_reported_as_one_that_cannot_be_written(tmp_path: Path) -> None:
    """The system has one number for both."""
    path = tmp_path / "store"
    with pytest.raises(StorageUnavailable) as caught, files.unavailable("read", path):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))
    assert str(caught.value) == (
        f"cannot read {path}: this user may not read it: check the owner and the mode of the file and of its directory"
    )


def test_a_missing_file_is_not_reported_as_a_missing_directory(tmp_path: Path) -> None:
    """The advice to create the directory is given only if the directory does not exist."""
    for path, words in (
        (tmp_path / "file", "the file does not exist"),
        (tmp_path / "folder" / "file", "its directory does not exist: create that first"),
    ):
        with pytest.raises(StorageUnavailable) as caught, files.unavailable("read", path):
            path.read_bytes()
        assert str(caught.value) == f"cannot read {path}: {words}"


@pytest.mark.parametrize("kind", ["folder", "names"])
def test_a_place_that_is_no_plain_file_is_told_with_its_path(tmp_path: Path, kind: str) -> None:
    """A program may want to show it."""
    path = tmp_path / "store"
    if kind == "folder":
        path.mkdir()
    else:
        path.touch()
        os.link(path, tmp_path / "second")
    with pytest.raises(StorageUnavailable) as caught:
        files.look_at(path)
    assert vars(caught.value)["path"] == str(path)


class Asked:
    """Stands for the system: remembers what it was asked, and answers as told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, refused: str = "", read_only: bool = False) -> None:
        self.modes: dict[str, int] = {}
        self.effective: set[bool] = set()
        self._refused = refused
        monkeypatch.setattr(os, "access", self.access)
        monkeypatch.setattr(os, "supports_effective_ids", {self.access})
        flags = os.ST_RDONLY if read_only else os.ST_NOSUID
        monkeypatch.setattr(os, "statvfs", lambda _: type("Flags", (), {"f_flag": flags}))

    def access(self, place: Path, mode: int, *, effective_ids: bool = False) -> bool:
        """Answer for one place."""
        self.modes[place.name] = mode
        self.effective.add(effective_ids)
        return place.name != self._refused


def test_a_store_is_read_and_written_in_a_folder_in_which_files_are_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That is asked of the system, for the user that counts."""
    path = tmp_path / "store"
    path.touch()
    asked = Asked(monkeypatch)
    files.check_writable(path)
    assert asked.modes == {"store": os.R_OK | os.W_OK, tmp_path.name: os.W_OK | os.X_OK}
    assert asked.effective == {True}


@pytest.mark.parametrize(
    ("read_only", "words"), [(True, "the file system is mounted read-only"), (False, "this user may not write there")]
)
def test_why_a_place_cannot_be_written_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, read_only: bool, words: str
) -> None:
    """A mount is another matter than a mode."""
    path = tmp_path / "store"
    path.touch()
    Asked(monkeypatch, refused="store", read_only=read_only)
    with pytest.raises(StorageUnavailable, match=words):
        files.check_writable(path)


def test_what_is_made_durable_and_how(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name with its folder, data with the file alone; no descriptor stays open."""
    done = synced(monkeypatch)
    closed: list[int] = []
    close = os.close

    def note(descriptor: int) -> None:
        closed.append(descriptor)
        close(descriptor)

    monkeypatch.setattr(os, "close", note)
    with (tmp_path / "store").open("w+b") as opened:
        files.sync(opened.fileno())
    assert done == [("fdatasync", False)]
    del closed[:]
    files.sync_directory(tmp_path)
    assert (done[-1], len(closed)) == (("fsync", True), 1)


def test_a_link_that_comes_after_the_look_is_not_followed(tmp_path: Path) -> None:
    """Whoever puts one there between our look and our opening gains nothing."""
    (tmp_path / "link").symlink_to(tmp_path / "target")
    (tmp_path / "target").write_bytes(b"")
    with pytest.raises(OSError, match="link") as caught:
        os.open(tmp_path / "link", os.O_RDONLY | files.SAFE_FLAGS)

    assert caught.value.errno == errno.ELOOP


def test_a_pipe_that_comes_after_the_look_is_not_waited_for(tmp_path: Path) -> None:
    """To open one for reading takes a writer, which need not come."""
    os.mkfifo(tmp_path / "pipe")
    descriptor = os.open(tmp_path / "pipe", os.O_RDONLY | files.SAFE_FLAGS)
    try:
        assert not os.get_inheritable(descriptor)
    finally:
        os.close(descriptor)


def test_a_file_that_cannot_be_made_is_named_with_what_was_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For whoever reads the error: what, where and why."""

    def refuse(*_: object, **__: object) -> tuple[int, str]:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "mkstemp", refuse)
    target = tmp_path / "backup"
    with pytest.raises(StorageUnavailable, match=f"cannot write {target}: "), files.new_file(target):
        raise AssertionError("there is nothing to write")


def test_a_new_file_is_open_nowhere_else_while_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A descriptor that is left open keeps a file from being moved on some systems."""
    made: list[int] = []
    make = tempfile.mkstemp

    def note(**given: Any) -> tuple[int, str]:
        descriptor, name = make(**given)
        made.append(descriptor)
        return descriptor, name

    monkeypatch.setattr(tempfile, "mkstemp", note)
    with files.new_file(tmp_path / "backup"):
        for descriptor in made:
            with pytest.raises(OSError, match="Bad file descriptor"):
                os.fstat(descriptor)
    assert made


def test_a_replaced_file_keeps_its_owner_and_its_mode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that root repairs is still its host's; who may not give files away goes on without."""
    old, new, given = tmp_path / "old", tmp_path / "new", []
    old.touch(mode=0o640)
    new.touch(mode=0o600)
    monkeypatch.setattr(os, "chown", lambda *asked: given.append(asked))
    files.keep_owner(new, old)
    assert given == [(new, old.stat().st_uid, old.stat().st_gid)]
    assert new.stat().st_mode & 0o777 == old.stat().st_mode & 0o777

    def forbid(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "chown", forbid)
    old.chmod(0o604)
    files.keep_owner(new, old)
    assert new.stat().st_mode & 0o777 == 0o604
