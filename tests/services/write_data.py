"""Write the stores of `tests/data` with the present schemas: ``python -m tests.services.write_data tests/data/NAME``.

Run it once for each release that raises a schema, and never again: the point of such a store is that an earlier version
wrote it. It needs both database servers, and their programs ``pg_dump`` and ``mariadb-dump``.
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from pathlib import Path

from sqlalchemy import make_url

from itsm_workflow import Effect, State, open_storage
from itsm_workflow.storage.copying import copy_store
from itsm_workflow_backends.sql._url import PREFIX
from tests.services.servers import MARIADB, POSTGRESQL, Server, new_store
from tests.support.desk import ASKED, Desk
from tests.support.office import asked


def filled() -> Desk:
    """Return a desk whose store has changes in each state, with texts that a store can get wrong."""
    desk = Desk()
    workflow = desk.workflow(effects={State.APPROVED: [Effect("start", lambda _: None)]})
    for subject in ("a", "A", "é 采集 🎫", "quote ' back \\"):
        workflow.draft(subject=subject, **asked(content="% '' \\n \n\t;", fields={}))
    approved, rejected, waiting, again, delivered = (
        workflow.apply(subject=subject, **asked(fields={"hosts": 10, "rate": 0.5, "note": None, "tags": ["一"]}))
        for subject in ("approved", "rejected", "pending", "again", "delivered")
    )
    for change, approves in ((approved, True), (rejected, False), (again, False), (delivered, True)):
        desk.gateway.hand_over(desk.decide(change, approved=approves), workflow.receive)
        workflow.settle(change.id)
    workflow.apply(subject="again", **ASKED)
    workflow.withdraw(waiting.id, actor="olga", reason="试 ' \\")
    desk.hide_tickets()
    workflow.apply(subject="unknown", **ASKED)
    return desk


def dumped(server: Server, url: str) -> str:
    """Return the statements that make the tables of a store and its rows, by the server's own program."""
    parts = make_url(url)
    prefix = str(parts.query["prefix"])
    if server is POSTGRESQL:
        plain = parts.set(query={}).render_as_string(hide_password=False)
        command = ["pg_dump", "--inserts", "--no-owner", "--no-privileges", f"--table={prefix}*", plain]
    else:
        account = [f"--host={parts.host}", f"--port={parts.port}", f"--user={parts.username}"]
        tables = [f"{prefix}{name}" for name in ("changes", "entries", "schema")]
        form = ["--compact", "--skip-extended-insert", "--default-character-set=utf8mb4"]
        command = ["mariadb-dump", *form, *account, str(parts.database), *tables]
    text = subprocess.run(command, check=True, capture_output=True, encoding="utf-8").stdout
    kept = (line for line in text.split("\n") if line.strip() and not line.startswith(("--", "\\restrict", "\\unres")))
    return "\n".join(kept).replace(prefix, PREFIX) + "\n"


def main(folder: Path) -> None:
    """Write a store of each kind, all with the same contents."""
    folder.mkdir(parents=True)
    source = filled().store
    for scheme, name in (("sqlite", "store.db"), ("json", "store.jsonl")):
        with closing(open_storage(f"{scheme}:///{folder / name}")) as target:
            copy_store(source, target, lambda *_: None)
    for name in ("store.jsonl.end", "store.jsonl.lock"):
        (folder / name).unlink()
    for server, name in ((POSTGRESQL, "postgresql.sql"), (MARIADB, "mariadb.sql")):
        with new_store(server, "written_store") as url:
            with closing(open_storage(url)) as target:
                copy_store(source, target, lambda *_: None)
            (folder / name).write_text(dumped(server, url), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
