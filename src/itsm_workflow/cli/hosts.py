"""Advice for an application whose web framework is not set up: the framework's own error does not name --app.

The library depends on no framework. It recognises a framework only by the names of its exceptions and loaded modules.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import rich_click as click

if TYPE_CHECKING:
    from collections.abc import Iterator

_ADVICE = "set DJANGO_SETTINGS_MODULE and call django.setup() at the top of that module, before it imports models"
_NOT_SET_UP = frozenset({"AppRegistryNotReady", "ImproperlyConfigured"})
_DJANGO = "django."


def advice_for(error: BaseException) -> str:
    """Return advice on an error raised while an application was loaded; empty for an error that is not recognised."""
    django = (type(cause) for cause in _causes(error) if type(cause).__module__.startswith(_DJANGO))
    return _ADVICE if any(kind.__name__ in _NOT_SET_UP for kind in django) else ""


def check_set_up(label: str) -> None:
    """Refuse an application that has imported Django's registry of apps but has not populated it.

    Its effects would fail where they import their models, and each failure counts as an attempt.

    Args:
        label: The name of the application in messages.

    Raises:
        UsageError: Django is not set up.
    """
    apps = getattr(sys.modules.get("django.apps"), "apps", None)
    if getattr(apps, "ready", True) is False:
        raise click.UsageError(f"{label} was loaded, but Django's apps are not loaded: {_ADVICE}")


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__
