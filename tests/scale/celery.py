"""A proof at scale: Celery workers that are killed every few seconds, a database that crashes, the books afterwards.

`python -m tests.scale.celery --changes 20000 --workers 4 --json`. It needs the programs of PostgreSQL, for a server of
its own that it crashes, and RabbitMQ, or Redis with ``--broker redis``. The exit code is 1 if anything was lost or
doubled.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.services.servers import RABBITMQ_URL, REDIS_URL
from tests.support.celery_run import CeleryRun
from tests.support.own_postgresql import own_postgresql

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.own_postgresql import OwnPostgresql

BROKERS = {"amqp": RABBITMQ_URL, "redis": REDIS_URL}
_LOOK = 0.5  # seconds from one look at the number of tickets to the next


def arguments_of(given: Sequence[str]) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.scale.celery", description=__doc__.partition("\n")[0])
    parser.add_argument("--changes", type=int, default=20_000)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--concurrency", type=int, default=2, help="processes in the pool of each worker")
    parser.add_argument("--kill-every", type=float, default=3.0, help="seconds from one kill to the next")
    parser.add_argument("--crashes", type=int, default=2, help="crashes of the database, at equal parts of the tickets")
    parser.add_argument("--broker", choices=BROKERS, default="amqp")
    parser.add_argument("--seed", type=int, default=1, help="of the kills and the decisions")
    parser.add_argument("--json", action="store_true", help="print the summary as one line of JSON")
    return parser.parse_args(given)


def prove(options: argparse.Namespace, database: OwnPostgresql, folder: Path) -> dict[str, Any]:
    """Run the changes to their ends, and return the summary."""
    began = time.monotonic()
    with CeleryRun(store=database.url, broker=BROKERS[options.broker], folder=folder, seed=options.seed) as run:
        run.start(options.workers, concurrency=options.concurrency)
        run.start_beat()
        over = threading.Event()

        def kill_again_and_again() -> None:
            while not over.wait(options.kill_every):
                run.kill()

        crashed = 0

        def crash_sometimes() -> None:
            nonlocal crashed
            while crashed < options.crashes and not over.wait(_LOOK):
                if len(run.sandbox.tickets()) > options.changes * (crashed + 1) // (options.crashes + 1):
                    database.crash()
                    database.start()
                    crashed += 1

        disturbers = [threading.Thread(target=disturb) for disturb in (kill_again_and_again, crash_sometimes)]
        for disturber in disturbers:
            disturber.start()
        try:
            run.apply(options.changes)
            run.finish()
        finally:
            over.set()
            for disturber in disturbers:
                disturber.join()
        seconds = time.monotonic() - began
        report, deliveries = run.audit(), run.deliveries()
    tickets = len(run.sandbox.tickets())
    return {
        "changes": report.requests,
        "tickets": tickets,
        "lost": options.changes - report.requests + report.lost_requests,
        "doubled_tickets": report.duplicate_tickets + tickets - report.tickets_created,
        "illegal_transitions": report.illegal_transitions,
        "effects_expected": report.effects_expected,
        "effects_delivered": report.effects_delivered,
        "effects_repeated_under_their_id": len(deliveries) - len({one.effect for one in deliveries}),
        "by_outcome": dict(report.by_outcome),
        "findings": list(report.findings[:20]),
        "workers": options.workers,
        "kills": run.killed,
        "database_crashes": crashed,
        "resent_by_an_operator": run.resent,
        "broker": options.broker,
        "seed": options.seed,
        "seconds": round(seconds, 1),
        "ok": report.ok and report.requests == tickets == options.changes and crashed == options.crashes,
    }


def main(given: Sequence[str]) -> int:
    """Run the proof on an empty store, and print the summary."""
    options = arguments_of(given)
    with own_postgresql() as database, tempfile.TemporaryDirectory() as folder:
        summary = prove(options, database, Path(folder))
    lines = [json.dumps(summary)] if options.json else [f"{name}: {value}" for name, value in summary.items()]
    print("\n".join(lines))  # noqa: T201 - a command
    return 0 if summary["ok"] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
