"""A host's application that needs Django set up: said in one sentence, before anything is claimed or started.

Django itself is not needed here: a small package of that name raises what Django raises, in Django's words.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.cli.office import Office

EXCEPTIONS = '''
class AppRegistryNotReady(Exception):
    """The django.apps registry is not populated yet."""


class ImproperlyConfigured(Exception):
    """Django is somehow improperly configured."""
'''
APPS = """
class Registry:
    ready = False


apps = Registry()
"""
MODELS = """
from django.core.exceptions import AppRegistryNotReady, ImproperlyConfigured
import os

if "DJANGO_SETTINGS_MODULE" not in os.environ:
    raise ImproperlyConfigured(
        "Requested setting INSTALLED_APPS, but settings are not configured. You must either define the environment "
        "variable DJANGO_SETTINGS_MODULE or call settings.configure() before accessing settings."
    )
from django.apps import apps

if not apps.ready:
    raise AppRegistryNotReady("Apps aren't loaded yet.")
"""
HOST = """
import os
import pathlib

{first}
from itsm_workflow import BkItsmGateway, Effect, Settings, State, Workflow


def start(call):
    with pathlib.Path("started.txt").open("a", encoding="utf-8") as file:
        file.write(call.id)


def make():
    {inside}
    return Workflow(
        gateway=BkItsmGateway(Settings.from_env()),
        storage=os.environ["BKAPP_ITSM_STORE"],
        effects={{State.APPROVED: [Effect("start_collection", start)]}},
        callbacks=False,
    )
"""
HINT = "set DJANGO_SETTINGS_MODULE and call django.setup() at the top of that module, before it imports models"
OF_THE_HOST = frozenset({"django", "host_app", "host_models"})
READY = "import django.apps; django.apps.apps.ready = True"


@pytest.fixture
def host(office: Office, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    """Put a package named django and the host's models into the office's folder, where the command is run."""
    core = office.folder / "django" / "core"
    core.mkdir(parents=True)
    for path in (core.parent / "__init__.py", core / "__init__.py"):
        path.touch()
    (core / "exceptions.py").write_text(EXCEPTIONS, encoding="utf-8")
    (core.parent / "apps.py").write_text(APPS, encoding="utf-8")
    (office.folder / "host_models.py").write_text(MODELS, encoding="utf-8")
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delenv("DJANGO_SETTINGS_MODULE", raising=False)
    installed = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "django"}
    for name in installed:  # another test of this process may have imported the real one
        del sys.modules[name]
    before = set(sys.modules)
    yield office
    for name in set(sys.modules) - before:
        if name.split(".")[0] in OF_THE_HOST:
            del sys.modules[name]
    sys.modules.update(installed)


def write_app(host: Office, *, first: str = "", inside: str = "pass") -> None:
    """Write the application, with what its module does first and what its function does before it makes a workflow.

    The next command imports it, and what it imports, as a new process does.
    """
    (host.folder / "host_app.py").write_text(HOST.format(first=first, inside=inside), encoding="utf-8")
    for name in [name for name in sys.modules if name.split(".")[0] in OF_THE_HOST]:
        del sys.modules[name]


def approved(host: Office) -> str:
    """File a change whose effect is planned and due, as the application would, and return its id."""
    write_app(host, first=READY)
    ask = ("--title", "t", "--applicant", "alice", "--approver", "bob", "--json")
    change = host.run("apply", "--app", "host_app:make", "--subject", "collector-42", *ask).json
    host.decide(change["sn"], approve=True)
    assert host.run("settle", change["id"], "--app", "none").code == 0
    return str(change["id"])


@pytest.mark.parametrize("settings", ["", "host.settings"])
@pytest.mark.parametrize("where", ["first", "inside"])
@pytest.mark.parametrize("command", ["reconcile", "list"])
def test_what_django_wants_is_said_in_one_sentence(
    host: Office, monkeypatch: pytest.MonkeyPatch, settings: str, where: str, command: str
) -> None:
    """Whether settings or the registry are missing, in the module or in the function; usage was wrong."""
    if settings:
        monkeypatch.setenv("DJANGO_SETTINGS_MODULE", settings)
    write_app(host, **{where: "import host_models"})

    done = host.run(command, "--app", "host_app:make")

    told = "AppRegistryNotReady: Apps aren't loaded yet." if settings else "ImproperlyConfigured: Requested setting"
    assert (done.code, done.out) == (2, "")
    line = done.err.splitlines()[0]
    assert told in line
    assert line.endswith(HINT)


def test_an_error_that_wraps_one_of_django_is_reported_in_the_same_way(host: Office) -> None:
    """A host may wrap it."""
    inside = (
        "try:\n        import host_models\n    except Exception as error:\n        raise RuntimeError('no') from error"
    )
    write_app(host, inside=inside)

    assert host.run("list", "--app", "host_app:make").err.splitlines()[0].endswith(HINT)


def test_other_errors_get_no_such_advice(host: Office) -> None:
    """A class of the same name elsewhere is not Django's."""
    write_app(host, first="class ImproperlyConfigured(Exception): ...\nraise ImproperlyConfigured('mine')")

    done = host.run("list", "--app", "host_app:make")

    assert done.code == 2
    assert "django" not in done.err


def test_an_application_that_cannot_be_loaded_claims_and_starts_nothing(host: Office) -> None:
    """No attempt of an effect is used up: the next process, set up, delivers it as its first."""
    change = approved(host)
    stored = (host.folder / "changes.db").read_bytes()
    write_app(host, first="import host_models")

    for command in (("reconcile",), ("settle", change), ("withdraw", change, "--actor", "a", "--reason", "r")):
        assert host.run(*command, "--app", "host_app:make").code == 2

    assert (host.folder / "changes.db").read_bytes() == stored
    write_app(host, first=READY)
    assert host.run("reconcile", "--app", "host_app:make").code == 0
    [effect] = host.run("show", change, "--json").json["effects"]
    assert (effect["status"], effect["attempts"]) == ("delivered", 1)


def test_a_registry_that_the_application_did_not_import_does_not_concern_it(host: Office) -> None:
    """Something else in the process has imported Django, and uses none of it."""
    change = approved(host)
    write_app(host)
    assert not importlib.import_module("django.apps").apps.ready

    assert host.run("reconcile", "--app", "host_app:make").code == 0
    [effect] = host.run("show", change, "--json").json["effects"]
    assert (effect["status"], effect["attempts"]) == ("delivered", 1)


@pytest.mark.parametrize("command", [("reconcile",), ("settle", "collector-42")])
def test_an_application_whose_django_is_not_set_up_delivers_nothing(host: Office, command: tuple[str, ...]) -> None:
    """It loads, and its effects would fail one after the other where they import their models."""
    change = approved(host)
    write_app(host, first="import django.apps; django.apps.apps.ready = False")

    done = host.run(*command, "--app", "host_app:make")

    assert (done.code, done.out) == (2, "")
    assert done.err.splitlines()[0].endswith(f"Django's apps are not loaded: {HINT}")
    assert not (host.folder / "started.txt").exists()
    [effect] = host.run("show", change, "--json", "--app", "host_app:make").json["effects"]
    assert (effect["status"], effect["attempts"]) == ("planned", 0)
