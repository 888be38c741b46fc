"""A host with a table of its own on an engine of SQLAlchemy, which applies for approvals in its own transactions.

Run as a program, it does so in a process that is killed: ``python -m tests.support.sql_host URL KIND before|after``.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import Column, Engine, Integer, MetaData, Table, create_engine, event, insert, make_url, select
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from itsm_workflow_backends.sql import SQLBackend
from itsm_workflow_backends.sql._url import DRIVERS
from tests.support.desk import ASKED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from itsm_workflow import ChangeRequest, Workflow

Kind = Literal["connection", "session", "scoped"]
KINDS: tuple[Kind, ...] = ("connection", "session", "scoped")


class SQLHost:
    """A host.

    Attributes:
        engine: Its engine.
        table: Its table.
        prefix: The beginning of the names of the store's tables.
    """

    def __init__(self, url: str, **options: Any) -> None:
        parts = make_url(url)
        self.prefix = str(parts.query["prefix"])
        self.table = Table(
            f"{self.prefix}collector", MetaData(), Column("number", Integer, primary_key=True, autoincrement=False)
        )
        self.engine: Engine = create_engine(parts.set(drivername=DRIVERS[parts.drivername], query={}), **options)

    def store(self) -> SQLBackend:
        """Return the store on the host's engine; its tables are created."""
        return SQLBackend(self.engine, prefix=self.prefix, migrate=True)

    def make_table(self) -> None:
        """Create the host's own table."""
        self.table.create(self.engine)

    def drop_table(self) -> None:
        """Drop the host's own table."""
        self.table.drop(self.engine)

    def rows(self) -> list[int]:
        """Return the numbers in the host's own table."""
        with self.engine.connect() as connection:
            return list(connection.execute(select(self.table).order_by(self.table.c.number)).scalars())

    @contextmanager
    def transaction(self, kind: Kind) -> Iterator[Any]:
        """Yield a connection or a session in a transaction, which is committed, or undone if the block raises."""
        if kind == "connection":
            with self.engine.begin() as connection:
                yield connection
        elif kind == "session":
            with Session(self.engine) as session, session.begin():
                yield session
        else:
            registry = scoped_session(sessionmaker(self.engine))
            with registry.begin():
                yield registry
            registry.remove()

    def apply_for(self, workflow: Workflow, within: Any, number: int) -> ChangeRequest:  # noqa: ANN401 - one of the kinds
        """Store a collector, and apply for its approval in the same transaction."""
        within.execute(insert(self.table).values(number=number))
        return workflow.apply(subject=f"collector-{number}", send="on_commit", within=within, **ASKED)


def die(*_: object) -> None:
    """End this process without any clean-up."""
    os.kill(os.getpid(), signal.SIGKILL)


def main(url: str, kind: Kind, moment: str) -> None:
    """Apply for collector 7, and be killed before the commit, or after it and before the request is sent."""
    from tests.support.desk import Desk  # noqa: PLC0415 - only in the program

    host = SQLHost(url)
    workflow = Desk().workflow(storage=host.store())
    with host.transaction(kind) as within:
        if kind == "connection":
            event.listen(host.engine, "checkin", die)  # before the library listens
        else:
            event.listen(within() if kind == "scoped" else within, "after_commit", die)
        host.apply_for(workflow, within, 7)
        if moment == "before":
            die()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3])  # type: ignore[arg-type]  # given by the test
