"""The command ``manage.py itsm``: the commands of the library, with the project's settings and workflow."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
from django.core.management import CommandError, call_command
from django.core.management.base import BaseCommand
from django.test import override_settings

from itsm_workflow.cli.app import group
from itsm_workflow.integrations.django import get_workflow
from itsm_workflow.integrations.django.management.commands import itsm as command
from tests.support.desk import ASKED, SUBJECT

if TYPE_CHECKING:
    from collections.abc import Callable

    from itsm_workflow import ChangeRequest
    from tests.support.desk import Desk


def applied() -> ChangeRequest:
    """File a change."""
    return get_workflow().apply(subject=SUBJECT, **ASKED)


def test_a_command_works_on_the_project_s_workflow(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    """It reads and acts, without --app and --store."""
    change = applied()
    call_command("itsm", "show", change.id, "--json")
    assert json.loads(capsys.readouterr().out)["id"] == change.id

    desk.decide(change)
    call_command("itsm", "settle", SUBJECT)
    assert get_workflow().require_approved(SUBJECT).id == change.id


def test_every_command_of_the_library_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    """They are the same, and the help is that of the library."""
    with pytest.raises(SystemExit) as ended:
        command.Command().run_from_argv(["manage.py", "itsm", "--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert [name for name in group.commands if name not in shown] == []


@pytest.mark.parametrize("options", [["--settings", "shop.settings"], ["--settings=x", "--pythonpath=y"], []])
def test_options_of_django_are_not_passed_on(
    desk: Desk, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Django has read them before."""
    change = applied()
    with pytest.raises(SystemExit) as ended:
        command.Command().run_from_argv(["manage.py", "itsm", "why", *options, change.id])
    assert ended.value.code == 0
    assert SUBJECT in capsys.readouterr().out
    del desk


def test_an_error_is_the_one_of_the_library(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    """With its sentence and its exit code."""
    del desk
    with pytest.raises(CommandError, match="itsm why nothing failed with exit code 1") as caught:
        call_command("itsm", "why", "nothing")
    assert caught.value.returncode == 1
    assert "nothing" in capsys.readouterr().err


def _noting(seen: dict[str, str]) -> Callable[[object], int]:
    def main(_: object) -> int:
        seen.update(os.environ)
        return 0

    return main


def test_settings_of_the_project_are_seen_and_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where every command looks for them; the environment is afterwards as it was."""
    seen: dict[str, str] = {}
    monkeypatch.setattr(command, "main", _noting(seen))
    before = dict(os.environ)
    with override_settings(ITSM_WORKFLOW={"BKAPP_ITSM_STORE": "django://default", "BKAPP_ITSM_SERVICE_ID": 7}):
        call_command("itsm", "doctor")
    assert (seen["BKAPP_ITSM_STORE"], seen["BKAPP_ITSM_SERVICE_ID"]) == ("django://default", "7")
    assert seen["BKAPP_ITSM_WORKFLOW_APP"] == "itsm_workflow.integrations.django.process:open_workflow"
    assert dict(os.environ) == before


def test_the_project_s_own_application_has_precedence(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the variable names it."""
    seen: dict[str, str] = {}
    monkeypatch.setattr(command, "main", _noting(seen))
    monkeypatch.setenv("BKAPP_ITSM_WORKFLOW_APP", "shop.itsm:make")
    call_command("itsm", "list")
    assert seen["BKAPP_ITSM_WORKFLOW_APP"] == "shop.itsm:make"


def test_it_is_a_command_of_django() -> None:
    """`manage.py help` lists it under the app."""
    from django.core.management import get_commands  # noqa: PLC0415 - Django is set up by now

    assert get_commands()["itsm"] == "itsm_workflow.integrations.django"
    assert issubclass(command.Command, BaseCommand)
