"""The setting ``ITSM_WORKFLOW`` of a Django project.

Its keys are the names of the environment variables, such as ``BKAPP_ITSM_GATEWAY_URL``, and two names that only Django
has: ``ARGUMENTS`` and ``PERMISSION``. A key of the setting has precedence over the variables of the same field.
"""

from __future__ import annotations

import difflib
import importlib
import os
from collections.abc import Mapping
from typing import Any

from django.conf import settings as django_settings

from itsm_workflow.errors import SettingsError
from itsm_workflow.secrets import Secret, without_frames
from itsm_workflow.settings import VARIABLES, Settings
from itsm_workflow.text import describe, kind_of

NAME = "ITSM_WORKFLOW"
ARGUMENTS, PERMISSION = "ARGUMENTS", "PERMISSION"
PATHS = (ARGUMENTS, PERMISSION)
"""The keys whose values are ``module:name``, as the option ``--app`` of the command takes it."""

_FIELD_OF = {variable: field for field, variables in VARIABLES.items() for variable in variables}


def configured() -> Mapping[str, Any]:
    """Return the setting, an empty mapping if the project does not have it.

    Raises:
        SettingsError: The setting is not a dictionary.
    """
    found = getattr(django_settings, NAME, None)
    if found is None:
        return {}
    if not isinstance(found, Mapping):
        raise SettingsError(f"{NAME} must be a dictionary, not {kind_of(found)}")
    return found


def unknown_keys() -> list[tuple[str, str]]:
    """Return each key that is not known, with the closest known key or an empty text."""
    known = [*_FIELD_OF, *PATHS]
    unknown = [key for key in configured() if key not in known]
    return [(str(key), next(iter(difflib.get_close_matches(str(key), known, n=1)), "")) for key in unknown]


def read_settings() -> Settings:
    """Return the library's settings, from ``ITSM_WORKFLOW`` and the environment.

    Raises:
        SettingsError: Settings are missing or invalid; the message names all of them.
    """
    return without_frames(lambda: Settings.from_env(variables()))


def imported(key: str) -> Any:  # noqa: ANN401 - an object of the host
    """Import the object that a key of `PATHS` names, or return the object if the key holds one; None if it is not set.

    Raises:
        SettingsError: The text is not ``module:name``, or cannot be imported.
    """
    value = configured().get(key)
    if not isinstance(value, str):
        return value
    module, separator, name = value.partition(":")
    if not (module and separator and name):
        raise SettingsError(f"{NAME}[{key!r}] must be written as module:name, such as shop.itsm:effects, not {value!r}")
    try:
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except Exception as error:
        raise SettingsError(f"{NAME}[{key!r}] names {value}, which cannot be imported: {describe(error)}") from error
    return found


def workflow_arguments() -> dict[str, Any]:
    """Return the host's arguments of the workflow, a dictionary or what a function returns.

    Raises:
        SettingsError: The key ``ARGUMENTS`` cannot be imported, or does not give a dictionary.
    """
    found = imported(ARGUMENTS)
    given = found() if callable(found) else found
    if given is None and found is None:
        return {}
    if not isinstance(given, Mapping):
        raise SettingsError(
            f"{NAME}[{ARGUMENTS!r}] must give a dictionary of Workflow's arguments, such as "
            f"{{'effects': ...}}, or a function that returns one, not {kind_of(given)}"
        )
    return dict(given)


def variables() -> dict[str, Any]:
    """Return the environment, in which the keys of the setting replace all variables of their fields."""
    given = {key: _as_text(key, value) for key, value in configured().items() if key in _FIELD_OF}
    replaced = {variable for key in given for variable in VARIABLES[_FIELD_OF[key]]}
    return {name: text for name, text in os.environ.items() if name not in replaced} | given


def _as_text(key: str, value: Any) -> Any:  # noqa: ANN401 - a value of another type is reported with its variable
    """Return the text by which an environment variable has the value.

    Raises:
        SettingsError: An item of a list contains a comma, which would separate two items.
    """
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, list | tuple):
        items = [str(_as_text(key, each)) for each in value]
        if any("," in item for item in items):
            raise SettingsError(f"an item of {NAME}[{key!r}] contains a comma, which separates items: remove it")
        return ",".join(items)
    return value
