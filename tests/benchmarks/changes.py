"""Measures a duplicate callback, the codec and the import, each beside a floor of the same run."""

from __future__ import annotations

import datetime as dt
import json
import logging
import os
import statistics
import subprocess
import sys
import tempfile
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from itsm_workflow import Effect, State, Workflow, open_storage
from itsm_workflow.gateway.protocol import Created
from itsm_workflow.machine import evidence as ev
from itsm_workflow.machine.approval import COLLECTOR_CHANGE
from itsm_workflow.sandbox.connection import settings_for
from itsm_workflow.storage.codec import Codec
from itsm_workflow.storage.protocol import Query
from tests.benchmarks.raw import RawStore
from tests.benchmarks.rounds import Comparison, compare
from tests.benchmarks.table import Row, both
from tests.support.places import WatchedStore
from tests.support.world import address_of, callback_facts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from itsm_workflow.change import Form, Ticket
    from itsm_workflow.gateway.protocol import CreateRequest
    from itsm_workflow.settings import Settings
    from itsm_workflow.storage.protocol import StorageBackend

FORM = {"title": "接入 nginx 日志", "applicant": "alice", "approvers": ("carol",), "fields": {"expect_host_size": 10}}
FIVE = "import transitions, requests, attrs, cattrs, tenacity"
OURS = "from itsm_workflow import Workflow, BkItsmGateway, Settings, open_storage"


class InstantGateway:
    """A ticket system without cost of its own: it answers from memory, and every ticket is approved."""

    name = "instant"

    def __init__(self) -> None:
        self.settings: Settings = settings_for("http://127.0.0.1:9/v2/itsm/")
        self._numbers = count(1)

    def check_form(self, form: Form) -> Sequence[tuple[str, str, str]]:
        """Accept every form."""
        return ()

    def service(self) -> str:
        """Return the one service."""
        return "17"

    def create(self, request: CreateRequest) -> Created:
        """Return the next ticket."""
        number = next(self._numbers)
        return Created(id=str(number), sn=f"REQ{number:014}", url=f"https://itsm.example.com/{number}")

    def read(self, ticket: Ticket, *, decision_field: str | None = None) -> ev.Snapshot:
        """Return the ticket as approved by its approver."""
        return ev.Snapshot(
            ticket_id=ticket.id,
            sn=ticket.sn,
            status=ev.TicketStatus.FINISHED,
            word="FINISHED",
            seen_at=dt.datetime.now(dt.UTC),
            result_status=ev.TicketStatus.FINISHED,
            approve_result=True,
            approval_step=True,
            closed_by="carol",
        )


def open_workflow(store: StorageBackend, after: str) -> Workflow:
    """Return a workflow with one effect, which does nothing."""
    gateway: Any = InstantGateway()
    options: Any = {"after_callback": after}
    return Workflow(
        storage=store, gateway=gateway, effects={State.APPROVED: [Effect("start", lambda _: None)]}, **options
    )


def filed(workflow: Workflow, subject: str) -> Mapping[str, Any]:
    """File a change, and return the request of the callback about its ticket."""
    form: Any = FORM
    change = workflow.apply(subject=subject, **form)
    url, headers = address_of(workflow, change.id)
    body = json.dumps(callback_facts(change)).encode()
    return {"method": "POST", "path": "/" + url.split("://", 1)[-1].partition("/")[2], "headers": headers, "body": body}


@contextmanager
def quiet() -> Iterator[None]:
    """Write no log lines meanwhile."""
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def duplicates(folder: Path) -> Row:
    """Compare a duplicate of a callback with the bare read of its row."""
    with closing(WatchedStore(open_storage(f"sqlite:///{folder / 'heard.db'}"))) as store:
        workflow = open_workflow(store, "later")
        callback = filed(workflow, "collector-1")
        workflow.receive(**callback)
        [row] = store.find(Query(workflow=COLLECTOR_CHANGE.name)).rows
        commits = store.commits
        with closing(RawStore(folder / "heard.db")) as raw:
            found = compare(
                lambda: raw.read(row.id), lambda: workflow.receive(**callback), rounds=30, times=10, calls=10
            )
        if store.commits != commits or store.get(row.id) != row:
            raise RuntimeError("a duplicate was stored")
    each = statistics.median(found.cpu_second)
    return Row(
        name="a duplicate callback, one thread, no commit",
        first=f"sqlite3, SELECT: {both(found.first, found.cpu_first)}",
        second=f"Workflow.receive: {both(found.second, found.cpu_second)}",
        value=f"{1 / each:,.0f} a second (CPU), {found.cpu_ratio:.1f} times the floor",
        bound="at least 10,000 a second",
        kept=1 / each >= 10_000,
    )


def codecs() -> list[Row]:
    """Compare a change's way to its row and back with the bare JSON of its document."""
    with closing(open_storage("memory://")) as store:
        workflow = open_workflow(store, "later")
        workflow.receive(**filed(workflow, "collector-1"))
        [row] = store.find(Query(workflow=COLLECTOR_CHANGE.name)).rows
    codec = Codec(COLLECTOR_CHANGE.evidence_types)
    stored = codec.read(row)
    document = json.loads(row.document)

    moved = attrs.evolve(stored.change, state="approved")

    def encode() -> object:
        return codec.write(stored, moved, (), stored.due_at, open_subject=row.open_subject)

    written = compare(lambda: json.dumps(document, sort_keys=True), encode, rounds=30, times=10, calls=20)
    read = compare(lambda: json.loads(row.document), lambda: codec.read(row), rounds=30, times=10, calls=20)
    name = f"a change of {len(row.document)} bytes"
    return [
        ratio(f"encode {name}", "json.dumps", "Codec.write", written, 4),
        ratio(f"decode {name}", "json.loads", "Codec.read", read, 10),
    ]


def imports() -> Row:
    """Compare the import of what a host needs with the import of the five packages below, less a bare interpreter."""
    with tempfile.TemporaryDirectory() as compiled:
        return _imports({**os.environ, "PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": compiled})


def _imports(surroundings: Mapping[str, str]) -> Row:
    def run(program: str) -> object:
        return subprocess.run([sys.executable, "-c", program], env=surroundings, check=True)

    bare = compare(lambda: run("pass"), lambda: run("pass"), rounds=5, times=3)
    found = compare(lambda: run(FIVE), lambda: run(OURS), rounds=9, times=3)
    less = Comparison(
        first=[each - statistics.median(bare.first) for each in found.first],
        second=[each - statistics.median(bare.first) for each in found.second],
        cpu_first=[each - statistics.median(bare.cpu_first) for each in found.cpu_first],
        cpu_second=[each - statistics.median(bare.cpu_first) for each in found.cpu_second],
    )
    return ratio("import, without the interpreter", "the five packages", "the four names of a host", less, 1.1)


def ratio(name: str, first: str, second: str, found: Comparison, most: float) -> Row:
    """Return the row of a comparison that is judged by the processor time."""
    return Row(
        name=name,
        first=f"{first}: {both(found.first, found.cpu_first)}",
        second=f"{second}: {both(found.second, found.cpu_second)}",
        value=f"{found.cpu_ratio:.2f} times the CPU, {found.ratio:.2f} times the time",
        bound=f"at most {most:g} times the CPU",
        kept=found.cpu_ratio <= most,
    )


def rows() -> list[Row]:
    """Measure everything."""
    with quiet(), tempfile.TemporaryDirectory(dir=Path.cwd()) as place:  # a disk: temporary files may be in memory
        return [duplicates(Path(place)), *codecs(), imports()]
