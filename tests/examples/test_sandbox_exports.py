"""The settings that the sandbox prints are all that a host needs: the Flask guide's host, to a real callback."""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

import pytest
from werkzeug.serving import make_server

from itsm_workflow import Settings, State
from itsm_workflow.errors import SettingsError
from tests.support.limits import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator

GUIDE = Path(__file__).parents[2] / "docs/how-to/flask.md"
FORM = {
    "expect_access_data": "2026-12-01",
    "single_log_size": 500,
    "single_host_peak": 100,
    "single_host_log_volume": 1.5,
    "expect_host_size": 10,
    "log_keep_days": 7,
    "hot_data_days": 3,
    "apply_reason": "排查问题",
}


def refuse(*_: object) -> list[bytes]:
    """Serve nothing: a server needs an application before its port is known."""
    raise AssertionError


@pytest.fixture
def printed(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Start the sandbox as a person does, and return what it prints for a shell."""
    command = (sys.executable, "-m", "itsm_workflow", "sandbox", "--port", "0")
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, encoding="utf-8") as running:
        try:
            assert running.stdout is not None
            found: dict[str, str] = {}
            while "BKAPP_ITSM_WORKFLOW_APP" not in found:  # the last one
                [text] = shlex.split(running.stdout.readline().removeprefix("export "))
                name, _, value = text.partition("=")
                found[name] = value
            yield found
        finally:
            running.send_signal(signal.SIGTERM)
            running.communicate(timeout=PATIENCE)


def guides_host(settings: Settings) -> Any:  # noqa: ANN401 - an application of Flask
    """Return the application that the guide's first Python block makes."""
    block = re.findall(r"^```python\n(.*?)^```", GUIDE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)[0]
    names: dict[str, Any] = {}
    exec(compile(block, str(GUIDE), "exec"), names)  # noqa: S102 - the guide's own block
    return names["make_app"](settings)


def test_the_guides_host_reaches_an_approval_by_a_callback(printed: dict[str, str]) -> None:
    """Only the port of the host is another one, since several tests may run here."""
    assert printed["BKAPP_ITSM_CALLBACK_HOST"] == "http://127.0.0.1:8000"
    server = make_server("127.0.0.1", 0, refuse, threaded=True)
    settings = {**printed, "BKAPP_ITSM_CALLBACK_HOST": f"http://127.0.0.1:{server.server_port}"}
    server.app = app = guides_host(Settings.from_env(settings))
    workflow = app.extensions["itsm"]
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    try:
        answer = app.test_client().post(
            "/itsm/42/apply_itsm_ticket/",
            json={**FORM, "title": "接入 nginx 日志", "approvers": ["bob"]},
            headers={"X-User": "alice"},
        )
        assert answer.status_code == 200, answer.text
        root = printed["BKAPP_ITSM_GATEWAY_URL"].removesuffix("v2/itsm/")
        body = b'{"sn": "%s"}' % answer.json["data"]["sn"].encode()
        with urlopen(Request(f"{root}_sandbox/approve/", data=body), timeout=PATIENCE) as approved:  # noqa: S310
            assert approved.status == 200

        # No look or pass is made here: only the callback makes the change move.
        change = workflow.newest("collector-42")
        workflow.wait(change.id, timeout=PATIENCE)
        assert workflow.get(change.id).state == State.APPROVED
        assert "receive_callback" in [entry.trigger for entry in workflow.history(change.id)]
    finally:
        server.shutdown()
        serving.join(PATIENCE)
        server.server_close()
        workflow.close()


def test_the_key_is_another_one_at_each_start(printed: dict[str, str]) -> None:
    """It is a key of this sandbox, and of no other."""
    assert len(printed["BKAPP_ITSM_CALLBACK_KEYS"]) >= 32
    assert printed["BKAPP_ITSM_CALLBACK_KEYS"] != printed["BKAPP_ITSM_APP_SECRET"]


def test_a_host_without_the_settings_reads_of_the_way_without_callbacks(printed: dict[str, str]) -> None:
    """The sentence names both settings, and the argument."""
    given = {name: value for name, value in printed.items() if not name.startswith("BKAPP_ITSM_CALLBACK_")}
    workflow = guides_host(Settings.from_env(given)).extensions["itsm"]
    with pytest.raises(SettingsError, match="callbacks=False") as refused:
        workflow.apply(subject="s", title="t", applicant="alice", approvers=["bob"])
    workflow.close()
    assert "BKAPP_ITSM_CALLBACK_HOST is missing; BKAPP_ITSM_CALLBACK_KEYS is missing" in str(refused.value)
