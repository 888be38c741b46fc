"""The command that serves the console, as a process of its own."""

from __future__ import annotations

import re
import signal
import socket
import sys
from typing import TYPE_CHECKING

import pytest
import requests

from tests.support.limits import PATIENCE

if TYPE_CHECKING:
    from tests.integration.cli.office import Office


def test_the_console_is_served_until_a_signal(office: Office) -> None:
    """From the store alone, to the names of this machine, in UTC; SIGTERM ends it without a traceback."""
    change = office.apply("collector-42")
    with office.start("web", "--port", "0") as served:
        assert served.stderr is not None
        line = served.stderr.readline()
        assert line.startswith("the console is at http://127.0.0.1:"), line
        address = line.split()[4]
        shown = requests.get(f"{address}changes/", timeout=PATIENCE)
        page = requests.get(f"{address}changes/{change['id']}/", timeout=PATIENCE)
        foreign = requests.get(f"{address}changes/", headers={"Host": "rebound.example"}, timeout=PATIENCE)
        served.send_signal(signal.SIGTERM)
        assert served.wait(PATIENCE) == 0
        assert served.stderr.read() == ""
    assert ("collector-42" in shown.text, shown.headers.get("Server")) == (True, None)
    assert " UTC</time>" in page.text
    assert foreign.status_code == 400


def test_the_pages_show_the_times_of_a_zone(office: Office) -> None:
    """Named with each time. An unknown zone is refused."""
    change = office.apply("collector-42")
    with office.start("web", "--port", "0", "--zone", "Asia/Shanghai") as served:
        assert served.stderr is not None
        address = served.stderr.readline().split()[4]
        assert " CST</time>" in requests.get(f"{address}changes/{change['id']}/", timeout=PATIENCE).text
    for name in ("Asia/Nowhere", "/etc/passwd", "../UTC", ""):
        done = office.run("web", "--zone", name)
        assert (done.code, f"no time zone of this machine is named {name!r}" in done.err) == (2, True), done.err


def test_a_port_in_use_is_named_with_the_fix(office: Office) -> None:
    """Not a traceback of the server's library."""
    office.apply("collector-42")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = office.run("web", "--port", str(taken.getsockname()[1]))
    assert done.code == 1
    assert "another process does: choose another port with --port" in done.err


def test_the_extra_is_named_if_it_is_missing(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the command that installs it."""
    office.apply("collector-42")
    for name in [name for name in sys.modules if name.startswith("itsm_workflow.web")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "flask", None)
    done = office.run("web")
    assert (done.code, "pip install 'itsm-workflow[web]'" in done.err) == (1, True)


def test_another_address_needs_a_name(office: Office) -> None:
    """Otherwise pages elsewhere could read the console by a name of their own that leads to it."""
    done = office.run("web", "--host", "0.0.0.0")  # noqa: S104 - it is not listened on
    assert (done.code, "name it with --name HOST" in done.err) == (2, True), done.err


@pytest.mark.long
def test_warnings_and_errors_are_on_standard_error(office: Office) -> None:
    """A login that fails; cookies are for HTTPS alone if it is served so."""
    office.apply("collector-42")
    hashed = office.run("web-password", "li_si", "--password", "not-a-secret")
    (office.folder / "logins").write_text(hashed.out, encoding="utf-8")
    (office.folder / "logins").chmod(0o600)
    with office.start("web", "--port", "0", "--logins", "logins", "--https") as served:
        assert served.stderr is not None
        login = f"{served.stderr.readline().split()[4]}login/"
        requests.post(login, {"name": "li_si", "password": "guessed-it"}, timeout=PATIENCE)
        right = {"name": "li_si", "password": "not-a-secret"}
        cookie = requests.post(login, right, allow_redirects=False, timeout=PATIENCE).headers["Set-Cookie"]
        served.send_signal(signal.SIGTERM)
        assert served.wait(PATIENCE) == 0
        logged = served.stderr.read()
    assert "WARNING itsm_workflow.web: A login as li_si from 127.0.0.1 failed." in logged
    assert "guessed-it" not in logged
    assert "; Secure;" in cookie


def test_a_person_logs_in_and_acts_by_the_served_console(office: Office) -> None:
    """With the password that the command hashed; the history has the name."""
    change = office.apply("collector-42")
    hashed = office.run("web-password", "li_si", "--password", "not-a-secret")
    (office.folder / "logins").write_text(f"# people\n{hashed.out}", encoding="utf-8")
    (office.folder / "logins").chmod(0o600)
    with office.start("web", "--port", "0", "--logins", "logins", "--allow-actions") as served:
        assert served.stderr is not None
        address = served.stderr.readline().split()[4]
        with requests.Session() as browser:
            browser.post(f"{address}login/", {"name": "li_si", "password": "not-a-secret"}, timeout=PATIENCE)
            act = f"{address}changes/{change['id']}/fire-raise_attention/"
            page = browser.get(act, timeout=PATIENCE).text
            hidden = dict(re.findall(r'<input type="hidden" name="(csrf|stand)" value="([^"]*)"', page))
            shown = browser.post(act, {**hidden, "reason": "the disk is full"}, timeout=PATIENCE)
        served.send_signal(signal.SIGTERM)
        assert served.wait(PATIENCE) == 0
    assert "It made entry" in shown.text
    assert office.run("history", change["id"], "--json").json[-1]["actor"] == "li_si"


@pytest.mark.parametrize(
    ("arguments", "text", "words"),
    [
        (("--allow-actions",), None, "needs a login"),
        (("--logins", "logins"), None, "cannot read logins: No such file"),
        (("--logins", "logins"), "", "has no line"),
        (("--logins", "logins"), "li_si\n", "line 1 of logins is not one"),
    ],
)
def test_a_login_that_cannot_be_is_refused(
    office: Office, arguments: tuple[str, ...], text: str | None, words: str
) -> None:
    """Before anything is served."""
    if text is not None:
        (office.folder / "logins").write_text(text, encoding="utf-8")
        (office.folder / "logins").chmod(0o600)
    done = office.run("web", *arguments)
    assert (done.code, words in done.err) == (2, True), done.err


@pytest.mark.parametrize(("name", "password"), [("li:si", "long-enough"), (" li", "long-enough"), ("li", "qwerty")])
def test_a_password_that_cannot_be_is_refused(office: Office, name: str, password: str) -> None:
    """Nothing is printed that could be appended to the file."""
    done = office.run("web-password", name, "--password", password)
    assert (done.code, done.out) == (2, "")
    assert password not in done.err
