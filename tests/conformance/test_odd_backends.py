"""Backends that end the program, print, leave threads or hang: the command says so, and its exit code is not 0."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from itsm_workflow.cli import main
from itsm_workflow.secrets import without_secrets
from itsm_workflow.storage import registry
from itsm_workflow.testing import check_storage
from itsm_workflow.testing.conformance import PromiseOutcome
from itsm_workflow.testing.conformance._pace import Pace, Patience
from itsm_workflow_backends.memory import MemoryBackend
from tests.support.limits import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from itsm_workflow.storage.protocol import Conflict, Query, Row, Rows, Write

    Command = Callable[..., tuple[int, str, str]]

RUN = """
import sys
from itsm_workflow.cli import main
from itsm_workflow.storage import registry
from tests.conformance import test_odd_backends as odd
registry._entry_point = lambda _: odd.Entry(getattr(odd, sys.argv[1]))
sys.exit(main(["storage", "check", *sys.argv[2:]]))
"""


@attrs.frozen
class Entry:
    """An entry point of a package that is not installed."""

    found: type

    def load(self) -> type:
        """Return the class."""
        return self.found


class EndsTheProgram(MemoryBackend):
    """Exits in a commit, as a library of a command may."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        """Exit."""
        sys.exit(0)


class EndsTheProgramInARace(MemoryBackend):
    """Exits in a commit of a thread that the promise starts."""

    def commit(self, writes: Sequence[Write], /) -> list[Conflict | None]:
        """Exit."""
        if threading.current_thread().name.startswith("thread "):
            sys.exit(0)
        return super().commit(writes)


class Interrupts(MemoryBackend):
    """Raises in a read what Ctrl-C raises."""

    def get(self, change_id: str, /) -> Row | None:
        """Interrupt."""
        raise KeyboardInterrupt


class ExitsWhenOpened(MemoryBackend):
    """Exits when its URL is opened."""

    @classmethod
    def from_url(cls, _url: str, /, **_: object) -> Any:  # noqa: ANN401  # never returns
        """Exit."""
        sys.exit(0)


class ReadsOnlyItsOwn(ExitsWhenOpened):
    """Raises a bare error when it reads a file that it has not written."""

    abilities = frozenset({"durable"})

    @classmethod
    def from_url(cls, _url: str, /, **_: object) -> Any:  # noqa: ANN401  # one of these
        """Open."""
        return cls()

    def find(self, query: Query, /) -> Rows:
        """Fail."""
        raise UnicodeDecodeError("utf-8", b"x", 0, 1, "hunter2")


class Prints(MemoryBackend):
    """Prints to standard output, by Python and by the descriptor."""

    def get(self, change_id: str, /) -> Row | None:
        """Print."""
        print("by Python")  # noqa: T201  # as meant
        os.write(1, b"by the descriptor\n")
        return super().get(change_id)


class LeavesAThread(MemoryBackend):
    """Leaves a thread that never ends."""

    def get(self, change_id: str, /) -> Row | None:
        """Start a thread."""
        threading.Thread(target=threading.Event().wait, name="pump", daemon=False).start()
        return super().get(change_id)


def checked(backend: type, *arguments: str) -> tuple[int, str, str]:
    """Run the command in a process of its own; return its exit code and what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", RUN, backend.__name__, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("backend", "only", "raised"),
    [
        (EndsTheProgram, "every column", "SystemExit(0)"),
        (EndsTheProgramInARace, "one thread opens each subject", "SystemExit(0)"),
        (Interrupts, "every column", "KeyboardInterrupt()"),
    ],
)
def test_a_backend_that_ends_the_program_breaks_a_promise(backend: type, only: str, raised: str) -> None:
    """The check goes on, shows the call, and fails."""
    report = check_storage(lambda: backend, only=(only, "the last commit is read"))
    result = next(result for result in report.results if only in result.promise)
    assert result.outcome is PromiseOutcome.BROKEN
    assert result.reason.startswith(f"the backend raised {raised}, which ends the program that calls it")
    assert result.calls
    assert all(each.outcome is not PromiseOutcome.NOT_RUN for each in report.results)


@pytest.mark.parametrize(
    ("backend", "code"), [(EndsTheProgram, 1), (ExitsWhenOpened, 2)], ids=lambda each: getattr(each, "__name__", each)
)
def test_the_exit_code_of_a_backend_that_exits_is_not_zero(
    backend: type, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It would pass in a pipeline, and nothing was tested."""
    monkeypatch.setattr(registry, "_entry_point", lambda _: Entry(backend))
    assert main(["storage", "check", "theirs://", "--only", "every column"]) == code
    captured = capsys.readouterr()
    assert "interrupted" not in captured.err
    assert "SystemExit" in captured.out + captured.err


@pytest.mark.parametrize("is_found", [True, False], ids=["at its path", "when it is looked at"])
def test_a_backend_that_exits_when_the_place_of_its_stores_is_read_is_a_wrong_usage(
    is_found: bool,  # noqa: FBT001  # a case
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """In the main thread as well, in which a signal raises SystemExit."""
    backend = type("Durable", (ExitsWhenOpened,), {"abilities": frozenset({"durable"})})
    monkeypatch.setattr(registry, "_entry_point", lambda _: Entry(backend))
    if is_found:
        (tmp_path / "store").touch()
    assert main(["storage", "check", f"theirs:///{tmp_path}/store", "--only", "every column"]) == 2
    assert "SystemExit" in capsys.readouterr().err


def test_a_file_that_the_backend_cannot_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As one that it cannot open: a wrong usage, not a broken promise, and without the words of its error."""
    monkeypatch.setattr(registry, "_entry_point", lambda _: Entry(ReadsOnlyItsOwn))
    (tmp_path / "store").write_text("not a store", encoding="utf-8")
    assert main(["storage", "check", f"theirs:///{tmp_path}/store", "--only", "every column"]) == 2
    told = " ".join(capsys.readouterr().err.split())
    assert "the store cannot be read: find raised UnicodeDecodeError, which is not a StorageError" in told
    assert "hunter2" not in told
    assert [each.name for each in tmp_path.iterdir()] == ["store"]


@pytest.mark.long
def test_what_a_backend_prints_does_not_spoil_the_json() -> None:
    """It is on standard error."""
    code, out, err = checked(Prints, "theirs://", "--only", "the last commit is read", "--json")
    assert (code, json.loads(out)["broken"]) == (0, 0)
    assert "by Python\n" in err
    assert "by the descriptor\n" in err


@pytest.mark.long
def test_a_thread_that_a_backend_leaves_does_not_keep_the_command() -> None:
    """It is named, and the exit code is that of the check."""
    code, out, err = checked(LeavesAThread, "theirs://", "--only", "the last commit is read")
    assert (code, out.splitlines()[-1]) == (0, "1 kept")
    assert err.startswith("the backend left threads that go on, and the command ends without them: pump")


@pytest.mark.long
@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Windows has no SIGHUP")
def test_a_check_whose_terminal_is_closed_removes_its_stores(tmp_path: Path) -> None:
    """As after SIGTERM."""
    command = [sys.executable, "-m", "itsm_workflow", "storage", "check", f"json:///{tmp_path}/store", "--runs", "99"]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),  # noqa: PLW1509 - it takes no lock
    ) as process:
        assert process.stdout is not None
        next(line for line in process.stdout if line.startswith("every column is read back"))
        process.send_signal(signal.SIGHUP)
        process.communicate(timeout=PATIENCE)
    assert process.returncode == 128 + signal.SIGHUP
    assert [*tmp_path.iterdir()] == []


def test_a_call_that_does_not_return_is_reported_before_the_limit() -> None:
    """The limit can be long on a busy machine."""
    held = threading.Event()

    class Hangs(MemoryBackend):
        def get(self, change_id: str, /) -> Row | None:
            held.wait()
            return super().get(change_id)

    heard: list[tuple[str, str]] = []

    def waiting(promise: str, text: str) -> None:
        heard.append((promise, text))
        held.set()

    report = check_storage(lambda: Hangs, only="every column", patience=1, waiting=waiting)
    assert [result.outcome for result in report.results] != [PromiseOutcome.BROKEN]
    (promise, text), *_ = heard
    assert promise == "every column is read back"
    assert text.startswith("still waiting: a call has not returned for ")


def test_a_promise_that_takes_long_is_reported_more_and_more_rarely() -> None:
    """Calls in other processes are not seen here."""
    heard: list[str] = []
    patience = Patience(Pace(120), heard.append)
    for seconds in range(1000):
        patience.look(0, seconds)
    assert heard == [f"still testing, for {seconds} s" for seconds in (121, 243, 487, 975)]


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("cannot reach db://me:hunter2@host/x", "cannot reach db://me:***@host/x"),
        ("host=a password=hunter2 user=b", "host=a password=*** user=b"),
        ("Passwd: hunter2, port: 5", "Passwd: ***, port: 5"),
        ("at http://host:80/x?y=a@b", "at http://host:80/x?y=a@b"),
    ],
)
def test_a_password_in_the_error_of_a_backend_is_masked(text: str, masked: str) -> None:
    """In what it raises when it is opened, and in the reason of a broken promise."""
    assert without_secrets(text) == masked

    def fail() -> MemoryBackend:
        raise RuntimeError(text)

    with pytest.raises(TypeError) as caught:
        check_storage(lambda: fail, only="every column")
    assert masked in str(caught.value)

    class Fails(MemoryBackend):
        commit: Any = staticmethod(lambda _: fail())

    (result,) = check_storage(lambda: partial(Fails), only="every column").results
    assert masked in result.reason
