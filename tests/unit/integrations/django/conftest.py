"""Django is set up once in a process; each test has a desk with the process's workflow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.desk import Desk
from tests.support.django_host import setup

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    SettingsWith = Callable[..., AbstractContextManager[Any]]

setup.set_up()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Accept that commands of Django 4.2 flush the captured output once more when they are garbage-collected."""
    import django  # noqa: PLC0415 - only to ask for its version

    if django.VERSION < (5,):
        for item in items:
            item.add_marker(pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"))


@pytest.fixture(scope="session", autouse=True)
def _databases_are_removed() -> Iterator[None]:
    yield
    setup.tear_down()


@pytest.fixture
def desk() -> Iterator[Desk]:
    """A desk at which the process's workflow works."""
    from itsm_workflow.integrations.django import close_workflow  # noqa: PLC0415 - Django is set up by now
    from tests.support.django_host import itsm  # noqa: PLC0415 - as above

    desk = Desk()
    itsm.chosen.update(itsm.of_desk(desk))
    yield desk
    close_workflow()
    itsm.chosen.clear()


@pytest.fixture
def settings_with() -> SettingsWith:
    """A function whose result replaces keys of the project's setting while it is entered."""
    from django.conf import settings  # noqa: PLC0415 - as above
    from django.test import override_settings  # noqa: PLC0415 - as above

    return lambda **keys: override_settings(ITSM_WORKFLOW={**settings.ITSM_WORKFLOW, **keys})
