"""Stores in a database that were kept as an earlier version wrote them, by the dump of the server's own program."""

from __future__ import annotations

import secrets
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from itsm_workflow import Effect, State, open_storage
from itsm_workflow.storage.contents import examine
from itsm_workflow_backends.sql import SQLBackend, _schema
from itsm_workflow_backends.sql._url import PREFIX
from tests.services.servers import POSTGRESQL, Server, new_store
from tests.support.desk import ASKED, Desk
from tests.support.rolling import update_during_a_send, update_in_turns
from tests.support.written import CHANGES, DATA, DIGEST, PRESENT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

EFFECTS = {State.APPROVED: [Effect("start", lambda _: None)]}
DUMPS = {"postgresql": "postgresql.sql", "mysql": "mariadb.sql"}


@contextmanager
def restored(server: Server, dump: Path) -> Iterator[str]:
    """Yield the URL of a store that was made by the statements of a dump; opening it does not migrate it."""
    with new_store(server, f"test_{secrets.token_hex(4)}") as url:
        prefix = str(sa.make_url(url).query["prefix"])
        text = dump.read_text(encoding="utf-8").replace(PREFIX, prefix)
        with server.administration() as connection, closing(connection.connection.cursor()) as cursor:
            for statement in [text] if server is POSTGRESQL else text.split(";\n"):
                if statement.strip():
                    cursor.execute(statement)
        yield sa.make_url(url).difference_update_query(["migrate"]).render_as_string(hide_password=False)


def tables_of(server: Server, url: str) -> list[object]:
    """Return the columns, keys and indexes of a store's tables, under the usual names."""
    prefix = str(sa.make_url(url).query["prefix"])
    found: list[object] = []
    with server.administration() as connection:
        inspector = sa.inspect(connection)
        for name in ("changes", "entries", "schema"):
            table = f"{prefix}{name}"
            found += [{**column, "type": repr(column["type"])} for column in inspector.get_columns(table)]
            found.append(inspector.get_pk_constraint(table))
            found += sorted(inspector.get_unique_constraints(table), key=str)
            found += sorted(inspector.get_indexes(table), key=str)
            found.append(inspector.get_table_options(table))
    return [str(one).replace(prefix, PREFIX) for one in found]


def test_a_store_of_each_schema_is_migrated_and_read(server: Server) -> None:
    """Every change is there letter for letter, and each goes on."""
    dumps = sorted(DATA.glob(f"*/{DUMPS[server.scheme]}"))
    assert len(dumps) == _schema.KNOWN
    for dump in dumps:
        with restored(server, dump) as url:
            SQLBackend.migrate(url)
            with closing(open_storage(url)) as store:
                found = examine(store)
                assert (found.changes, found.damaged, found.newer, found.digest) == (CHANGES, (), 0, DIGEST)
                desk = Desk()
                desk.gateway.name = "another_itsm"  # its tickets have the ids of those in the store
                workflow = desk.workflow(storage=store, callbacks=False, effects=EFFECTS)
                assert workflow.require_approved("approved").state == "approved"
                for change in list(workflow.find(states=["draft"])):
                    assert workflow.submit(change.id).state == "pending"
                assert workflow.apply(subject="rejected", **ASKED).submission == 2
                assert examine(store).damaged == ()


def test_the_migrations_make_the_tables_that_they_made(server: Server, store_url: str) -> None:
    """A migration is never edited: the tables of a new store are those of a store that was made earlier."""
    open_storage(store_url).close()
    with restored(server, PRESENT / DUMPS[server.scheme]) as url:
        SQLBackend.migrate(url)
        assert tables_of(server, url) == tables_of(server, store_url)


@pytest.mark.parametrize("update", [update_in_turns, update_during_a_send])
def test_two_releases_share_a_store(store_url: str, update: Callable[[str], None]) -> None:
    """As in a file, see `tests/integration/workflow/test_rolling_update.py`."""
    open_storage(store_url).close()
    update(store_url)
