"""The settings of the example host in Django, with its database on a PostgreSQL server."""

from __future__ import annotations

import os

from shop.settings import *  # type: ignore[import-not-found]  # noqa: F403 - the example is a project of its own

from tests.support.django_host.stores import database_of

DATABASES = {"default": database_of(os.environ["COLLECTORS_URL"])}
DATABASES["default"]["OPTIONS"]["options"] = "-c lock_timeout=5s"  # less than gunicorn waits, as in the example
