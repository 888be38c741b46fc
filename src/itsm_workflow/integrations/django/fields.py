"""Columns of text that compare texts exactly: ``a`` and ``A`` differ, and so do ``a`` and ``a`` with a blank after it.

Databases differ in the name of such a collation, so a field chooses it for its database.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import models

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper


def exact_collation(connection: BaseDatabaseWrapper) -> str | None:
    """Return the name of a database's binary collation without padding, or None if its columns have one anyway."""
    if connection.vendor == "postgresql":
        return "C"
    if connection.vendor == "mysql":
        # Every other binary collation of theirs ignores blanks at the end of a text.
        return "utf8mb4_nopad_bin" if connection.mysql_is_mariadb else "utf8mb4_0900_bin"
    return None


class _Exact:
    """The part that both fields share."""

    def db_parameters(self, connection: BaseDatabaseWrapper) -> dict[str, Any]:
        """Return the type of the column, with the collation of this database."""
        parameters: dict[str, Any] = super().db_parameters(connection)  # type: ignore[misc]  # a field of Django
        return {**parameters, "collation": exact_collation(connection)}


class ExactCharField(_Exact, models.CharField):
    """A short text, which can be in an index."""

    def db_type(self, connection: BaseDatabaseWrapper) -> str | None:
        """Return the type of the column."""
        found: str | None = super().db_type(connection)
        if found and connection.vendor == "postgresql":
            # By this spelling, Django makes no second index for LIKE, which the collation "C" does not need.
            return found.replace("varchar", "character varying", 1)
        return found


class ExactTextField(_Exact, models.TextField):
    """A long text."""
