"""Mistakes of whoever uses the kit: each is told as what it is, and never as a broken promise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import pytest

from itsm_workflow.cli import main
from itsm_workflow.errors import StorageError
from itsm_workflow.storage import registry
from itsm_workflow.storage.protocol import PROTOCOL_VERSION
from itsm_workflow.testing import StorageConformance, check_storage
from itsm_workflow_backends.memory import MemoryBackend

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
    """Before any promise is tried with it, by the name of the mistake."""
    from itsm_workflow_backends.sqlite import SQLiteBackend  # noqa: PLC0415  # for this test alone

    with pytest.raises(TypeError, match=r"open_backend must be picklable.*not a lambda"):
        check_storage(lambda: lambda: SQLiteBackend(tmp_path / "store"), abilities=SQLiteBackend.abilities)
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
