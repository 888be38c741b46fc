"""What a host's web framework wants before its application can be used: said, since its own words do not name --app.

The library knows no host. A framework is recognised by the names of its exceptions and of its loaded modules alone.
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
    """Return what to do about an error with which an application could not be loaded; empty if it is not known."""
    django = (type(cause) for cause in _causes(error) if type(cause).__module__.startswith(_DJANGO))
    return _ADVICE if any(kind.__name__ in _NOT_SET_UP for kind in django) else ""


def check_set_up(told: str) -> None:
    """Refuse an application that has loaded Django's registry of apps and not populated it.

    Its effects would fail one after the other where they import their models, and each failure counts.

    Args:
        told: What the application is called in messages.

    Raises:
        UsageError: Django is not set up.
    """
    apps = getattr(sys.modules.get("django.apps"), "apps", None)
    if getattr(apps, "ready", True) is False:
        raise click.UsageError(f"{told} was loaded, and Django's apps are not loaded: {_ADVICE}")


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__
