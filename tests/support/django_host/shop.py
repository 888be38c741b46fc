"""A view of the project that stores a row of its own and applies for its approval, in the transaction of the request.

Run as a program, it does so in a process that is killed: ``python -m tests.support.django_host.shop before|after``.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

from django.db import connection, transaction
from django.http import HttpResponse

from tests.support.desk import ASKED

if TYPE_CHECKING:
    from django.http import HttpRequest

    from itsm_workflow import ChangeRequest


def make_table() -> None:
    """Create the project's own table, and empty it."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS shop_collector (number integer PRIMARY KEY)")
        cursor.execute("DELETE FROM shop_collector")


def rows() -> list[int]:
    """Return the numbers in the project's own table."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT number FROM shop_collector ORDER BY number")
        return [number for (number,) in cursor.fetchall()]


def apply_for(number: int) -> ChangeRequest:
    """Store a collector, and apply for its approval in the same transaction."""
    from itsm_workflow.integrations.django import get_workflow  # noqa: PLC0415 - Django is set up by now

    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO shop_collector (number) VALUES (%s)", [number])
    return get_workflow().apply(subject=f"collector-{number}", send="on_commit", **ASKED)


def create(request: HttpRequest, number: int) -> HttpResponse:
    """Store a collector; a request with ``?fail`` fails after that, as a view with a defect does."""
    change = apply_for(number)
    if "fail" in request.GET:
        raise RuntimeError("the view failed")
    return HttpResponse(change.state)


def die() -> None:
    """End this process without any clean-up."""
    os.kill(os.getpid(), signal.SIGKILL)


def main(moment: str) -> None:
    """Apply for collector 7, and be killed before the commit, or after it and before the request is sent."""
    from tests.support.desk import Desk  # noqa: PLC0415 - Django is set up by now
    from tests.support.django_host import itsm  # noqa: PLC0415 - as above

    itsm.chosen.update({**itsm.of_desk(Desk()), "storage": "django://default"})
    with transaction.atomic():
        transaction.on_commit(die)  # runs before what `apply` registers
        apply_for(7)
        if moment == "before":
            die()


if __name__ == "__main__":
    from tests.support.django_host import setup

    setup.set_up()
    main(sys.argv[1])
