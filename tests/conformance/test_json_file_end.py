"""The end of a JSON file: what was acknowledged and has gone is missed, as long as a file beside it says so."""

from __future__ import annotations

import errno
import json
import os
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, NoReturn

import pytest

from itsm_workflow.errors import StorageCorrupt
from itsm_workflow.storage.protocol import Order, Query
from itsm_workflow.testing.conformance._rows import create, follow, found, present, stored
from itsm_workflow_backends.json_file import JSONFileBackend, _acknowledged, _log, _shared
from tests.conformance.children import child
from tests.conformance.json_lines import lines_of

if TYPE_CHECKING:
    from pathlib import Path

MISSING = r"1 commit\(s\) that were acknowledged are missing at its end"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of a store in which a newer submission was turned down after an older one was approved."""
    path = tmp_path / "store"
    backend = JSONFileBackend(path)
    stored(backend, create("c1", submission=1, state="approved"))
    stored(backend, create("c2", submission=2, state="pending"))
    stored(backend, follow(present(backend, "c2"), state="rejected"))
    backend.close()
    return path


def told(path: Path) -> dict[str, object]:
    """Return what the file beside the store says."""
    fields: dict[str, object] = json.loads(path.with_name("store.end").read_bytes())
    return fields


def test_a_cut_end_is_missed_wherever_it_is_cut(path: Path) -> None:
    """The store opens to be read and says what is missing; it names no newest submission, and takes no write."""
    whole, last = path.read_bytes(), len(lines_of(path)[-1])
    newest = Query(subject="subject", order=Order.SUBMISSION)
    for cut in (1, 2, last // 2, last - 1, last):
        path.write_bytes(whole[: len(whole) - cut])
        before = path.read_bytes()
        backend = JSONFileBackend(path)
        assert [line for line in backend.damage() if "acknowledged" in line] == list(backend.damage()) != []
        for call in (partial(backend.commit, [create("c3")]), backend.compact, partial(backend.find, newest)):
            with pytest.raises(StorageCorrupt, match=MISSING):
                call()
        assert found(backend) == ["c1", "c2"]
        backend.close()
        with pytest.raises(StorageCorrupt, match=MISSING):
            JSONFileBackend.backup(f"json:///{path}", str(path.with_name("copy")))
        assert path.read_bytes() == before
    path.write_bytes(whole)
    backend = JSONFileBackend(path)
    stored(backend, create("c3"))
    backend.close()


def test_a_repair_accepts_the_loss(path: Path) -> None:
    """It says how much; after that the store is whole, and what it acknowledges from then on is missed again."""
    path.write_bytes(b"".join(lines_of(path)[:-2]))
    done = JSONFileBackend.repair(path)
    assert (done.lost, done.restored, done.dropped) == (2, {}, ())
    assert "2 commit(s) that were acknowledged" in done.problems[0]
    assert JSONFileBackend.repair(path).problems == ()
    backend = JSONFileBackend(path)
    stored(backend, create("c4"))
    backend.close()
    path.write_bytes(b"".join(lines_of(path)[:-1]))
    backend = JSONFileBackend(path)
    with pytest.raises(StorageCorrupt, match=MISSING):
        backend.commit([create("c5")])
    backend.close()


@pytest.mark.parametrize("content", [None, b"", b"\0" * 90, b"{}\n", b"[]", b"\xff", b"x" * 2000, "flipped", "other"])
def test_what_says_nothing_that_can_be_relied_on_says_nothing(path: Path, content: bytes | str | None) -> None:
    """It was not synced, so a power cut may leave anything of it; it may be that of another store, or gone."""
    end = path.with_name("store.end")
    said = end.read_bytes()
    if content is None:
        end.unlink()
    elif content == "flipped":
        end.write_bytes(said.replace(b" 3", b" 4"))
    elif content == "other":
        _acknowledged.note_acknowledged(path, "0" * 16, 99)
    elif isinstance(content, bytes):
        end.write_bytes(content)
    path.write_bytes(b"".join(lines_of(path)[:-1]))
    backend = JSONFileBackend(path)
    assert (backend.damage(), present(backend, "c2").state) == ((), "pending")
    stored(backend, create("c3"))
    backend.close()
    assert told(path)["acknowledged"] == 3


def test_it_is_never_ahead_of_the_log(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is written once the commit is durable, and not at all if that is not known."""
    order: list[str] = []
    sync, note = _log.Log.append, _acknowledged.note_acknowledged

    def append(log: _log.Log, end: int, data: bytes) -> None:
        sync(log, end, data)
        order.append("synced")

    def noting(path: Path, store: str, number: int) -> None:
        order.append(f"noted {number}")
        note(path, store, number)

    monkeypatch.setattr(_log.Log, "append", append)
    monkeypatch.setattr(_shared, "note_acknowledged", noting)
    backend = JSONFileBackend(path)
    stored(backend, create("c3"))
    assert order == ["synced", "noted 4"]

    def fails(log: _log.Log, end: int, data: bytes) -> NoReturn:
        raise OSError(errno.EIO, "no")

    monkeypatch.setattr(_log.Log, "append", fails)
    with pytest.raises(OSError, match="no"):
        backend.commit([create("c4")])
    assert told(path)["acknowledged"] == 4
    backend.close()


def test_it_costs_no_sync(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may lag behind."""
    synced: list[int] = []
    for name in ("fsync", "fdatasync"):
        monkeypatch.setattr(os, name, synced.append)
    backend = JSONFileBackend(path)
    stored(backend, create("c3"))
    del synced[:]
    stored(backend, create("c4"))
    assert len(synced) == 1
    backend.close()


@pytest.mark.parametrize("how", ["folder", "link", "pipe", "no right", "full"])
def test_a_commit_succeeds_though_it_cannot_be_noted(path: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    """It is durable; nothing is written elsewhere, and nothing is waited for."""
    end, precious = path.with_name("store.end"), path.with_name("precious")
    precious.write_bytes(b"precious")
    end.unlink()
    if how == "folder":
        end.mkdir()
    elif how == "link":
        end.symlink_to(precious)
    elif how == "pipe":
        os.mkfifo(end)
    else:

        def refused(*_: object) -> NoReturn:
            raise OSError(errno.EACCES if how == "no right" else errno.ENOSPC, "no")

        system = SimpleNamespace(**vars(os))
        setattr(system, "open" if how == "no right" else "write", refused)
        monkeypatch.setattr(_acknowledged, "os", system)
    backend = JSONFileBackend(path)
    stored(backend, create("c3"))
    backend.close()
    backend = JSONFileBackend(path)
    assert found(backend) == ["c1", "c2", "c3"]
    backend.close()
    assert precious.read_bytes() == b"precious"


def test_processes_and_compactions_go_on_with_the_count(path: Path) -> None:
    """It counts commits, which a compaction does not renumber; a process that dies leaves it behind at most."""
    backend = JSONFileBackend(path)
    child(
        """
        backend = open_storage(f"json:///{sys.argv[1]}")
        stored(backend, create("c3"))
        backend.compact()
        stored(backend, create("c4"))
        os._exit(0)
        """,
        path,
    )
    assert told(path)["acknowledged"] == 5
    stored(backend, create("c5"))
    backend.compact()
    backend.close()
    assert told(path)["acknowledged"] == 6
    opened = JSONFileBackend(path)
    assert opened.damage() == ()
    opened.close()
    path.write_bytes(b"".join(lines_of(path)[:-1]))
    opened = JSONFileBackend(path)
    assert "1 commit(s) that were acknowledged" in opened.damage()[0]
    opened.close()


def test_a_restored_backup_is_not_missed(path: Path) -> None:
    """It is older on purpose; what was counted before goes with the store that was there, and is told of that."""
    source = path.with_name("backup")
    JSONFileBackend.backup(f"json:///{path}", str(source))
    backend = JSONFileBackend(path)
    stored(backend, create("c3"))
    backend.close()
    done = JSONFileBackend.restore(f"json:///{path}", str(source))
    assert [file.name for file in done.aside] == ["store.replaced-1", "store.replaced-1.end"]
    backend = JSONFileBackend(path)
    assert (found(backend), backend.damage()) == (["c1", "c2"], ())
    backend.close()
    aside = done.aside[0]
    aside.write_bytes(b"".join(lines_of(aside)[:-1]))
    backend = JSONFileBackend(aside)
    assert "1 commit(s) that were acknowledged" in backend.damage()[0]
    backend.close()
