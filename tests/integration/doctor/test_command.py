"""`itsm-workflow doctor` as it is typed: what it prints, how it ends, and what it never does."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from itsm_workflow.doctor import Level, examine
from itsm_workflow.secrets import Secret
from tests.integration.doctor.places import KEY
from tests.support.fault_server import FaultServer, answering, response
from tests.support.limits import PATIENCE
from tests.support.office import Office as Host

if TYPE_CHECKING:
    from tests.integration.cli.office import Office


def test_all_is_well(office: Office) -> None:
    """A line for each finding, the sum on standard error, exit 0."""
    office.apply("collector-42")
    done = office.run("doctor", "--online")

    assert done.code == 0
    assert done.err == "problems 0, warnings 0, ok 16\n"
    lines = done.out.splitlines()
    assert len(lines) == 16
    assert lines[0] == "ok       settings.app_code           host, from BKAPP_ITSM_APP_CODE"
    assert "ok       storage.open_changes        collector_change: 1 pending" in lines


def test_a_problem_is_exit_1_with_what_to_do(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under what was seen."""
    monkeypatch.delenv("BKAPP_ITSM_APP_SECRET")
    done = office.run("doctor", "--online")

    assert done.code == 1
    assert "PROBLEM  settings.app_secret" in done.out
    assert "→ set BKAPP_ITSM_APP_SECRET" in done.out
    assert "not tried: the settings cannot be used" in done.out


def test_certificates_that_cannot_be_read(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """No HTTP client can be made with them, so that nothing is asked."""
    bundle = office.folder / "ca.pem"
    bundle.write_text("no certificate", encoding="utf-8")
    monkeypatch.setenv("BKAPP_ITSM_CA_BUNDLE", str(bundle))
    done = office.run("doctor", "--online", "--callback")

    assert done.code == 1
    assert done.out.count("not tried: the settings cannot be used") == 2


def test_warnings_alone_are_exit_0(office: Office) -> None:
    """One example: there is no store yet."""
    done = office.run("doctor")

    assert (done.code, done.err) == (0, "problems 0, warnings 1, ok 5\n")


def test_json_is_an_array_of_findings(office: Office) -> None:
    """With keys that stay."""
    found = office.run("doctor", "--json").json

    assert found[0] == {
        "name": "settings.app_code",
        "level": "ok",
        "seen": "host, from BKAPP_ITSM_APP_CODE",
        "advice": "",
    }
    assert {tuple(one) for one in found} == {("name", "level", "seen", "advice")}


def test_a_store_that_is_typed(office: Office) -> None:
    """It beats the one of the environment."""
    done = office.run("doctor", "--store", "memory://")

    assert "the memory store opens" in done.out


def test_callback_alone_is_wrong_usage(office: Office) -> None:
    """Without --online nothing leaves the machine."""
    done = office.run("doctor", "--callback")

    assert (done.code, done.out) == (2, "")
    assert "--online" in done.err


@pytest.mark.long
def test_offline_needs_no_http_client(office: Office) -> None:
    """It starts quickly, and works where none is installed."""
    program = "import sys; from itsm_workflow.cli import main; main(['doctor']); print('requests' in sys.modules)"
    done = office.run_process("doctor")
    loaded = _python(office, program)

    assert done.code == 0
    assert loaded.splitlines()[-1] == "False"


def test_offline_opens_no_connection(office: Office) -> None:
    """Not even to this machine."""
    opened: list[object] = []
    watching = [True]

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if watching[0] and event in {"socket.connect", "socket.getaddrinfo"}:
            opened.append((event, arguments))

    sys.addaudithook(watch)
    try:
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.1", 9))
        assert len(opened) == 2  # so that the hook is known to see them
        opened.clear()
        office.run("doctor")
        assert opened == []
    finally:
        watching[0] = False


def test_a_running_host_from_end_to_end(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gateway, service, callback and store, over real HTTP."""
    with Host("memory://") as host:
        host.workflow(host.settings(callback_keys=(Secret(KEY),)))
        monkeypatch.setenv("BKAPP_ITSM_CALLBACK_HOST", host.door.url)
        monkeypatch.setenv("BKAPP_ITSM_CALLBACK_KEYS", KEY)
        done = office.run("doctor", "--online", "--callback", "--json")

    named = {one["name"]: one["level"] for one in done.json}
    assert done.code == 0
    assert [named[f"callback.{part}"] for part in ("connection", "delivery", "credential", "speed")] == ["ok"] * 4


def test_no_secret_is_printed(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever servers send back, in either form of output."""
    canaries = {
        "BKAPP_ITSM_APP_SECRET": "canary-app-secret",
        "BKAPP_ITSM_SYSTEM_TOKEN": "canary-system-token",
        "BKAPP_ITSM_CALLBACK_KEYS": f"{KEY},{KEY[::-1]}",
        "BKAPP_ITSM_STORE": "unknown://me:canary-password@db/changes",
    }
    for name, value in canaries.items():
        monkeypatch.setenv(name, value)
    told = response({"result": False, "code": "canary-app-secret", "message": "canary-app-secret"})
    with FaultServer(answering(told)) as server:
        monkeypatch.setenv("BKAPP_ITSM_GATEWAY_URL", server.url)
        monkeypatch.setenv("BKAPP_ITSM_CALLBACK_HOST", server.url.removesuffix("/v2/itsm/"))
        for form in ((), ("--json",)):
            done = office.run("doctor", "--online", "--callback", *form)

            assert done.code == 1
            assert "gateway.answer" in done.out
            assert "canary" not in done.out + done.err
            assert KEY[::-1] not in done.out + done.err


def test_control_characters_do_not_reach_the_terminal(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server's words are shown, and steer nothing."""
    told = response({"result": False, "code": 1640301, "message": "\x1b[2J\u202e no"})
    with FaultServer(answering(told)) as server:
        monkeypatch.setenv("BKAPP_ITSM_GATEWAY_URL", server.url)
        done = office.run("doctor", "--online")

    assert "\x1b" not in done.out
    assert "\u202e" not in done.out


def test_the_library_part_is_a_generator(office: Office) -> None:
    """A host shows each finding as it comes."""
    found: Any = examine(office.variables, store="memory://")

    assert next(found).level == Level.OK
    found.close()


@pytest.mark.parametrize("flag", ["online", "callback"])
def test_the_library_part_refuses_a_flag_that_is_not_a_bool(office: Office, flag: str) -> None:
    """The text no is true, and would call the gateway."""
    flags: dict[str, Any] = {flag: "no"}
    with pytest.raises(TypeError, match=rf"^examine\({flag}=\.\.\.\) takes True or False, not 'no'$"):
        next(iter(examine(office.variables, store="memory://", **flags)))


def _python(office: Office, program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=office.folder,
        env={**os.environ, **office.variables},
        capture_output=True,
        encoding="utf-8",
        check=True,
        timeout=PATIENCE,
    )
    return done.stdout
