"""The file of the people who may log in: what is refused, and what a change of it does to their sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from itsm_workflow.web import console
from itsm_workflow.web.logins import LoginFile, LoginFileError
from itsm_workflow.web.sessions import hash_of
from tests.unit.web.test_login import log_in

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from itsm_workflow import Workflow

HASH, OTHER = hash_of("not-a-secret"), hash_of("another-one")
OLGA, ERIN = f"olga:{HASH}\n", f"erin:{HASH}\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with two people."""
    made = tmp_path / "logins"
    made.write_text(OLGA + ERIN)
    made.chmod(0o600)
    return made


def test_the_file_is_read_again_when_it_has_changed(path: Path, workflow: Workflow) -> None:
    """Who is gone or has another password is logged out; the others stay."""
    app = console(workflow, logins=LoginFile(path))
    olga, erin = app.test_client(), app.test_client()
    for name, client in (("olga", olga), ("erin", erin)):
        assert log_in(client, name).status_code == 303
        assert client.get("/").status_code == 200
    path.write_text(ERIN)
    assert (olga.get("/").status_code, erin.get("/").status_code) == (303, 200)
    assert log_in(olga).status_code == 403
    path.write_text(f"erin:{OTHER}\n")
    assert erin.get("/").status_code == 303
    assert log_in(erin, "erin", "another-one").status_code == 303
    assert erin.get("/").status_code == 200


@pytest.mark.parametrize("spoil", [lambda path: path.unlink(), lambda path: path.chmod(0o644)])
def test_no_person_is_logged_in_while_the_file_is_wrong(
    path: Path, workflow: Workflow, caplog: pytest.LogCaptureFixture, spoil: Callable[[Path], None]
) -> None:
    """The reason is logged once; when the file is right again, sessions go on."""
    client = console(workflow, logins=LoginFile(path)).test_client()
    log_in(client)
    spoil(path)
    assert [client.get("/").status_code for _ in range(2)] == [303, 303]
    assert [one.levelname for one in caplog.records] == ["ERROR"]
    path.write_text(OLGA)
    path.chmod(0o600)
    assert client.get("/").status_code == 200


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "has no line"),
        (b"\x80\x04\xff", "is not a text in UTF-8"),
        (b"olga\n", "line 1 of .* is not one"),
        (f"# people\n:{HASH}\n".encode(), "line 2 of .* is not one"),
        (f"olga:{HASH[:-1]}\n".encode(), "line 1 of .* is not one"),
        (b"olga:pbkdf2:sha1:1$saltsalt$" + b"0" * 40, "line 1 of .* is not one"),
        (HASH.replace("scrypt:32768", "olga:scrypt:2").encode(), "line 1 of .* is not one"),
        (HASH.replace("scrypt:32768", "olga:scrypt:1073741824").encode(), "line 1 of .* is not one"),
        ((OLGA + ERIN + OLGA).encode(), "line 3 of .* repeats the name olga"),
    ],
)
def test_a_file_that_cannot_be_is_refused(path: Path, content: bytes, words: str) -> None:
    """By the number of the line, without its text."""
    path.write_bytes(content)
    with pytest.raises(LoginFileError, match=words) as refused:
        LoginFile(path)
    assert HASH[:40] not in str(refused.value)


def test_a_file_that_others_can_read_is_refused(path: Path) -> None:
    """With the command that changes it; and so is one that does not exist."""
    path.chmod(0o640)
    with pytest.raises(LoginFileError, match=f"chmod 600 {path}"):
        LoginFile(path)
    path.unlink()
    with pytest.raises(LoginFileError, match=r"cannot read .*: No such file"):
        LoginFile(path)
    path.mkdir()
    with pytest.raises(LoginFileError, match="is not a file"):
        LoginFile(path)
