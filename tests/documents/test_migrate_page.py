"""The page about moving from another handler: its commands run as written, and its tables leave nothing out."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from itsm_workflow import errors
from itsm_workflow.cli import main
from itsm_workflow.gateway.bk_itsm.wire import ENDPOINTS
from itsm_workflow.integrations import CollectorStatus
from itsm_workflow.sandbox import Sandbox
from itsm_workflow.settings import VARIABLES
from tests.support.old_handler import file_ticket

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "migrate.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^\$ itsm-workflow (.*)$", PAGE, flags=re.MULTILINE)
HANDLER = (
    *("apply_itsm_ticket", "collect_itsm_status", "get_log_itsm_service_id", "create_ticket", "ticket_info"),
    *("ticket_status", "verify_token", "clean_failed_ticket_callback", "update_collect_itsm_status"),
)
"""The methods of the log platform's handler."""
API = (
    *("create_ticket", "get_ticket_status", "token_verify", "get_ticket_info", "ticket_approval_result"),
    *("callback_failed_ticket", "get_services", "operate_ticket"),
)
"""The endpoints that it calls."""
CALLBACK = ("sn", "title", "ticket_url", "current_status", "updated_by", "update_at", "approve_result", "token")
SETTINGS = ("ITSM_APIGATEWAY_ROOT_V2", "ITSM_LOG_DISPLAY_ROLE", "COLLECTOR_ITSM_SERVICE_ID", "APP_CODE", "SECRET_KEY")


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the tables below a heading."""
    section = PAGE.split(f"\n### {heading}\n", 1)[1].split("\n#", 1)[0]
    lines = [line for line in section.splitlines() if line.startswith("| ") and not line.startswith("| ---")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def functions() -> dict[str, Callable[..., Any]]:
    """Return the functions that the page's first block defines."""
    found: dict[str, Any] = {}
    exec(re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)[0], found)  # noqa: S102 - a block of the page
    return found


@pytest.fixture
def sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """Start a stand-in whose variables are set, in a folder with the application that the page names."""
    with Sandbox(start_delay=0.0, decision_delay=0.0) as started:
        for name, value in {
            "BKAPP_ITSM_APP_CODE": "host",
            "BKAPP_ITSM_APP_SECRET": "made-up-for-this-test",
            "BKAPP_ITSM_GATEWAY_URL": started.url,
            "BKAPP_ITSM_FAST_APPROVAL": "true",
            "BKAPP_ITSM_STORE": "sqlite:///changes.db",
        }.items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(tmp_path)
        monkeypatch.syspath_prepend(tmp_path)
        (tmp_path / "shop").mkdir()
        (tmp_path / "shop" / "itsm.py").write_text(
            "from itsm_workflow import BkItsmGateway, Effect, Settings, State, Workflow\n\n\n"
            "def make_workflow():\n"
            "    gateway = BkItsmGateway(Settings.from_env())\n"
            "    effects = {State.APPROVED: [Effect('start_collection', print)]}\n"
            "    return Workflow(storage='sqlite:///changes.db', gateway=gateway, callbacks=False, effects=effects)\n"
        )
        yield started
    for name in ("shop", "shop.itsm"):  # which the commands have imported, and which other pages name too
        sys.modules.pop(name, None)


def test_the_commands_of_the_page_move_a_ticket(sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    """In the order of the page; the handler's rows are exported by the page's own function."""
    ticket = file_ticket(sandbox.settings())
    sandbox.wait(lambda ledger: ledger.by_id(ticket.id).step_running)
    functions()["export"]([(42, ticket.sn, "applying")], "tickets.csv")
    printed = {}
    for command in COMMANDS:
        if command != "sandbox":
            assert main(shlex.split(command)) == 0, capsys.readouterr().err
            printed[command] = capsys.readouterr().out.splitlines()[1].split()
    assert [words[:4] for words in printed.values()] == [
        ["2", "collector-42", ticket.sn, "agrees"],
        ["2", "collector-42", ticket.sn, "would"],
        ["2", "collector-42", ticket.sn, "adopted"],
    ]
    assert len(sandbox.tickets()) == 1


def test_every_method_of_the_handler_has_a_row() -> None:
    """By its name, at the beginning of the row."""
    assert [name for name in HANDLER if not any(row[0].startswith(f"`{name}(") for row in rows("The handler"))] == []


def test_every_endpoint_of_the_handler_s_api_has_a_row() -> None:
    """And each names one that the library calls."""
    named = {row[0].strip("`") for row in rows("The API")}
    assert [name for name in API if name not in named] == []
    assert set(API) <= {each.name for each in ENDPOINTS}


def test_every_status_has_its_label() -> None:
    """As the code has them."""
    assert {row[0].strip("`"): row[1] for row in rows("Statuses and labels")[1:]} == {
        one.value: one.label for one in CollectorStatus
    }


def test_every_error_code_has_the_error_that_carries_it() -> None:
    """The number in the table is the error's `platform_code`."""
    found = {int(row[1]): re.findall(r"`(\w+)`", row[2])[0] for row in rows("Errors")[1:] if row[1].isdecimal()}
    assert {code: getattr(errors, name).platform_code for code, name in found.items()} == {
        code: code for code in (501, 502, 503, 504)
    }


def test_every_setting_and_every_field_of_a_callback_is_named() -> None:
    """A variable in the right column is one that is read."""
    left = " ".join(row[0] for row in rows("Settings"))
    assert [name for name in SETTINGS if f"`{name}`" not in left] == []
    known = {name for names in VARIABLES.values() for name in names}
    read = {name for row in rows("Settings") for name in re.findall(r"`(B[A-Z_0-9]+)`", row[1])}
    assert read
    assert read <= known
    assert [name for name in CALLBACK if f"`{name}`" not in PAGE] == []
