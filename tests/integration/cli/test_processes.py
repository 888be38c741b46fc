"""The command as a process: how it starts, prints, is interrupted, and ends."""

from __future__ import annotations

import datetime as dt
import json
import os
import pty
import signal
import subprocess
import sys
import urllib.request
from typing import TYPE_CHECKING

import pytest
from rich.cells import cell_len

from itsm_workflow import __version__
from tests.integration.cli.office import COMMAND
from tests.support.limits import PATIENCE

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.cli.office import Office


def test_it_starts_as_a_module_and_knows_its_version(office: Office) -> None:
    """``python -m itsm_workflow`` is the command."""
    done = office.run_process("--version")
    assert (done.code, done.out, done.err) == (0, f"itsm-workflow, version {__version__}\n", "")


def test_without_its_extra_it_says_what_to_install(tmp_path: Path) -> None:
    """One line and exit 2 where the terminal's libraries are missing."""
    program = (
        "import sys; sys.modules['rich_click'] = None; from itsm_workflow.cli import main; sys.exit(main(['list']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "itsm-workflow needs rich_click, which is not installed: pip install 'itsm-workflow[cli]'\n"


@pytest.mark.parametrize("arguments", [(), ("storage",), ("nope",), ("show",), ("list", "--nope")])
def test_wrong_usage_is_exit_2_without_data(office: Office, arguments: tuple[str, ...]) -> None:
    """A script can distinguish a mistake in its arguments from a failure."""
    done = office.run(*arguments)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("itsm-workflow: ")
    assert "--help` shows the usage" in done.err


def test_a_closed_pipe_is_not_an_error(office: Office) -> None:
    """``| head`` ends the command without a message."""
    office.run(
        "apply", "--subject", "s", "--title", "t", "--applicant", "alice", "--approver", "bob", "--field", long()
    )
    with office.start("list", "--json") as running:
        assert running.stdout is not None
        assert running.stdout.read(1) == "["
        running.stdout.close()
        assert running.stderr is not None
        said = running.stderr.read()
        assert (running.wait(PATIENCE), said) == (0, "")


@pytest.mark.parametrize("arguments", [("list",), pytest.param(("--version",), marks=pytest.mark.long)])
def test_a_pipe_that_was_closed_before_is_not_an_error(office: Office, arguments: tuple[str, ...]) -> None:
    """`click` ends the program with exit code 1 for it, as a function of the host could."""
    office.run("apply", "--subject", "s", "--title", "t", "--applicant", "alice", "--approver", "bob", "--field", "a=1")
    reading, writing = os.pipe()
    os.close(reading)
    variables = {**os.environ, **office.variables}
    done = subprocess.run(
        [*COMMAND, *arguments], env=variables, stdout=writing, stderr=subprocess.PIPE, timeout=PATIENCE, check=False
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.long
def test_what_a_terminal_cannot_show_is_escaped(office: Office) -> None:
    """An encoding without Chinese does not stop the command."""
    office.apply("collector-42", "接入")
    done = office.run_process("list", PYTHONIOENCODING="latin-1", PYTHONUTF8="0")
    assert (done.code, done.err) == (0, "")
    assert "\\u63a5\\u5165" in done.out


@pytest.mark.long
def test_colour_is_for_terminals_that_want_it(office: Office) -> None:
    """Bold headings on a terminal; none with NO_COLOR, none in a pipe."""
    office.apply("collector-42")
    assert b"\x1b[1m" in on_a_terminal(office, "list")
    assert b"\x1b[" not in on_a_terminal(office, "list", NO_COLOR="1")
    assert "\x1b" not in office.run("list").out


@pytest.mark.long
def test_a_narrow_terminal_shows_everything(office: Office) -> None:
    """What people wrote goes on below; an id is never broken, since it is copied."""
    change = office.apply("采集项-四十二", "接入订单服务的全部访问日志")
    shown = on_a_terminal(office, "list", COLUMNS="80", NO_COLOR="1").decode().replace("\r", "").splitlines()
    header, facts, *written = shown
    assert max(map(cell_len, shown)) <= 80
    assert header.split() == ["id", "state", "attention", "UTC"]
    assert facts.split()[:2] == [change["id"], "pending"]
    assert written == [f"  采集项-四十二  {change['sn']}  接入订单服务的全部访问日志"]
    assert set("采集项-四十二接入订单服务的全部访问日志") <= set("".join(shown))


def test_a_pass_shows_its_progress_on_a_terminal_only(office: Office) -> None:
    """The bar goes to standard error, the report to standard output."""
    assert b"settling due changes" in on_a_terminal(office, "reconcile")
    assert office.run("reconcile").err == ""


def test_watching_repeats_until_it_is_interrupted(office: Office) -> None:
    """Pass after pass, and exit 130 on Ctrl-C."""
    office.apply("collector-42")
    with office.start("reconcile", "--watch", "0.05") as running:
        assert running.stdout is not None
        assert [running.stdout.readline()[:6] for _ in range(3)] == ["due 0:"] * 3
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=PATIENCE)
    assert (running.returncode, said.strip()) == (130, "")


@pytest.mark.long
def test_watching_ends_in_order_when_it_is_terminated(office: Office) -> None:
    """SIGTERM, as a service manager sends it, lets the pass end: exit 0."""
    office.apply("collector-42")
    with office.start("reconcile", "--watch", "600") as running:
        assert running.stdout is not None
        assert running.stdout.readline().startswith("due 0:")
        running.terminate()
        _, said = running.communicate(timeout=PATIENCE)
    assert (running.returncode, said) == (0, "")


@pytest.mark.long
def test_a_sandbox_prints_the_settings_by_which_to_use_it(office: Office) -> None:
    """They are all that is needed to file a ticket with it; Ctrl-C is how it is meant to end."""
    with office.start("sandbox", "--port", "0") as running:
        assert running.stdout is not None
        lines = [running.stdout.readline().strip() for _ in range(5)]
        exported = dict(line.removeprefix("export ").split("=", 1) for line in lines)
        filed = office.run_process(
            *("apply", "--subject", "s", "--title", "t", "--applicant", "alice", "--approver", "bob", "--json"),
            **exported,
        )
        assert filed.code == 0, filed.err
        assert filed.json["state"] == "pending"
        root = exported["BKAPP_ITSM_GATEWAY_URL"].removesuffix("/v2/itsm/")
        assert filed.json["ticket_url"] == f"{root}/#/ticket/detail?id={filed.json['ticket_id']}"
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=PATIENCE)
    assert running.returncode == 0
    assert f"  {root}/\n" in said
    assert "/_sandbox/approve/" in said
    assert office.sandbox.tickets() == ()


@pytest.mark.long
def test_a_sandbox_prints_its_settings_as_json(office: Office) -> None:
    """Programs that start one read them, and end it by SIGTERM."""
    with office.start("sandbox", "--port", "0", "--json") as running:
        assert running.stdout is not None
        text = ""
        while "}" not in text:
            text += running.stdout.readline()
        running.terminate()
        running.communicate(timeout=PATIENCE)
    assert running.returncode == 0
    assert json.loads(text)["BKAPP_ITSM_WORKFLOW_APP"] == "none"


@pytest.mark.long
def test_a_loaded_sandbox_takes_its_time(office: Office) -> None:
    """The approval step of a ticket is 16 to 25 seconds away."""
    with office.start("sandbox", "--port", "0", "--loaded") as running:
        assert running.stdout is not None
        lines = [running.stdout.readline().strip() for _ in range(5)]
        exported = dict(line.removeprefix("export ").split("=", 1) for line in lines)
        filed = office.run_process(
            *("apply", "--subject", "s", "--title", "t", "--applicant", "alice", "--approver", "bob"), **exported
        )
        assert filed.code == 0, filed.err
        root = exported["BKAPP_ITSM_GATEWAY_URL"].removesuffix("v2/itsm/")
        with urllib.request.urlopen(f"{root}_sandbox/ledger/", timeout=PATIENCE) as answer:  # noqa: S310 - 127.0.0.1
            told = json.load(answer)
        running.terminate()
        running.communicate(timeout=PATIENCE)
    [ticket] = told["tickets"]
    starts = [plan["due"] for plan in told["planned"] if "starts its flow" in plan["what"]]
    waits = dt.datetime.fromisoformat(starts[0]) - dt.datetime.fromisoformat(ticket["created_at"])
    assert 16 <= waits.total_seconds() <= 25


def test_a_port_in_use_is_reported(office: Office) -> None:
    """The command prints one line and exits with 1."""
    port = office.sandbox.root.rsplit(":", 1)[1]
    done = office.run_process("sandbox", "--port", port)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith(f"itsm-workflow: --port {port}: cannot listen on 127.0.0.1:{port}: ")
    assert "--port 0 for a free one" in done.err


def long() -> str:
    """Return a field that does not fit into a pipe."""
    return "text=" + "x" * 100_000


def on_a_terminal(office: Office, *arguments: str, **more: str) -> bytes:
    """Run the command on a terminal, and return what it shows."""
    master, slave = pty.openpty()
    environment = {**os.environ, **office.variables, "TERM": "xterm", "COLUMNS": "200", **more}
    for name in {"NO_COLOR", "FORCE_COLOR"} - more.keys():
        environment.pop(name, None)
    with subprocess.Popen(
        [*COMMAND, *arguments], cwd=office.folder, env=environment, stdin=slave, stdout=slave, stderr=slave
    ) as running:
        os.close(slave)
        shown = b""
        while True:
            try:
                part = os.read(master, 65536)
            except OSError:  # on Linux this is how the end of a terminal shows
                break
            if not part:
                break
            shown += part
        running.wait(PATIENCE)
    os.close(master)
    return shown
