"""Passes of a process whose database server closes idle connections, as MariaDB does after ``wait_timeout``."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connections
from sqlalchemy import text

from itsm_workflow import Effect, State
from itsm_workflow.change import EffectStatus
from itsm_workflow.integrations.django import DjangoWorkflow
from tests.services.servers import MARIADB
from tests.services.test_django_conformance import new_database
from tests.support.desk import ASKED, Desk
from tests.support.django_host import itsm, stores

if TYPE_CHECKING:
    from collections.abc import Iterator

    from itsm_workflow import EffectCall

APPROVALS = 10
OPEN = "SELECT count(*) + SLEEP(0.1) FROM information_schema.processlist WHERE db = :name"


@contextmanager
def idle_database(**given: Any) -> Iterator[tuple[str, str]]:
    """Yield the alias and the name of a database whose server closes connections that are idle for two seconds."""
    with new_database(MARIADB) as url:
        stores.leave()
        database = stores.database_of(url)
        database["OPTIONS"]["init_command"] = "SET SESSION wait_timeout = 2"
        yield stores.use({**database, **given}), database["NAME"]


@pytest.mark.parametrize(
    ("is_store_here", "given"),
    [(True, {}), (False, {"CONN_MAX_AGE": None, "CONN_HEALTH_CHECKS": True})],
    ids=["with the store", "without the store, connections are kept"],
)
def test_ten_approvals_are_delivered_although_each_finds_its_connection_closed(
    is_store_here: bool,  # noqa: FBT001 - a case
    given: dict[str, Any],
) -> None:
    """A process that makes passes writes the project's own rows in effects, and nothing else uses its connections."""
    desk = Desk()
    with idle_database(**given) as (alias, name), MARIADB.administration() as administration:

        def flip(call: EffectCall) -> None:
            with connections[alias].cursor() as cursor:
                cursor.execute("INSERT INTO shop_collector (subject) VALUES (%s)", [call.change.subject])

        with connections[alias].cursor() as cursor:
            cursor.execute("CREATE TABLE shop_collector (subject varchar(200) PRIMARY KEY)")
        workflow = DjangoWorkflow(
            **itsm.of_desk(desk)
            | {
                "storage": f"django://{alias}" if is_store_here else desk.store,
                "effects": {State.APPROVED: [Effect("flip", flip)]},
            }
        )
        for number in range(APPROVALS):
            change = workflow.apply(subject=f"collector-{number}", **ASKED)
            desk.decide(change)
            while administration.execute(text(OPEN), {"name": name}).scalar_one():
                pass  # the server pauses in each answer
            desk.clock.advance(3600)
            assert workflow.reconcile().moved == 1, desk.witness.troubles
            [effect] = workflow.get(change.id).effects
            assert (effect.status, effect.error) == (EffectStatus.DELIVERED, "")
        workflow.close()

        with connections[alias].cursor() as cursor:
            cursor.execute("SELECT subject FROM shop_collector")
            assert sorted(cursor.fetchall()) == [(f"collector-{number}",) for number in range(APPROVALS)]
