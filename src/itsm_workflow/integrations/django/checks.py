"""The system checks of the app. Each message names the setting, and each hint the fix."""

from __future__ import annotations

import difflib
import inspect
from typing import TYPE_CHECKING, Any

from django.core.checks import Error, Warning  # noqa: A004 - Django's own name
from django.db import connections
from django.urls import Resolver404, resolve

from itsm_workflow.callbacks.signer import PATH, PROBE
from itsm_workflow.calling import why_not_called
from itsm_workflow.deferred import why_deferred
from itsm_workflow.errors import SettingsError, StorageError
from itsm_workflow.integrations.django.settings import (
    ARGUMENTS,
    NAME,
    PERMISSION,
    configured,
    imported,
    read_settings,
    unknown_keys,
    workflow_arguments,
)
from itsm_workflow.integrations.django.workflow import DjangoWorkflow
from itsm_workflow.storage.registry import backend_of
from itsm_workflow.text import describe, kind_of
from itsm_workflow.workflow import Workflow

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from django.core.checks import CheckMessage


def check_settings(**_: Any) -> Sequence[CheckMessage]:
    """Check the setting ``ITSM_WORKFLOW`` and the environment."""
    try:
        configured()
    except SettingsError as error:
        return [_error("E001", str(error), f"write {NAME} = {{...}} with the names of the environment's variables")]
    try:
        given = workflow_arguments()
    except SettingsError as error:
        given, wrong = {}, [_object_error(ARGUMENTS, str(error))]
    except Exception as error:  # noqa: BLE001 - an error of the host's function
        given, wrong = (
            {},
            [_object_error(ARGUMENTS, f"the function of {NAME}[{ARGUMENTS!r}] failed: {describe(error)}")],
        )
    else:
        wrong = list(_arguments(given))
    return [*_unknown(), *wrong, *_permission(), *_library_settings(given)]


def check_routes(**_: Any) -> Sequence[CheckMessage]:
    """Check that callbacks arrive: the routes are included where the ticket system sends callbacks."""
    try:
        settings = read_settings()
    except SettingsError:
        return []  # `check_settings` reports it
    if not (settings.callback_host and settings.callback_keys):
        missing = [
            variable
            for field, variable in (
                ("callback_host", "BKAPP_ITSM_CALLBACK_HOST"),
                ("callback_keys", "BKAPP_ITSM_CALLBACK_KEYS"),
            )
            if not getattr(settings, field)
        ]
        return [
            _warning(
                "W001",
                f"callbacks are off, since {' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set",
                f"set {' and '.join(missing)} in {NAME} or in the environment; without callbacks, only a pass of "
                "reconcile finds out a decision",
            )
        ]
    address = f"{PATH}{PROBE}/1/"
    try:
        found = resolve(address)
    except Resolver404:
        found = None
    if found is None or (found.app_name, found.url_name) != ("itsm_workflow", "callback"):
        return [
            _warning(
                "W002",
                f"BKAPP_ITSM_CALLBACK_HOST is set, but no route of this project receives {PATH}",
                'add path("itsm/", include("itsm_workflow.integrations.django.urls")) to urlpatterns; ignore this '
                "warning if a proxy maps the path to another one",
            )
        ]
    return []


def _unknown() -> Iterator[CheckMessage]:
    for key, near in unknown_keys():
        hint = f"did you mean {near!r}?" if near else "the names are those of the environment's variables"
        yield _error("E002", f"{NAME} has the unknown key {key!r}", hint)


def _arguments(given: Mapping[str, object]) -> Iterator[CheckMessage]:
    known = {*inspect.signature(Workflow).parameters, *inspect.signature(DjangoWorkflow).parameters} - {"arguments"}
    for name in given:
        if name not in known:
            near = next(iter(difflib.get_close_matches(str(name), known, n=1)), "")
            hint = f"did you mean {near!r}?" if near else "the names are those of the arguments of Workflow"
            yield _error("E003", f"{NAME}[{ARGUMENTS!r}] gives {str(name)!r}, which Workflow does not take", hint)


def _permission() -> Iterator[CheckMessage]:
    try:
        decide = imported(PERMISSION)
    except SettingsError as error:
        yield _object_error(PERMISSION, str(error))
        return
    if decide is None:
        return
    wrong = why_deferred(decide) if callable(decide) else kind_of(decide)
    if wrong:
        yield _object_error(PERMISSION, f"{NAME}[{PERMISSION!r}] must name an ordinary function, not {wrong}")
        return
    wrong = why_not_called(decide, "request", "action", "collector")
    if wrong:
        yield _object_error(PERMISSION, f"{NAME}[{PERMISSION!r}]: the function {wrong}")


def _library_settings(given: Mapping[str, object]) -> Iterator[CheckMessage]:
    if {"gateway", "storage"} <= set(given):
        return  # nothing else is read
    try:
        settings = read_settings()
    except SettingsError as error:
        problems: Sequence[tuple[str, str]] = getattr(error, "problems", ())
        if not problems:
            yield _error("E004", str(error), f"correct {NAME}, or the environment")
        for name, rule in problems:
            variable = name.partition(" ")[0]
            yield _error("E004", f"{name} {rule}", f"set {NAME}[{variable!r}], or {variable} in the environment")
        return
    if "storage" in given:
        return
    scheme, _, alias = str(settings.store).partition("://")
    if scheme == "django" and alias not in connections:
        yield _error(
            "E005",
            f"BKAPP_ITSM_STORE names the database {alias!r}, which DATABASES does not have",
            f"set {NAME}['BKAPP_ITSM_STORE'] to django:// and one of {', '.join(connections)}",
        )
    try:
        backend_of(settings.store)
    except StorageError as error:
        yield _error("E006", f"BKAPP_ITSM_STORE cannot be used: {error}", f"correct {NAME}['BKAPP_ITSM_STORE']")
    if scheme == "memory":
        yield _warning(
            "W003",
            "BKAPP_ITSM_STORE is memory://, which forgets all changes when the process ends",
            f"set {NAME}['BKAPP_ITSM_STORE'] to the URL of a durable store",
        )


def _object_error(key: str, message: str) -> CheckMessage:
    return _error("E003", message, f"correct {NAME}[{key!r}], or remove it")


def _error(number: str, message: str, hint: str) -> CheckMessage:
    return Error(message, hint=hint, id=f"itsm_workflow.{number}")


def _warning(number: str, message: str, hint: str) -> CheckMessage:
    return Warning(message, hint=hint, id=f"itsm_workflow.{number}")
