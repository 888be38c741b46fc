"""What is found of the settings: where each came from, and which variable puts it right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from itsm_workflow.doctor.configuration import examine_settings
from itsm_workflow.doctor.findings import Finding, Level

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

CANARY = "canary-0123456789-0123456789-0123456789"
GOOD = {
    "BKAPP_ITSM_APP_CODE": "host",
    "BKAPP_ITSM_APP_SECRET": f"app-{CANARY}",
    "BKAPP_ITSM_GATEWAY_URL": "https://bkapi.example.com/api/bk-itsm/prod/v2/itsm/",
    "BKAPP_ITSM_FAST_APPROVAL": "true",
}


def found(environ: Mapping[str, str]) -> dict[str, Finding]:
    """Return what is found, by name; no name comes twice."""
    _, findings = examine_settings(environ)
    by_name = {finding.name: finding for finding in findings}
    assert len(findings) == len(by_name)
    assert CANARY not in repr(findings)
    return by_name


def test_each_setting_is_told_with_its_variable() -> None:
    """And with those that lost, since somebody may look at the wrong one."""
    findings = found({**GOOD, "BK_APP_CODE": "other", "BKPAAS_ENVIRONMENT": "prod"})

    assert {finding.level for finding in findings.values()} == {Level.OK}
    assert findings["settings.app_code"].seen == "host, from BKAPP_ITSM_APP_CODE; ignored: BK_APP_CODE"
    assert findings["settings.environment"].seen == "prod, from BKPAAS_ENVIRONMENT"
    assert "settings.timeout" not in findings


def test_no_secret_is_shown() -> None:
    """Only that it is set; of a store's address, only which kind it is."""
    findings = found(
        {
            **GOOD,
            "BKAPP_ITSM_CALLBACK_HOST": "https://host.example.com",
            "BKAPP_ITSM_CALLBACK_KEYS": f"k1-{CANARY},k2-{CANARY}",
            "BKAPP_ITSM_STORE": f"postgresql://me:{CANARY}@db/changes",
            "BKAPP_ITSM_SYSTEM_TOKEN": CANARY,
        }
    )

    assert findings["settings.app_secret"].seen == "set, from BKAPP_ITSM_APP_SECRET"
    assert findings["settings.callback_keys"].seen == "2 keys, from BKAPP_ITSM_CALLBACK_KEYS"
    assert findings["settings.store"].seen == "postgresql://…, from BKAPP_ITSM_STORE"


@pytest.mark.parametrize(
    ("url", "shown"),
    [("sqlite:///changes.db", "sqlite:///changes.db"), (CANARY, "set"), (f"redis://{CANARY}", "redis://…")],
)
def test_a_store_is_shown_as_far_as_it_holds_no_password(url: str, shown: str) -> None:
    """A file's path is what one looks for."""
    assert found({**GOOD, "BKAPP_ITSM_STORE": url})["settings.store"].seen == f"{shown}, from BKAPP_ITSM_STORE"


def test_a_missing_setting_names_the_variable_to_set() -> None:
    """All at once, beside what was read."""
    findings = found({"BKPAAS_APP_ID": "host"})

    assert findings["settings.app_code"].seen == "from BKPAAS_APP_ID"
    assert findings["settings.app_secret"].level == Level.PROBLEM
    assert findings["settings.app_secret"].advice == "set BKAPP_ITSM_APP_SECRET: the secret of the BlueKing application"
    assert findings["settings.gateway_url"].advice.startswith("set BKAPP_ITSM_GATEWAY_URL: the root to which ")


def test_a_wrong_setting_names_the_variable_to_correct() -> None:
    """The one that it was read from; and a password in an address is not repeated."""
    findings = found(
        {
            "BKAPP_ITSM_APP_CODE": "host",
            "BK_APP_SECRET": CANARY,
            "ITSM_APIGATEWAY_ROOT_V2": f"https://me:{CANARY}@bkapi.example.com/",
            "BKAPP_ITSM_TIMEOUT": "soon",
        }
    )

    assert findings["settings.gateway_url"].level == Level.PROBLEM
    assert findings["settings.gateway_url"].advice == "correct ITSM_APIGATEWAY_ROOT_V2"
    assert findings["settings.timeout"].advice == "correct BKAPP_ITSM_TIMEOUT"
    assert findings["settings.app_secret"].level == Level.OK


def test_two_faults_of_one_setting_are_told_together() -> None:
    """The second must not need a second run."""
    findings = found({**GOOD, "BKAPP_ITSM_GATEWAY_URL": "http://me:x@bkapi.example.com/?a=b"})

    assert findings["settings.gateway_url"].seen.count("BKAPP_ITSM_GATEWAY_URL") == 3


def test_a_variable_that_sets_nothing_is_told_with_the_nearest() -> None:
    """A typing error would otherwise be silent; the command line's own variable is none."""
    findings = found({**GOOD, "BKAPP_ITSM_CALBACK_HOST": "x", "BKAPP_ITSM_WORKFLOW_APP": "none"})

    assert findings["settings.unknown"].level == Level.WARNING
    assert findings["settings.unknown"].seen == "BKAPP_ITSM_CALBACK_HOST is not a known setting"
    assert findings["settings.unknown"].advice == "did you mean BKAPP_ITSM_CALLBACK_HOST?"


def test_no_service_is_a_warning() -> None:
    """The application may choose it at each filing."""
    environ = {name: value for name, value in GOOD.items() if name != "BKAPP_ITSM_FAST_APPROVAL"}

    assert found(environ)["settings.service_id"].level == Level.WARNING


@pytest.mark.parametrize(("deadline", "level"), [("25", Level.OK), ("26", Level.WARNING)])
def test_a_deadline_for_which_the_default_policy_has_no_room(deadline: str, level: Level) -> None:
    """A workflow with the default policy refuses to be built with it."""
    finding = found({**GOOD, "BKAPP_ITSM_DEADLINE": deadline})["settings.deadline"]

    assert finding.level is level
    if level is Level.WARNING:
        assert "Policy.send_lease is 30 s, but must be at least" in finding.seen
        assert finding.advice.startswith("lower BKAPP_ITSM_DEADLINE, or give the workflow a policy")


def test_half_a_callback_is_a_problem() -> None:
    """One of host and keys alone asks for no callback, and looks as if it did."""
    host_alone = found({**GOOD, "BKAPP_ITSM_CALLBACK_HOST": "https://host.example.com"})
    keys_alone = found({**GOOD, "BKAPP_ITSM_CALLBACK_KEYS": CANARY})

    assert host_alone["settings.callback_keys"].level == Level.PROBLEM
    assert host_alone["settings.callback_keys"].advice.startswith("set BKAPP_ITSM_CALLBACK_KEYS, or unset ")
    assert keys_alone["settings.callback_host"].advice.startswith("set BKAPP_ITSM_CALLBACK_HOST, or unset ")


def test_a_callback_that_only_this_machine_can_call() -> None:
    """While the gateway is elsewhere."""
    findings = found({**GOOD, "BKAPP_ITSM_CALLBACK_HOST": "http://127.0.0.1:8000", "BKAPP_ITSM_CALLBACK_KEYS": CANARY})

    assert findings["settings.callback_host"].level == Level.WARNING


def test_keys_that_are_never_believed() -> None:
    """At most two keys are live at a time."""
    keys = ",".join(f"{number}-{CANARY}" for number in range(3))
    findings = found({**GOOD, "BKAPP_ITSM_CALLBACK_HOST": "https://h.example.com", "BKAPP_ITSM_CALLBACK_KEYS": keys})

    assert findings["settings.callback_keys"].level == Level.WARNING


def test_a_secret_in_plain_text() -> None:
    """It was allowed, and still is told."""
    url = {"BKAPP_ITSM_GATEWAY_URL": "http://bkapi.example.com/", "BKAPP_ITSM_ALLOW_HTTP": "yes"}

    assert found({**GOOD, **url})["settings.allow_http"].level == Level.WARNING


def test_certificates_in_a_folder(tmp_path: Path) -> None:
    """OpenSSL looks into it when it needs one."""
    assert found({**GOOD, "BKAPP_ITSM_CA_BUNDLE": str(tmp_path)})["settings.ca_bundle"].level == Level.OK


def test_certificates_that_are_none(tmp_path: Path) -> None:
    """Found before anything is connected."""
    bundle = tmp_path / "ca.pem"
    bundle.write_text("no certificate", encoding="utf-8")
    findings = found({**GOOD, "BKAPP_ITSM_CA_BUNDLE": str(bundle)})

    assert findings["settings.ca_bundle"].level == Level.PROBLEM
    assert "does not contain a readable certificate" in findings["settings.ca_bundle"].seen
