"""Advice for an application whose web framework is not set up: the framework's own error does not name --app.

The library depends on no framework. It recognises a framework only by the names of its exceptions and loaded modules.
"""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, TypeVar

import rich_click as click

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

T = TypeVar("T")

_ADVICE = "set DJANGO_SETTINGS_MODULE and call django.setup() at the top of that module, before it imports models"
_NOT_SET_UP = frozenset({"AppRegistryNotReady", "ImproperlyConfigured"})
_DJANGO = "django."
_REGISTRY = "django.apps"


def advice_for(error: BaseException) -> str:
    """Return advice on an error raised while an application was loaded; empty for an error that is not recognised."""
    django = (type(cause) for cause in _causes(error) if type(cause).__module__.startswith(_DJANGO))
    return _ADVICE if any(kind.__name__ in _NOT_SET_UP for kind in django) else ""


@contextlib.contextmanager
def checked_set_up(label: str, load: AbstractContextManager[T]) -> Iterator[T]:
    """Load an application, and refuse one that imports Django's registry of apps but does not populate it.

    Its effects would fail where they import their models, and each failure counts as an attempt. A registry that was
    imported before says nothing about the application.

    Args:
        label: The name of the application in messages.
        load: Loads the application.

    Raises:
        UsageError: Django is not set up.
    """
    before = sys.modules.get(_REGISTRY)
    with load as application:
        if before is None and getattr(getattr(sys.modules.get(_REGISTRY), "apps", None), "ready", True) is False:
            raise click.UsageError(f"{label} was loaded, but Django's apps are not loaded: {_ADVICE}")
        yield application


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__
