"""Mistakes of whoever uses the kit: each is told as what it is, and never as a broken promise."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from itsm_workflow.cli import main
from itsm_workflow.errors import StorageError
from itsm_workflow.storage import registry
from itsm_workflow.storage.protocol import PROTOCOL_VERSION
from itsm_workflow.testing import StorageConformance, check_storage
from itsm_workflow.testing.conformance._rows import create, found, stored
from itsm_workflow_backends.memory import MemoryBackend
from tests.support.limits import PATIENCE
from tests.support.long import long_after

if TYPE_CHECKING:
    from pathlib import Path

KNOWN = "the known abilities are checksums, durable, fsync, multi_process"


@attrs.frozen
class Entry:
    """An entry point of a package that is not installed."""

    found: type

    def load(self) -> type:
        """Return the class."""
        return self.found


@pytest.mark.parametrize(
    ("abilities", "error", "words"),
    [
        ("durable", TypeError, f"abilities must be a frozenset of names, not str 'durable'; {KNOWN}"),
        (["durable"], TypeError, f"abilities must be a frozenset of names, not list ['durable']; {KNOWN}"),
        (None, TypeError, f"abilities must be a frozenset of names, not NoneType None; {KNOWN}"),
        (
            frozenset({"durable", "multiprocess"}),
            ValueError,
            f"unknown ability 'multiprocess' (did you mean 'multi_process'?); {KNOWN}",
        ),
        (frozenset({3}), ValueError, f"unknown ability 3; {KNOWN}"),
    ],
)
def test_abilities_that_do_not_exist_are_refused(
    abilities: Any,  # noqa: ANN401  # whatever somebody writes
    error: type[Exception],
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """By the class for pytest, by the function and by the command: a slip would leave promises untried."""
    with pytest.raises(error) as caught:
        type("Broken", (StorageConformance,), {"abilities": abilities})
    assert str(caught.value) == words
    with pytest.raises(error) as caught:
        check_storage(lambda: MemoryBackend, abilities=abilities)
    assert str(caught.value) == words
    broken = type("Broken", (MemoryBackend,), {"abilities": abilities})
    monkeypatch.setattr(registry, "_entry_point", lambda _: Entry(broken))
    assert main(["storage", "check", "theirs://"]) == 2
    assert f"the theirs backend: {words}" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("missing", ["commit", "get", "find", "history", "close", "from_url"])
def test_a_class_that_lacks_a_method_is_refused(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """When its URL is opened, with the name of what it lacks."""
    broken = type("Broken", (MemoryBackend,), {missing: None})
    monkeypatch.setattr(registry, "_entry_point", lambda _: Entry(broken))
    with pytest.raises(StorageError) as caught:
        registry.backend_of("theirs://")
    assert str(caught.value) == (
        f"the theirs backend has no {missing}: its class must have the methods commit, get, find, history, close, "
        "from_url"
    )


def test_a_class_without_a_version_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was not written for version None of the port."""
    monkeypatch.setattr(registry, "_entry_point", lambda _: Entry(object))
    with pytest.raises(StorageError, match=r"the theirs backend has no protocol_version: set it to .*PROTOCOL_VERSION"):
        registry.backend_of("theirs://")
    assert MemoryBackend.protocol_version == PROTOCOL_VERSION


def test_what_cannot_go_to_another_process_is_told(tmp_path: Path) -> None:
    """By the name of the mistake, instead of by a broken promise."""
    from itsm_workflow_backends.sqlite import SQLiteBackend  # noqa: PLC0415  # for this test alone

    with pytest.raises(TypeError, match=r"open_backend must be picklable.*not a lambda"):
        check_storage(
            lambda: lambda: SQLiteBackend(tmp_path / "store"),
            abilities=SQLiteBackend.abilities,
            only="one process opens each subject",
        )
    assert check_storage(lambda: lambda: MemoryBackend(), only="last commit").broken == {}  # noqa: PLW0108  # a lambda


def test_a_store_in_place_of_what_opens_it_is_told() -> None:
    """Two callables are one too many to see at once."""
    with pytest.raises(TypeError, match=r"new_store must return a callable that.*it returned MemoryBackend"):
        check_storage(MemoryBackend, only="last commit")  # type: ignore[arg-type]  # on purpose


def test_a_name_that_no_promise_has_is_told() -> None:
    """Nothing tried is not all kept."""
    with pytest.raises(ValueError, match="no promise has 'xyzzy' in its name"):
        check_storage(lambda: MemoryBackend, only="xyzzy")


def test_an_error_of_the_backend_when_a_store_is_refused_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By its type, not its words: they may hold the URL's password."""

    class Fails(MemoryBackend):
        abilities = frozenset({"durable"})

        @classmethod
        def from_url(cls, url: str, /, **_: object) -> Fails:
            raise RuntimeError(url)

    monkeypatch.setattr(registry, "_entry_point", lambda _: Entry(Fails))
    (tmp_path / "store").touch()
    assert main(["storage", "check", f"theirs:///{tmp_path}/store"]) != 0
    told = " ".join(capsys.readouterr().err.split())
    assert "the store cannot be opened: from_url raised RuntimeError, which is not a StorageError" in told


def test_a_backend_that_ignores_its_path_is_refused_before_anything_is_written(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its one store has changes of a user; the function and the command refuse it, and the changes stay as they are."""
    mine = MemoryBackend()
    stored(mine, create("mine"))
    monkeypatch.setattr(mine, "close", lambda: None)  # as a connection of a pool

    class OneForAll(MemoryBackend):
        @classmethod
        def from_url(cls, _url: str, /, **_: object) -> Any:  # noqa: ANN401  # a plain one
            return mine

    words = "a new store is not empty, nothing was written: it has 1 change or more, such as 'mine' v1 seq 1."
    with pytest.raises(TypeError) as caught:
        check_storage(lambda: lambda: mine, only="stale")
    assert str(caught.value).startswith(words)
    monkeypatch.setattr(registry, "_entry_point", lambda _: Entry(OneForAll))
    assert main(["storage", "check", "theirs://", "--only", "stale"]) == 2
    assert f"the theirs backend: {words}" in " ".join(capsys.readouterr().err.split())
    assert found(mine) == ["mine"]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (None, "the theirs backend: opening a new store returned None, which has not the methods of a storage backend"),
        (RuntimeError("no server"), "the theirs backend: a new store cannot be opened: RuntimeError: no server"),
    ],
)
def test_a_store_that_cannot_be_opened_is_a_wrong_usage(
    answer: object, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 2 and one sentence, instead of a broken promise."""

    class Opens(MemoryBackend):
        @classmethod
        def from_url(cls, _url: str, /, **_: object) -> Any:  # noqa: ANN401  # not a backend
            if isinstance(answer, Exception):
                raise answer
            return answer

    monkeypatch.setattr(registry, "_entry_point", lambda _: Entry(Opens))
    assert main(["storage", "check", "theirs://", "--only", "stale"]) == 2
    captured = capsys.readouterr()
    assert words in " ".join(captured.err.split())
    assert captured.out == ""


def test_a_module_that_fails_when_it_is_imported_is_a_wrong_usage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever it raises."""
    (tmp_path / "fails_at_import.py").write_text("raise RuntimeError('no licence')", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    entry = EntryPoint(name="theirs", value="fails_at_import:Backend", group=registry.GROUP)
    monkeypatch.setattr(registry, "_entry_point", lambda _: entry)
    assert main(["storage", "check", "theirs://"]) == 2
    told = " ".join(capsys.readouterr().err.split())
    assert "the theirs backend, fails_at_import:Backend, cannot be imported: RuntimeError: no licence" in told


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="Windows has no SIGTERM that a process can handle")
def test_a_check_that_sigterm_ends_removes_its_stores(tmp_path: Path) -> None:
    """The folder of its stores, and the files with which it spoils calls."""
    path, temporary = tmp_path / "stores", tmp_path / "temporary"
    path.mkdir()
    temporary.mkdir()
    command = [sys.executable, "-m", "itsm_workflow", "storage", "check", f"json:///{path}/store", "--runs", "99"]
    process = subprocess.Popen(command, env=os.environ | {"TMPDIR": str(temporary)}, stdout=subprocess.DEVNULL)
    try:
        while not any(path.glob("store.check-*/1*")):
            assert process.poll() is None
        process.terminate()
        assert process.wait(60) == 128 + signal.SIGTERM
    finally:
        process.kill()
        process.wait()
    assert [*path.iterdir(), *temporary.iterdir()] == []


@pytest.mark.long
@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="Windows has no SIGTERM that a process can handle")
@pytest.mark.parametrize(
    ("number", "code"), long_after(1, [(signal.SIGTERM, 128 + signal.SIGTERM), (signal.SIGINT, 130)])
)
def test_results_are_printed_as_they_are_known_and_again_when_a_check_is_interrupted(
    number: signal.Signals, code: int, tmp_path: Path
) -> None:
    """Into a pipe as well; the stores are removed."""
    command = [sys.executable, "-m", "itsm_workflow", "storage", "check", f"json:///{tmp_path}/store"]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell that runs the tests in the background lets its children ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - it takes no lock
    ) as process:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        first = next(line for line in lines if line.startswith("every column is read back"))
        assert first.split()[-2] == "kept"
        process.send_signal(number)
        out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == code
    assert re.search(r"^\d+ kept$", out, flags=re.MULTILINE)
    assert re.search(r"^the check was interrupted: \d+ of \d+ promises were tested$", err, flags=re.MULTILINE)
    assert list(tmp_path.iterdir()) == []
