"""Stores in databases of the project, which also other processes open."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pymysql  # type: ignore[import-untyped]  # it has no types

from tests.support.django_host import setup

if TYPE_CHECKING:
    from collections.abc import Mapping

    from itsm_workflow.storage import StorageBackend

ALIAS = "kit"
_DEFAULTS: Mapping[str, Any] = {
    "ATOMIC_REQUESTS": False,
    "AUTOCOMMIT": True,
    "CONN_MAX_AGE": 0,
    "CONN_HEALTH_CHECKS": False,
    "OPTIONS": {},
    "TIME_ZONE": None,
    "USER": "",
    "PASSWORD": "",
    "HOST": "",
    "PORT": "",
    "TEST": {"CHARSET": None, "COLLATION": None, "MIGRATE": True, "MIRROR": None, "NAME": None},
}


def use(database: Mapping[str, Any]) -> str:
    """Return the alias of a database, which means it in all threads until `leave`; the first one's is `ALIAS`."""
    from django.db import connections  # noqa: PLC0415 - Django is set up by then

    wanted, aliases = {**_DEFAULTS, **database}, _aliases()
    for alias in aliases:
        if connections.settings[alias] == wanted:
            return alias
    alias = f"{ALIAS}_{len(aliases) + 1}" if aliases else ALIAS
    connections.settings[alias] = wanted
    return alias


def _aliases() -> list[str]:
    from django.db import connections  # noqa: PLC0415 - as above

    return [alias for alias in connections.settings if alias == ALIAS or alias.startswith(f"{ALIAS}_")]


def open_store(database: Mapping[str, Any]) -> StorageBackend:
    """Open the store in a database, in any process."""
    setup.set_up()
    from itsm_workflow import open_storage  # noqa: PLC0415 - Django is set up by now

    return open_storage(f"django://{use(database)}")


def migrate(database: Mapping[str, Any]) -> None:
    """Create the tables in a database."""
    setup.set_up()
    from django.core.management import call_command  # noqa: PLC0415 - as above

    call_command("migrate", "itsm_workflow", database=use(database), verbosity=0, skip_checks=True)


def leave() -> None:
    """Close this thread's connections to the databases, and forget their aliases."""
    from django.db import connections  # noqa: PLC0415 - as above

    for alias in _aliases():
        connections[alias].close()
        del connections[alias]
        del connections.settings[alias]


def database_of(url: str) -> dict[str, Any]:
    """Return the settings of the database that a URL names, on a PostgreSQL or MariaDB server."""
    parts = urlsplit(url)
    options: dict[str, Any]
    if parts.scheme == "postgresql":
        engine = "django.db.backends.postgresql"
        options = {"connect_timeout": 5, "options": "-c statement_timeout=30000", "tcp_user_timeout": 20000}
    else:
        pymysql.version_info = (2, 2, 7, "final", 0)  # Django knows mysqlclient only, by its name and version
        pymysql.install_as_MySQLdb()
        engine = "django.db.backends.mysql"
        options = {"connect_timeout": 5, "read_timeout": 20, "write_timeout": 20, "charset": "utf8mb4"}
    return {
        "ENGINE": engine,
        "NAME": parts.path.strip("/"),
        "USER": parts.username or "",
        "PASSWORD": parts.password or "",
        "HOST": parts.hostname,
        "PORT": str(parts.port),
        "OPTIONS": options,
    }


def open_by_url(url: str) -> StorageBackend:
    """Open the store in a database of a server, in any process."""
    return open_store(database_of(url))
