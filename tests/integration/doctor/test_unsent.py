"""Creates that fail while the doctor's own calls succeed: its report names them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from itsm_workflow import BkItsmGateway, Policy, Settings, Workflow
from itsm_workflow.doctor import unsent

if TYPE_CHECKING:
    from itsm_workflow import ChangeRequest
    from itsm_workflow.storage.protocol import Row
    from tests.integration.cli.office import Office


def apply(office: Office, subject: str = "collector-42", *, attempts: int = 8) -> ChangeRequest:
    """Apply, with attention after so many sends in vain."""
    settings, policy = Settings.from_env(office.variables), Policy(unsent_attempts=attempts)
    gateway = BkItsmGateway(settings)
    store = office.variables["BKAPP_ITSM_STORE"]
    with Workflow(storage=store, gateway=gateway, policy=policy, callbacks=False) as workflow:
        return workflow.apply(subject=subject, title="接入", applicant="alice", approvers=["bob"])


def created(office: Office) -> dict[str, Any] | None:
    """Return what the doctor finds of creates that were not sent, or None."""
    found = {one["name"]: one for one in office.run("doctor", "--online", "--json").json}
    return found.get("gateway.create")


@pytest.mark.parametrize("attempts", [1, 8], ids=["with attention", "before attention"])
@pytest.mark.parametrize("code", [1640101, 1640301])
def test_a_create_that_the_api_gateway_alone_refuses(office: Office, code: int, attempts: int) -> None:
    """All other findings are well; `why` sends its reader to this one, also before attention is raised."""
    office.sandbox.faults.refuse("create_ticket", code, always=True)
    change = apply(office, "collector-42", attempts=attempts)
    found = created(office)

    assert found is not None
    assert found["level"] == "warning"
    assert found["seen"] == f"create_ticket was refused with {code}, other calls are accepted (change {change.id})"
    assert found["advice"].startswith("check the app's permission for this API in the developer centre, ")
    assert f"`itsm-workflow settle {change.id}`" in found["advice"]


def test_an_interface_that_is_missing(office: Office) -> None:
    """No permission would help."""
    office.sandbox.faults.refuse("create_ticket", 1640401, always=True)
    apply(office, "collector-42")
    found = created(office)

    assert found is not None
    assert found["advice"].startswith("correct BKAPP_ITSM_GATEWAY_URL, or BKAPP_ITSM_ROUTES")


def test_several_codes(office: Office) -> None:
    """Each is named; the change is the last one."""
    for number, code in enumerate((1640301, 1640101)):
        office.sandbox.faults.refuse("create_ticket", code)
        last = apply(office, f"collector-{number}")
    found = created(office)

    assert found is not None
    assert found["seen"].startswith("create_ticket was refused with 1640101, 1640301, ")
    assert last.id in found["seen"]


def test_a_connection_that_failed_before(office: Office) -> None:
    """The gateway is well again, or this process is not the one that files."""
    office.sandbox.faults.refuse("create_ticket", 1642901)
    change = apply(office, "collector-42")
    found = created(office)

    assert found is not None
    assert found["seen"].startswith(f"change {change.id} was not filed, but calls are accepted now; its last problem: ")
    assert "1642901" in found["seen"]
    assert found["advice"].startswith(f"`itsm-workflow settle {change.id}` tries immediately")


def test_nothing_is_said_if_the_gateway_refuses_every_call(office: Office) -> None:
    """The finding about the credentials says why."""
    office.sandbox.faults.refuse("create_ticket", always=True)
    apply(office, "collector-42")
    office.sandbox.faults.refuse("get_services", always=True)

    assert created(office) is None


def test_a_create_that_was_filed_or_given_up(office: Office) -> None:
    """Its problem is of the past."""
    office.sandbox.faults.refuse("create_ticket")
    given_up = apply(office, "collector-1")
    office.sandbox.faults.clear()
    apply(office, "collector-2")
    assert office.run("abandon", given_up.id, "--actor", "olga", "--reason", "not wanted").code == 0

    assert created(office) is None


def test_a_bounded_number_of_changes_is_read(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store of many changes is not decoded as a whole."""
    read: list[str] = []
    kept = unsent._problem_of

    def counted(row: Row) -> str:
        read.append(row.id)
        return kept(row)

    monkeypatch.setattr(unsent, "MOST_READ", 2)
    monkeypatch.setattr(unsent, "_problem_of", counted)
    office.sandbox.faults.refuse("create_ticket", always=True)
    for number in range(6):
        apply(office, f"collector-{number}", attempts=1)

    assert created(office) is not None
    assert 2 <= len(read) <= 4


def test_a_damaged_change_is_left_out(office: Office) -> None:
    """Another finding reports the damage, and the examination goes on."""
    office.sandbox.faults.refuse("create_ticket", always=True)
    apply(office, "collector-1")
    with closing(sqlite3.connect(office.folder / "changes.db")) as store, store:
        store.execute("UPDATE changes SET document = replace(document, '1640101', '1640301')")

    assert created(office) is None


def test_the_report_is_in_chinese(office: Office) -> None:
    """The sentence and the advice."""
    office.sandbox.faults.refuse("create_ticket", always=True)
    change = apply(office, "collector-42")
    said = office.run("doctor", "--online", "--language", "zh").out

    assert f"create_ticket 被拒绝，返回码 1640101，其他调用通过（变更 {change.id}）" in said
    assert f"`itsm-workflow settle {change.id}` 可以立即重试" in said


@pytest.mark.parametrize(
    ("language", "words"), [("en", "the app secret and the app's permission"), ("zh", "应用密钥和应用对提单接口的权限")]
)
def test_why_names_what_to_check(office: Office, language: str, words: str) -> None:
    """For the API gateway's own codes."""
    office.sandbox.faults.refuse("create_ticket", always=True)
    apply(office, "collector-42", attempts=1)

    assert words in office.run("why", "collector-42", "--language", language).out.replace("\n", "")
