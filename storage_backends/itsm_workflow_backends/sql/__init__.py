"""A store in a PostgreSQL or MariaDB database, shared by the processes of many machines.

`SQLBackend` is imported when it is first used, because it needs the packages of the extra ``postgres`` or ``mysql``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from itsm_workflow_backends.sql._backend import SQLBackend

__all__ = ["SQLBackend"]


def __getattr__(name: str) -> object:
    """Import the backend when it is first used."""
    if name != "SQLBackend":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from itsm_workflow_backends.sql._backend import SQLBackend  # noqa: PLC0415  # see above

    return SQLBackend
