"""The lives of another library: ``python -m tests.benchmarks.peer_lives NAME FOLDER``, in an environment of its own.

A life is seven durable transitions, the number of commits of a change's life here, in two calls of a host: the first
creates the record and moves it twice, the second reads it again and moves it four times. Each transition is a commit to
SQLite in WAL mode that is synced. It stores what the library stores by itself: no row, entry or lock was added to it.

For each line of the input, a number, so many lives are lived, and the seconds and the processor time are printed.
"""

from __future__ import annotations

import importlib
import json
import logging
import sqlite3
import sys
import time
from contextlib import closing
from importlib import metadata
from itertools import count, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    Life = Callable[[], object]

FORM = json.dumps(
    {
        "title": "接入 nginx 日志",
        "applicant": "alice",
        "approvers": ["carol"],
        "fields": {"expect_host_size": 10},
        "content": "expect_host_size: 10",
    },
    ensure_ascii=False,
)
STATES = ("draft", "applying", "pending", "called_back", "looking", "approved", "delivered")


def eventsourcing(path: Path) -> Life:
    """Seven events of an aggregate, each saved by its application; the repository reads the aggregate again."""
    application: Any = importlib.import_module("eventsourcing.application")
    domain: Any = importlib.import_module("eventsourcing.domain")

    class Change(domain.Aggregate):  # type: ignore[misc]  # it is not installed where mypy runs
        @domain.event("Created")  # type: ignore[untyped-decorator]
        def __init__(self, form: str) -> None:
            self.state, self.form = STATES[0], form

        @domain.event("Moved")  # type: ignore[untyped-decorator]
        def move(self, state: str) -> None:
            self.state = state

    changes = application.Application(env={"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": str(path)})

    def life() -> None:
        change = Change(FORM)
        changes.save(change)
        for state in STATES[1:3]:
            change.move(state)
            changes.save(change)
        again = changes.repository.get(change.id)
        for state in STATES[3:]:
            again.move(state)
            changes.save(again)

    return life


def django_fsm_2(path: Path) -> Life:
    """Seven saves of a model with a protected state, each in a transaction; the mixin compares the state in the row."""
    settings: Any = importlib.import_module("django.conf").settings
    pragmas = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
    options = {"transaction_mode": "IMMEDIATE", "init_command": pragmas}
    database = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(path), "OPTIONS": options}
    settings.configure(INSTALLED_APPS=["django.contrib.contenttypes"], DATABASES={"default": database}, USE_TZ=True)
    django: Any = importlib.import_module("django")
    django.setup()
    models: Any = importlib.import_module("django.db.models")
    db: Any = importlib.import_module("django.db")
    fsm: Any = importlib.import_module("django_fsm")

    def step(number: int) -> Any:  # noqa: ANN401 - a method that Django FSM decorates
        def move(self: object) -> None:
            """Move to the next state."""

        return fsm.transition(field="state", source=STATES[number], target=STATES[number + 1])(move)

    class Change(fsm.ConcurrentTransitionMixin, models.Model):  # type: ignore[misc]
        class Meta:
            app_label = "contenttypes"

        id = models.CharField(primary_key=True, max_length=40)
        state = fsm.FSMField(default=STATES[0], protected=True)
        form = models.TextField()

        ask, file, hear, look, approve, deliver = map(step, range(6))

    with db.connection.schema_editor() as editor:
        editor.create_model(Change)
    numbers = count()

    def move(change: Any, name: str) -> None:  # noqa: ANN401 - a Change
        with db.transaction.atomic():
            getattr(change, name)()
            change.save()

    def life() -> None:
        name = f"change-{next(numbers)}"
        change = Change(id=name, form=FORM)
        with db.transaction.atomic():
            change.save(force_insert=True)
        for step_name in ("ask", "file"):
            move(change, step_name)
        again = Change.objects.get(pk=name)
        for step_name in ("hear", "look", "approve", "deliver"):
            move(again, step_name)

    return life


def xstate_statemachine(path: Path) -> Life:
    """Seven blocks that load, move and save a machine, as its documentation shows; syncs are on, unlike its default."""
    library: Any = importlib.import_module("xstate_statemachine")
    persistence: Any = importlib.import_module("xstate_statemachine.persistence")
    following = dict(pairwise(STATES))
    states = {name: {"on": {"NEXT": after}} for name, after in following.items()} | {STATES[-1]: {"type": "final"}}
    machine = library.create_machine(
        {"id": "change", "initial": STATES[0], "context": {"form": FORM}, "states": states},
        logic=library.MachineLogic(),
    )
    store, numbers = persistence.SQLiteStore(str(path)), count()
    store._conn().execute("PRAGMA synchronous = FULL")

    def life() -> None:
        name = f"change:{next(numbers)}"
        with persistence.persisted(store, name, machine):
            pass
        for _ in STATES[1:]:
            with persistence.persisted(store, name, machine) as change:
                change.send("NEXT")

    return life


def dbos(path: Path) -> Life:
    """A workflow with five empty steps: its start, the steps and its end are seven commits."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")  # faster than the journal that it would use
    library: Any = importlib.import_module("dbos").DBOS
    library(
        config={
            "name": "bench",
            "system_database_url": f"sqlite:///{path}",
            "log_level": "CRITICAL",
            "run_admin_server": False,
        }
    )

    @library.step()  # type: ignore[untyped-decorator]
    def move(state: str) -> str:
        return state

    @library.workflow()  # type: ignore[untyped-decorator]
    def whole(_form: str) -> str:
        for state in STATES[1:6]:
            move(state)
        return STATES[-1]

    library.launch()
    return lambda: whole(FORM)


LIBRARIES: dict[str, Callable[[Path], Life]] = {
    "eventsourcing": eventsourcing,
    "django-fsm-2": django_fsm_2,
    "xstate-statemachine": xstate_statemachine,
    "dbos": dbos,
}


def main() -> None:
    """Set the library up, print its version, then live until the input closes."""
    name, folder = sys.argv[1:]
    logging.disable(logging.CRITICAL)
    life = LIBRARIES[name](Path(folder) / f"{name}.db")
    answer = sys.stdout.write
    answer(f"{json.dumps(metadata.version(name))}\n")
    sys.stdout.flush()
    for line in sys.stdin:
        started, used = time.perf_counter(), time.process_time()
        for _ in range(int(line)):
            life()
        answer(f"{json.dumps([time.perf_counter() - started, time.process_time() - used])}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
