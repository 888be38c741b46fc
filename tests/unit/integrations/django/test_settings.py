"""The setting ITSM_WORKFLOW: the environment's names, the host's objects, and the system checks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.test import override_settings

from itsm_workflow import Secret
from itsm_workflow.errors import SettingsError
from itsm_workflow.integrations.django import checks, process
from itsm_workflow.integrations.django.settings import read_settings, workflow_arguments
from tests.support.django_host import itsm

if TYPE_CHECKING:
    from tests.support.desk import Desk

KEY = "canary-callback-key-0123456789-0123456789"
NEEDED: dict[str, Any] = {
    "BKAPP_ITSM_APP_CODE": "bk_log",
    "BKAPP_ITSM_APP_SECRET": "canary-secret",
    "BKAPP_ITSM_GATEWAY_URL": "https://itsm.example.com/v2/",
    "BKAPP_ITSM_SERVICE_ID": 7,
}
CALLBACKS: dict[str, Any] = {
    **NEEDED,
    "BKAPP_ITSM_CALLBACK_HOST": "https://logs.example.com",
    "BKAPP_ITSM_CALLBACK_KEYS": [Secret(KEY)],
}


def found(keys: object, *, routes: bool = False) -> list[tuple[str, str, str]]:
    """Return the messages of the system checks for a setting."""
    with override_settings(ITSM_WORKFLOW=keys):
        messages = checks.check_routes() if routes else checks.check_settings()
    return [(str(one.id), str(one.msg), str(one.hint)) for one in messages]


def test_the_keys_are_the_names_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A value of the setting has precedence, also over a variable that the library prefers."""
    monkeypatch.setenv("BKAPP_ITSM_APP_CODE", "of-the-environment")
    monkeypatch.setenv("BKAPP_ITSM_TENANT_ID", "tenant")
    keys = {**CALLBACKS, "BKAPP_ITSM_FAST_APPROVAL": False, "BKAPP_ITSM_TIMEOUT": (3, 7.5)}
    del keys["BKAPP_ITSM_APP_CODE"]
    with override_settings(ITSM_WORKFLOW={**keys, "BK_APP_CODE": "of-the-setting"}):
        settings = read_settings()

    assert (settings.app_code, settings.tenant, settings.service_id) == ("of-the-setting", "tenant", "7")
    assert settings.callback_keys == (Secret(KEY),)
    assert (settings.fast_approval, settings.timeout) == (False, (3.0, 7.5))
    assert settings.sources["app_code"] == "BK_APP_CODE"


def test_a_project_without_the_setting_is_configured_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """As every other host."""
    for name, value in NEEDED.items():
        monkeypatch.setenv(name, str(value))
    with override_settings(ITSM_WORKFLOW=None):
        assert read_settings().gateway_url == "https://itsm.example.com/v2/"


def test_an_error_shows_no_secret() -> None:
    """Neither in its message nor in a variable of a frame."""
    keys = {**NEEDED, "BKAPP_ITSM_CALLBACK_KEYS": "canary-short"}
    with override_settings(ITSM_WORKFLOW=keys), pytest.raises(SettingsError) as caught:
        read_settings()
    frames = [entry.locals for entry in caught.traceback if "itsm_workflow" in str(entry.path)]
    shown = str(caught.value) + "".join(repr(value) for variables in frames for value in variables.values())
    assert "canary" not in shown.replace(repr(keys), "")


def test_the_host_s_arguments_are_imported(desk: Desk) -> None:
    """From a function or a dictionary, named as module:name, or given as it is."""
    assert workflow_arguments()["gateway"] is desk.gateway
    for given in ("tests.support.django_host.itsm:chosen", itsm.chosen, itsm.arguments):
        with override_settings(ITSM_WORKFLOW={"ARGUMENTS": given}):
            assert workflow_arguments()["storage"] is desk.store
    with override_settings(ITSM_WORKFLOW={}):
        assert workflow_arguments() == {}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("shop.itsm", "must be written as module:name"),
        ("tests.support.django_host.itsm:missing", "which cannot be imported: AttributeError"),
        ("tests.nowhere:arguments", "which cannot be imported: ModuleNotFoundError"),
        ("tests.support.desk:SUBJECT", "must give a dictionary of Workflow's arguments"),
        (lambda: None, "must give a dictionary of Workflow's arguments"),
    ],
)
def test_wrong_arguments_are_refused(given: object, words: str) -> None:
    """The message names the key."""
    with (
        override_settings(ITSM_WORKFLOW={"ARGUMENTS": given}),
        pytest.raises(SettingsError, match=rf"ITSM_WORKFLOW\['ARGUMENTS'\].*{words}"),
    ):
        workflow_arguments()


def test_the_workflow_is_opened_from_the_settings() -> None:
    """With the gateway of BK-ITSM, which is closed together with the workflow."""
    with override_settings(ITSM_WORKFLOW={**CALLBACKS, "BKAPP_ITSM_STORE": "memory://"}):
        workflow = process.open_workflow()
        with pytest.raises(SettingsError) as caught, override_settings(ITSM_WORKFLOW={}):
            process.open_workflow()
    assert workflow.newest("collector-42") is None
    workflow.close()
    assert caught.value.__notes__[-1:] == ["Set it in ITSM_WORKFLOW of the Django settings, or in the environment."]


def test_an_item_with_a_comma_is_refused() -> None:
    """It would be two items, and the key of a credential two keys."""
    keys = {**CALLBACKS, "BKAPP_ITSM_CALLBACK_KEYS": [f"canary,{KEY}"]}
    assert found(keys) == [
        (
            "itsm_workflow.E004",
            "an item of ITSM_WORKFLOW['BKAPP_ITSM_CALLBACK_KEYS'] contains a comma, which separates items: remove it",
            "correct ITSM_WORKFLOW, or the environment",
        )
    ]


# ---------------------------------------------------------------- system checks


def test_a_sound_project_has_no_findings() -> None:
    """With callbacks, whose route is included."""
    assert found(CALLBACKS) == []
    assert found(CALLBACKS, routes=True) == []


def test_a_setting_of_another_type_is_named() -> None:
    """It is a dictionary."""
    [(number, message, hint)] = found(["BKAPP_ITSM_APP_CODE"])
    assert number == "itsm_workflow.E001"
    assert message == "ITSM_WORKFLOW must be a dictionary, not a list"
    assert hint.startswith("write ITSM_WORKFLOW = {")


def test_an_unknown_key_is_named_with_the_closest_one() -> None:
    """A typing error would be a setting that is silently left out."""
    keys = {**NEEDED, "BKAPP_ITSM_GATEWAY_URI": "x", "EFECTS": 1}
    assert [(number, hint) for number, _, hint in found(keys)] == [
        ("itsm_workflow.E002", "did you mean 'BKAPP_ITSM_GATEWAY_URL'?"),
        ("itsm_workflow.E002", "the names are those of the environment's variables"),
    ]


def test_an_object_that_cannot_be_imported_is_named() -> None:
    """With the key."""
    [(number, message, hint)] = found({**NEEDED, "PERMISSION": "shop.itsm:may"})
    assert number == "itsm_workflow.E003"
    assert "ITSM_WORKFLOW['PERMISSION'] names shop.itsm:may, which cannot be imported" in message
    assert hint == "correct ITSM_WORKFLOW['PERMISSION'], or remove it"


async def ask_later(*_: object) -> bool:
    """Return the answer of a person: a view would not await it."""
    return True


def fail() -> dict[str, object]:
    """Raise, as a function of the host may."""
    raise ValueError("no table")


@pytest.mark.parametrize(
    ("key", "given", "words"),
    [
        ("ARGUMENTS", ["effects"], "must give a dictionary of Workflow's arguments"),
        ("ARGUMENTS", True, "must give a dictionary of Workflow's arguments"),
        ("ARGUMENTS", fail, "the function of ITSM_WORKFLOW['ARGUMENTS'] failed: ValueError: no table"),
        ("PERMISSION", 5, "must name an ordinary function, not an int"),
        ("PERMISSION", fail, "the function is called with (request, action, collector), which it does not take: too"),
        ("PERMISSION", ask_later, "must name an ordinary function, not an async function, whose call runs nothing"),
    ],
)
def test_an_object_of_the_wrong_kind_is_named(key: str, given: object, words: str) -> None:
    """The check finds it, before the first request does; a function that raises does not end the check."""
    [(number, message, hint)] = found({**NEEDED, key: given})
    assert number == "itsm_workflow.E003"
    assert words in message
    assert hint == f"correct ITSM_WORKFLOW[{key!r}], or remove it"


@pytest.mark.parametrize(("name", "near"), [("efects", "did you mean 'effects'?"), (1, "the names are those of the")])
def test_an_unknown_argument_of_the_workflow_is_named(name: object, near: str) -> None:
    """With the closest one; the arguments of the workflow are known."""
    assert found({**NEEDED, "ARGUMENTS": {"effects": {}, "policy": None, "owned": ()}}) == []
    [(number, message, hint)] = found({**NEEDED, "ARGUMENTS": {name: {}}})
    assert (number, hint.startswith(near)) == ("itsm_workflow.E003", True)
    assert message == f"ITSM_WORKFLOW['ARGUMENTS'] gives {str(name)!r}, which Workflow does not take"


@pytest.mark.parametrize(
    ("store", "words"),
    [
        ("changes.db", "a storage URL begins with the backend's name"),
        ("sqlit:///changes.db", "no storage backend is installed for sqlit://"),
    ],
)
def test_a_store_without_a_backend_is_named(store: str, words: str) -> None:
    """The store is not opened for it."""
    [(number, message, hint)] = found({**NEEDED, "BKAPP_ITSM_STORE": store})
    assert (number, hint) == ("itsm_workflow.E006", "correct ITSM_WORKFLOW['BKAPP_ITSM_STORE']")
    assert words in message


def test_each_missing_and_wrong_setting_is_named_with_its_fix() -> None:
    """All of them in one run."""
    listed = found({"BKAPP_ITSM_GATEWAY_URL": "itsm", "BKAPP_ITSM_APP_CODE": "bk_log"})
    assert {number for number, _, _ in listed} == {"itsm_workflow.E004"}
    assert [(message.partition(" ")[0], hint) for _, message, hint in listed] == [
        (name, f"set ITSM_WORKFLOW[{name!r}], or {name} in the environment")
        for name in ("BKAPP_ITSM_APP_SECRET", "BKAPP_ITSM_GATEWAY_URL")
    ]


def test_a_store_that_forgets_is_a_warning() -> None:
    """Each worker would have its own."""
    [(number, _, hint)] = found({**NEEDED, "BKAPP_ITSM_STORE": "memory://"})
    assert (number, hint.partition(" to")[0]) == ("itsm_workflow.W003", "set ITSM_WORKFLOW['BKAPP_ITSM_STORE']")


def test_callbacks_that_are_off_are_a_warning() -> None:
    """The missing setting is named."""
    [(number, message, hint)] = found({**NEEDED, "BKAPP_ITSM_CALLBACK_HOST": "https://a.example.com"}, routes=True)
    assert number == "itsm_workflow.W001"
    assert message == "callbacks are off, since BKAPP_ITSM_CALLBACK_KEYS is not set"
    assert "reconcile" in hint
    assert found({}, routes=True) == []


def test_a_route_that_is_missing_is_a_warning() -> None:
    """Callbacks would be answered with 404."""
    with override_settings(ROOT_URLCONF="tests.support.django_host.no_urls"):
        [(number, _, hint)] = found(CALLBACKS, routes=True)
    assert number == "itsm_workflow.W002"
    assert 'include("itsm_workflow.integrations.django.urls")' in hint


def test_the_checks_run_with_the_project_s_own() -> None:
    """Under a tag of their own."""
    from django.core.checks import run_checks  # noqa: PLC0415 - Django is set up by now

    with override_settings(ITSM_WORKFLOW=[]):
        assert [one.id for one in run_checks(tags=["itsm_workflow"])][:1] == ["itsm_workflow.E001"]
