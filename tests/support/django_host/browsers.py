"""The users of the project's admin with their browsers, and the desk at which the process's workflow works.

Django is set up when this is imported.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests.support.desk import Desk
from tests.support.django_host import setup

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.test import Client

    As = Callable[..., Client]

setup.set_up()


@contextmanager
def tables_of_users() -> Iterator[None]:
    """Create the tables of Django's own apps, and the permissions; the databases are removed in the end."""
    from django.apps import apps  # noqa: PLC0415 - Django is set up by now
    from django.contrib.auth.management import create_permissions  # noqa: PLC0415 - as above
    from django.core.management import call_command  # noqa: PLC0415 - as above

    for app in ("contenttypes", "auth", "admin"):
        call_command("migrate", app, verbosity=0, skip_checks=True)
    # The app's own tables are not made: the pages read no rows of its models.
    create_permissions(apps.get_app_config("itsm_workflow"), verbosity=0)
    yield
    setup.tear_down()


@contextmanager
def desk_of_process() -> Iterator[Desk]:
    """Yield a desk at which the process's workflow works."""
    from itsm_workflow.integrations.django import close_workflow  # noqa: PLC0415 - as above
    from tests.support.django_host import itsm  # noqa: PLC0415 - as above

    desk = Desk()
    itsm.chosen.update(itsm.of_desk(desk))
    yield desk
    close_workflow()
    itsm.chosen.clear()


@contextmanager
def browsers() -> Iterator[As]:
    """Yield a function that returns a browser in which a user with some permissions is logged in."""
    from django.contrib.auth.models import Permission, User  # noqa: PLC0415 - as above
    from django.test import Client  # noqa: PLC0415 - as above

    def browser_of(*permissions: str, name: str = "olga", language: str = "en", **options: Any) -> Client:
        user, _ = User.objects.get_or_create(username=name, defaults={"is_staff": True})
        user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
        client = Client(headers={"accept-language": language}, **options)
        client.force_login(user)
        return client

    yield browser_of
    User.objects.all().delete()
