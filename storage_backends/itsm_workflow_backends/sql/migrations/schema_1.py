"""Schema 1: the changes and the entries of their histories.

Texts that are compared have a binary collation without padding: ``a`` and ``A`` differ, and so do ``a`` and ``a`` with
a blank after it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.mysql import MEDIUMTEXT

if TYPE_CHECKING:
    from sqlalchemy.types import TypeEngine

revision = "1"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables.

    MariaDB commits after each statement, so that a crash can leave some of them; each can be repeated.
    """
    prefix: str = op.get_context().opts["prefix"]
    dialect = op.get_context().dialect
    collation = _collation(dialect)
    long = sa.Text().with_variant(MEDIUMTEXT(charset="utf8mb4", collation=collation), "mysql", "mariadb")

    def text(size: int) -> TypeEngine[str]:
        return sa.String(size, collation=collation)

    options: dict[str, Any] = {
        "mysql_engine": "InnoDB",
        "mysql_charset": "utf8mb4",
        "mysql_collate": collation,
        "if_not_exists": True,
    }
    changes = f"{prefix}changes"
    op.create_table(
        changes,
        sa.Column("id", text(128), nullable=False),
        sa.Column("workflow", text(200), nullable=False),
        sa.Column("state", text(200), nullable=False),
        sa.Column("attention", text(200)),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("subject", text(255), nullable=False),
        sa.Column("open_subject", text(600)),
        sa.Column("ticket_key", text(600)),
        sa.Column("ticket_sn", text(255)),
        sa.Column("submission", sa.BigInteger),
        sa.Column("due_at", sa.BigInteger),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sa.Column("form", long, nullable=False),
        sa.Column("document", long, nullable=False),
        sa.PrimaryKeyConstraint("id", name=f"{changes}_id"),
        sa.UniqueConstraint("open_subject", name=f"{changes}_open_subject"),
        sa.UniqueConstraint("ticket_key", name=f"{changes}_ticket_key"),
        **options,
    )
    for name, of in _INDEXES.items():
        where = sa.text(f"{of[0]} IS NOT NULL") if of[0] in _NULLABLE else None
        op.create_index(
            f"{changes}_{name}", changes, [*of], postgresql_where=where, if_not_exists=collation != _OF_MYSQL
        )
    entries = f"{prefix}entries"
    op.create_table(
        entries,
        sa.Column("change_id", text(128), nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("trigger", text(200), nullable=False),
        sa.Column("source", text(200), nullable=False),
        sa.Column("dest", text(200), nullable=False),
        sa.Column("actor", text(255), nullable=False),
        sa.Column("document", long, nullable=False),
        sa.PrimaryKeyConstraint("change_id", "seq", name=f"{entries}_id"),
        **options,
    )


_INDEXES = {
    "ticket_sn": ("ticket_sn",),
    "subject": ("subject", "submission", "id"),
    "state": ("state", "id"),
    "attention": ("attention", "id"),
    "due_at": ("due_at", "id"),
    "updated_at": ("updated_at", "id"),
}
_OF_MYSQL = "utf8mb4_0900_bin"
_NULLABLE = {"ticket_sn", "attention", "due_at"}


def _collation(dialect: sa.Dialect) -> str:
    if dialect.name == "postgresql":
        return "C"
    # Every other binary collation of theirs ignores blanks at the end of a text.
    return "utf8mb4_nopad_bin" if getattr(dialect, "is_mariadb", False) else _OF_MYSQL
