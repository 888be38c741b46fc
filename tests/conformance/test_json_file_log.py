"""The JSON file: what stands in it, and what becomes of it when it is cut, damaged, compacted and repaired."""

from __future__ import annotations

import errno
import io
import json
import os
import random
import shutil
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from itsm_workflow.errors import StorageCorrupt, StorageSchemaError, StorageUnavailable
from itsm_workflow.storage import files
from itsm_workflow.storage.protocol import Conflict, ConflictKind, Order, Query
from itsm_workflow.testing.conformance._rows import (
    NOW,
    create,
    entry,
    follow,
    found,
    present,
    stored,
    whole_history,
)
from itsm_workflow_backends.json_file import JSONFileBackend, _format, _log
from tests.conformance.json_lines import damage, lines_of, rewrite, rows_of, small_store, unacknowledge

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of a small store."""
    return small_store(tmp_path)


def test_the_file_is_json_lines(path: Path) -> None:
    """Every line can be read by any JSON tool, documents as objects, characters as they are."""
    header, *commits = map(json.loads, lines_of(path))
    assert (header["format"], header["schema"]) == ("itsm-workflow changes", 2)
    assert [commit["names"]["number"] for commit in commits] == [1, 2, 3, 4, 5]
    assert commits[0]["changes"][0]["row"]["form"] == {"title": "接入 nginx 日志"}
    assert "接入 nginx 日志".encode() in path.read_bytes()
    assert commits[0]["changes"][0]["entries"][0]["document"] == {"line": 1}
    assert commits[3]["changes"] == [{"id": "c2", "version": 2, "due_at": NOW + 5}]


def test_a_text_that_is_not_canonical_stands_as_a_string(tmp_path: Path) -> None:
    """So that the identical text comes back."""
    backend = JSONFileBackend(tmp_path / "store.jsonl")
    stored(backend, create("c1", document='{"a": 1}', form='{"a":1}'))
    backend.close()
    row = json.loads(lines_of(tmp_path / "store.jsonl")[1])["changes"][0]["row"]
    assert (row["document_text"], row["form"], "document" in row) == ('{"a": 1}', {"a": 1}, False)


def test_only_brackets_count_as_depth(tmp_path: Path) -> None:
    """A long text is a JSON value, and one that is nested too deeply for some parsers is a string."""
    texts = {
        "strings": json.dumps([["[{", "a"]] * 120, separators=(",", ":")),
        "objects": json.dumps([{"a": {}}] * 120, separators=(",", ":")),
        "deepest": "[" * 100 + "]" * 100,
        "deep": "[" * 101 + "]" * 101,
    }
    backend = JSONFileBackend(tmp_path / "store.jsonl")
    for name, text in texts.items():
        stored(backend, create(name, document=text))
    backend.close()

    rows = [json.loads(line)["changes"][0]["row"] for line in lines_of(tmp_path / "store.jsonl")[1:]]
    assert {row["id"]: "document" in row for row in rows} == {name: name != "deep" for name in texts}


def test_each_commit_is_synced(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One sync for each commit, of what stands in the file by then, before the commit returns; none if all is lost."""
    synced: list[bytes] = []

    def sync(descriptor: int) -> None:
        synced.append(os.pread(descriptor, 1 << 20, 0))
        files.sync(descriptor)

    monkeypatch.setattr(_log, "sync", sync)
    backend = JSONFileBackend(path)
    before = path.read_bytes()
    synced.clear()
    stored(backend, create("c4"))
    assert synced == [path.read_bytes()] != [before]
    assert backend.commit([create("c4")]) != [None]
    assert backend.commit([]) == []
    assert len(synced) == 1
    backend.compact()
    assert synced[-1] == path.read_bytes()
    backend.close()


def test_only_winners_are_written(path: Path) -> None:
    """A commit that only loses adds nothing to the file."""
    before = path.read_bytes()
    backend = JSONFileBackend(path)
    lost = backend.commit([create("c1"), create("c4", open_subject="two")])
    assert [conflict and conflict.kind for conflict in lost] == [ConflictKind.VERSION, ConflictKind.SUBJECT]
    assert path.read_bytes() == before
    backend.close()


def test_a_torn_last_line_is_dropped_wherever_it_is_torn(path: Path) -> None:
    """Nobody was told of that commit; all before it is there, and the next one takes its place."""
    whole = path.read_bytes()
    start = len(whole) - len(lines_of(path)[-1])
    unacknowledge(path)
    for cut in sorted({*range(start, len(whole), 9), *range(len(whole) - 30, len(whole))}):
        for filling in (b"", b"\0" * 300):
            path.write_bytes(whole[:cut] + filling)
            backend = JSONFileBackend(path)
            assert [(row.id, row.version) for row in rows_of(backend)] == [("c1", 2), ("c2", 2)]
            backend.close()
    path.write_bytes(whole[:-1])
    backend = JSONFileBackend(path)
    stored(backend, create("c3"))
    stored(backend, follow(present(backend, "c3")))
    backend.close()
    backend = JSONFileBackend(path)
    assert [(row.id, row.version) for row in rows_of(backend)] == [("c1", 2), ("c2", 2), ("c3", 2)]
    assert whole_history(backend, "c3") == [entry("c3", 1), entry("c3", 2)]
    backend.close()


def test_a_file_cut_anywhere_is_a_prefix_or_refused(path: Path) -> None:
    """Cut into the first line, nothing says that it is a store; else it is what was committed up to there."""
    lines = lines_of(path)
    whole = path.read_bytes()
    ends = [len(b"".join(lines[:number])) for number in range(len(lines))]
    near_an_end = {end + step for end in ends for step in range(-3, 4)}
    for cut in sorted({*range(0, len(whole), 5), *near_an_end} & set(range(len(whole)))):
        path.write_bytes(whole[:cut])
        commits = whole[:cut].count(b"\n") - 1
        if cut < len(lines[0]):
            with pytest.raises(StorageCorrupt, match="is not a store of this library"):
                JSONFileBackend(path)
            assert path.read_bytes() == whole[:cut]
            continue
        backend = JSONFileBackend(path)
        assert sum(row.version for row in rows_of(backend)) == min(commits, 4)
        backend.close()


def test_bytes_of_a_lost_write_are_seen_by_no_open_handle(path: Path) -> None:
    """What a killed writer left behind the last line is nothing, and is overwritten, while others have it open."""
    reader, writer = JSONFileBackend(path), JSONFileBackend(path)
    with path.open("ab") as file:
        file.write(b'{"names":{"number":6,"bytes":')
    assert present(reader, "c1").version == 3
    stored(writer, create("c4"))
    assert present(reader, "c4").version == 1
    reader.close()
    writer.close()
    assert len(lines_of(path)) == 7


@pytest.mark.long
def test_a_flipped_bit_is_never_read_as_something_else(path: Path) -> None:
    """Each change reads as it was, or raises StorageCorrupt; that something is wrong is always known."""
    clean = JSONFileBackend(path)
    rows = {row.id: row for row in rows_of(clean)}
    clean.close()
    whole = path.read_bytes()
    header = len(lines_of(path)[0])
    picked = random.Random(7).sample(range(header * 8, len(whole) * 8), 500)
    for bit in picked:
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << (bit % 8)
        path.write_bytes(damaged)
        backend = JSONFileBackend(path)
        with backend._shared.reading() as replay:
            assert replay.quarantined or replay.unattributed, bit
        for change_id, row in rows.items():
            try:
                read = backend.get(change_id)
            except StorageCorrupt:
                assert change_id in replay.quarantined
            else:
                # Damage that cannot be laid to a change may have taken any change's last write.
                assert read == row or replay.unattributed, bit
        if replay.unattributed:
            with pytest.raises(StorageCorrupt, match="can only be read"):
                backend.commit([create("new")])
        backend.close()


def test_a_damaged_line_puts_its_changes_into_quarantine(path: Path) -> None:
    """Neither read nor written; the others are both, and nobody is given what it holds."""
    damage(path, 4, b'"pending"')
    backend = JSONFileBackend(path)
    for call in (
        lambda: backend.get("c1"),
        lambda: backend.history("c1"),
        lambda: backend.find(Query(ids=("c2", "c1"))),
        lambda: backend.commit([create("c5"), follow(create("c1").row)]),
    ):
        with pytest.raises(StorageCorrupt, match=r"change c1 cannot be read: the line at byte \d+ is damaged"):
            call()
    assert found(backend) == ["c2", "c3"]
    assert backend.get("c5") is None
    stored(backend, follow(present(backend, "c2")))
    assert backend.commit([create("c6", ticket_key="t1")]) == [
        Conflict(kind=ConflictKind.TICKET, change_id="c6", holder="c1")
    ]
    # Line 6 let go of the subject.
    assert backend.commit([create("c7", open_subject="one")]) == [None]
    backend.close()


def test_a_change_whose_creation_is_damaged_holds_its_subject(path: Path) -> None:
    """Or a second ticket would be filed for it."""
    damage(path, 6, b'"subject of c3"')
    backend = JSONFileBackend(path)
    assert backend.commit([create("c4", open_subject="three")]) == [
        Conflict(kind=ConflictKind.SUBJECT, change_id="c4", holder="c3")
    ]
    assert found(backend) == ["c2"]
    backend.close()


def test_damage_is_told_to_the_log(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Once, when the file is opened, with what to do."""
    damage(path, 4, b'"pending"')
    JSONFileBackend(path).close()
    (record,) = caplog.records
    assert "change c1: the line at byte" in record.getMessage()
    assert "itsm-workflow storage repair" in record.getMessage()


UNATTRIBUTABLE = {
    "is damaged, and the changes in it are unknown": lambda path: damage(path, 4, b'"c1"'),
    "are missing": lambda path: rewrite(path, 4, b""),
    "repeats commit 2": lambda path: rewrite(path, 4, lines_of(path)[2]),
    "its first line is damaged": lambda path: damage(path, 1, b"schema"),
}


@pytest.mark.parametrize("reason", UNATTRIBUTABLE)
def test_what_cannot_be_laid_to_a_change_makes_the_store_read_only(path: Path, reason: str) -> None:
    """It could be about any of them. Reading goes on."""
    UNATTRIBUTABLE[reason](path)
    before = path.read_bytes()
    backend = JSONFileBackend(path)
    assert present(backend, "c2").version == 2
    for call in (lambda: backend.commit([create("c9")]), backend.compact):
        with pytest.raises(StorageCorrupt, match=f"can only be read: .*{reason}"):
            call()
    assert path.read_bytes() == before
    backend.close()


def test_a_lost_line_is_noticed_by_those_that_come_behind_it(path: Path) -> None:
    """A version or an entry that does not follow, a subject that is held twice: those changes are in quarantine too."""
    lines = lines_of(path)
    path.write_bytes(b"".join([*lines[:3], *lines[4:]]))
    backend = JSONFileBackend(path)
    with pytest.raises(StorageCorrupt, match="a write before the line at byte"):
        backend.get("c1")
    assert found(backend) == ["c2", "c3"]
    backend.close()


def test_a_subject_that_was_let_go_of_in_a_lost_line(path: Path) -> None:
    """Whoever seems to hold it still must have changed."""
    backend = JSONFileBackend(path)
    stored(backend, follow(present(backend, "c2"), open_subject=None, ticket_key="t2"))
    stored(backend, create("c4", open_subject="two"))
    backend.close()
    rewrite(path, 7, b"")
    backend = JSONFileBackend(path)
    with pytest.raises(StorageCorrupt, match="change c2 cannot be read"):
        backend.get("c2")
    assert present(backend, "c4").open_subject == "two"
    backend.close()
    repair = JSONFileBackend.repair(path)
    assert (repair.restored, repair.dropped, repair.lost) == ({"c2": 2}, (), 1)
    backend = JSONFileBackend(path)
    assert present(backend, "c2").open_subject is None
    assert present(backend, "c4").open_subject == "two"
    backend.close()


def test_a_line_that_is_right_and_wrong_in_shape_is_damage(path: Path) -> None:
    """Its digest can be right: somebody wrote it by hand, or a defect did."""
    names = _format.Names(6, (("c2", None, None),))
    for changes in (
        b'[{"id":"c2","version":"3","due_at":1}]',
        b'[{"row":{"id":"c2"},"entries":[]}]',
        b'[{"row":{"id":"c2","form_text":7},"entries":[]}]',
        b"[7]",
        b"{",
    ):
        line = _format.encode_commit(names, ()).replace(b'"changes":[]', b'"changes":' + changes)
        head, _, _ = line[: -_format.FOOT].partition(b',"names_check"')
        fields = json.loads(head.removeprefix(b'{"names":'))
        fields["bytes"] += len(changes) - 2
        head = b'{"names":' + json.dumps(fields, separators=(",", ":")).encode()
        text = head + b',"names_check":"' + _format.digest(head) + b'","changes":' + changes
        whole = path.read_bytes()
        path.write_bytes(whole + text + b',"check":"' + _format.digest(text) + b'"}\n')
        backend = JSONFileBackend(path)
        with pytest.raises(StorageCorrupt, match="is damaged"):
            backend.get("c2")
        backend.close()
        path.write_bytes(whole)


def test_names_that_are_right_and_wrong_in_shape_are_damage(path: Path) -> None:
    """The same for the names."""
    head = b'{"names":{"number":6}'
    with path.open("ab") as file:
        file.write(head + b',"names_check":"' + _format.digest(head) + b'","changes":[]}\n')
    backend = JSONFileBackend(path)
    with pytest.raises(StorageCorrupt, match="and the changes in it are unknown"):
        backend.commit([create("c9")])
    backend.close()


def test_a_newer_schema_is_refused_and_left_alone(path: Path) -> None:
    """Not one byte changes."""
    text = b'{"format":"itsm-workflow changes","schema":3,"news":true'
    rewrite(path, 1, text + b',"check":"' + _format.digest(text) + b'"}\n')
    before = path.read_bytes()
    for call in (JSONFileBackend, JSONFileBackend.repair):
        with pytest.raises(StorageSchemaError, match="schema 3, this version of itsm-workflow knows 2"):
            call(path)
    assert path.read_bytes() == before


def test_a_file_that_a_newer_version_upgrades_while_it_is_open_is_refused_from_then_on(path: Path) -> None:
    """An upgrade replaces the file by one with another first line."""
    with closing(JSONFileBackend(path)) as backend:
        text = lines_of(path)[0].replace(b'"schema":2', b'"schema":3').rpartition(b',"check"')[0]
        upgraded = path.with_name("upgraded")
        shutil.copy(path, upgraded)
        rewrite(upgraded, 1, text + b',"check":"' + _format.digest(text) + b'"}\n')
        upgraded.replace(path)
        before = path.read_bytes()
        for call in (lambda: backend.commit([create("c9")]), lambda: backend.get("c1"), lambda: backend.find(Query())):
            with pytest.raises(StorageSchemaError, match="schema 3, this version of itsm-workflow knows 2"):
                call()
        assert path.read_bytes() == before


SCHEMA_1 = (
    b'{"format":"itsm-workflow changes","schema":1,"first":1,"check":"e12c2549762dc886"}\n'
    b'{"names":{"number":1,"bytes":442,"holds":[["c1","w:s",null]]},"names_check":"67a7faba71dc7dc9",'
    b'"changes":[{"row":{"id":"c1","workflow":"collector","state":"applying","attention":null,"version":1,"seq":1,'
    b'"subject":"s","open_subject":"w:s","ticket_key":null,"ticket_sn":null,"due_at":5,"created_at":1790000000123457,'
    b'"updated_at":1790000000123458,"form":{},"document":{}},"entries":[{"seq":1,"at":1790000000123458,'
    b'"trigger":"submit","source":"draft","dest":"applying","actor":"alice","document":{"line":1}}]}],'
    b'"check":"8941fde1739ea785"}\n'
    b'{"names":{"number":2,"bytes":77,"holds":[["c1","w:s",null]]},"names_check":"eb9a7f0e56cfb80d",'
    b'"changes":[{"id":"c1","version":2,"due_at":9}],"check":"2264a8353a9587dd"}\n'
)
"""A file as the first version wrote it."""


@pytest.fixture
def schema_1(tmp_path: Path) -> Path:
    """Return the path of a store as the first version left it, its last line torn."""
    path = tmp_path / "schema_1.jsonl"
    path.write_bytes(SCHEMA_1 + b'{"names":{"num')
    return path


def test_a_file_of_schema_1_is_read_and_raised(schema_1: Path) -> None:
    """Its changes were never submitted; its first line says from now on that later lines are of schema 2."""
    backend = JSONFileBackend(schema_1)
    row = present(backend, "c1")
    assert (row.version, row.submission, row.due_at) == (2, None, 9)
    stored(backend, follow(row, submission=1))
    backend.close()
    header, *lines = lines_of(schema_1)
    assert SCHEMA_1.endswith(b"".join(lines[:-1]))
    assert (json.loads(header)["schema"], json.loads(header)["first"]) == (2, 1)
    again = JSONFileBackend(schema_1)
    assert (present(again, "c1").submission, found(again, subject="s", order=Order.SUBMISSION)) == (1, ["c1"])
    again.close()


def test_a_file_of_schema_1_that_comes_back_is_not_written_to(schema_1: Path, tmp_path: Path) -> None:
    """An operator restores an old copy under an open store: it has none of what this process has stored since."""
    path = tmp_path / "store.jsonl"
    backend = JSONFileBackend(path)
    schema_1.replace(path)
    before = path.read_bytes()
    with pytest.raises(StorageUnavailable, match="an older copy"):
        backend.commit([create("c9")])
    backend.close()
    assert path.read_bytes() == before


def test_a_file_of_schema_1_that_can_only_be_read_is_left_alone(schema_1: Path) -> None:
    """Damage that may concern any change is for a repair, which raises the file as well."""
    before = SCHEMA_1 + b"what is this?\n"
    schema_1.write_bytes(before)
    JSONFileBackend(schema_1).close()
    assert schema_1.read_bytes() == before
    JSONFileBackend.repair(schema_1)
    assert json.loads(lines_of(schema_1)[0])["schema"] == 2


@pytest.mark.parametrize("content", [b"", b"buy milk\n", b'{"a":1}\n{"b":2}\n', b"\0" * 100, b"[]\n", b"\xff\n"])
def test_another_file_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    """An empty one as well: a store has a first line from the start, so this one has lost it."""
    path = tmp_path / "notes"
    path.write_bytes(content)
    for call in (JSONFileBackend, JSONFileBackend.repair):
        with pytest.raises(StorageCorrupt, match="is not a store of this library"):
            call(path)
    assert path.read_bytes() == content


@pytest.mark.parametrize("fields", [{"format": "other", "schema": 1}, {"schema": 1}, {"format": 1}, ["format"]])
def test_a_first_line_of_another_format_is_refused(tmp_path: Path, fields: object) -> None:
    """However well it is made."""
    text = json.dumps(fields).encode()[:-1]
    path = tmp_path / "store"
    path.write_bytes(text + b',"check":"' + _format.digest(text) + b'"}\n')
    with pytest.raises(StorageCorrupt, match="is not a store of this library"):
        JSONFileBackend(path)


class _FailsToClose(io.FileIO):
    """A file whose system reports an error when it is closed, as a network file system may."""

    def close(self) -> None:
        """Close the file, and raise."""
        super().close()
        raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_an_error_in_closing_the_file_is_not_raised(path: Path) -> None:
    """What was acknowledged was synced before, and the file is closed all the same."""
    log = _log.Log(path, _FailsToClose(path, "r+"))
    log.close()
    with pytest.raises(ValueError, match="closed file"):
        log.size()
