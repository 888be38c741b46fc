"""Workers of Celery that are killed: nothing is lost, no ticket is filed twice, and an effect keeps its id."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from celery import Celery  # type: ignore[import-untyped]  # it has no types
from kombu.exceptions import OperationalError

from itsm_workflow import State
from tests.services.servers import POSTGRESQL, RABBITMQ_URL, REDIS_URL, new_store
from tests.support.celery_run import ROOT, CeleryRun, new_queue, until
from tests.support.limits import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BROKERS = {"amqp": RABBITMQ_URL, "redis": REDIS_URL}
DEATHS = (
    ("after", "submit"),
    ("before", "record_ticket"),
    ("after", "record_ticket"),
    ("before", "approve"),
    ("after", "approve"),
    ("after", "start_effect"),
    ("before", "deliver_effect"),
    ("after", "deliver_effect"),
)
"""Each commit of a change's way, and the process that dies before or after it: the message is not acknowledged yet."""


@contextmanager
def a_run(broker: str, folder: Path, seed: int = 0, deaths: tuple[tuple[str, str], ...] = ()) -> Iterator[CeleryRun]:
    """Yield a run on an empty store; its workers are not started."""
    try:
        app = Celery(broker=BROKERS[broker], set_as_current=False)
        with app.connection_for_read(connect_timeout=5) as connection:
            connection.ensure_connection(max_retries=1)
    except OperationalError as error:
        variable = {"amqp": "TEST_RABBITMQ_URL", "redis": "TEST_REDIS_URL"}[broker]
        pytest.fail(
            f"the broker does not answer ({error}): start it, or name another one with {variable}", pytrace=False
        )
    with (
        new_store(POSTGRESQL, new_queue().replace("-", "_")) as store,
        CeleryRun(store=store, broker=BROKERS[broker], folder=folder, seed=seed, deaths=deaths) as run,
    ):
        yield run


def check_books(run: CeleryRun) -> None:
    """Fail unless the store, the ledger and the host's log agree, and there is one change and one ticket a subject."""
    report = run.audit()
    assert report.findings == ()
    count = len(run.subjects)
    assert (report.requests, len(run.sandbox.tickets())) == (count, count)
    assert report.effects_delivered == report.effects_expected == report.by_state["approved"]


@pytest.mark.parametrize("broker", BROKERS)
def test_workers_that_are_killed_at_random_lose_and_double_nothing(broker: str, tmp_path: Path) -> None:
    """Two workers, five kills of a pool's process or of a whole worker while they file, settle and deliver."""
    with a_run(broker, tmp_path, seed=20261128) as run:
        run.apply(150)  # before the workers start, so that each kill finds work in hand
        run.start(2)
        run.start_beat()
        for requests in sorted(run.random.sample(range(20, 400), 5)):
            run.kill_at(requests)
        run.finish()
        check_books(run)
        assert run.killed == 5


@pytest.mark.parametrize("broker", BROKERS)
def test_a_draft_whose_message_is_lost_is_submitted_all_the_same(broker: str, tmp_path: Path) -> None:
    """As when a worker over Redis dies after it took the message and before it noted it as not acknowledged."""
    with a_run(broker, tmp_path) as run:
        run.apply(2)
        assert run.lose_messages() == 2
        run.start(1, concurrency=1)
        run.start_beat()
        run.finish()
        check_books(run)


@pytest.mark.parametrize("broker", BROKERS)
def test_a_process_that_dies_at_any_commit_is_made_up_for(broker: str, tmp_path: Path) -> None:
    """Between a commit and the acknowledgement of its message as well: the message is delivered again."""
    with a_run(broker, tmp_path, deaths=DEATHS) as run:
        run.start(1, concurrency=1)
        run.start_beat()
        run.apply(12)
        run.finish()
        check_books(run)
        assert run.marks("died") == sorted(f"{moment}-{trigger}" for moment, trigger in DEATHS)
        effects = [one.effect for one in run.deliveries()]
        assert len(effects) > len(set(effects)), "the effect whose delivery was not stored was not delivered again"


def test_a_host_that_dies_before_it_sends_the_message_loses_no_callback(tmp_path: Path) -> None:
    """The callback is in the store and in no queue: the next pass settles its change."""
    with a_run("amqp", tmp_path) as run:
        run.door.receive = None
        run.subjects.append("collector-1")
        change = run.workflow.apply(subject="collector-1", title="t", applicant="alice", approvers=["carol"])
        until(lambda: bool(run.door.knocks))
        knock = run.door.knocks[0]
        sent = {"path": knock.path, "headers": dict(knock.headers), "body": knock.body.decode()}
        done = subprocess.run(
            [sys.executable, "-m", "tests.support.celery_host"],
            cwd=ROOT,
            env=run.place.environment,
            input=json.dumps(sent),
            check=False,
            text=True,
            timeout=PATIENCE,
        )
        assert done.returncode == -signal.SIGKILL
        assert run.workflow.history(change.id)[-1].trigger == "receive_callback"
        with run.host.app.connection_for_read() as connection:
            queue = run.host.app.amqp.queues[run.place.queue](connection.default_channel)
            queue.declare()
            assert queue.get() is None

        run.start(1, concurrency=1)
        run.start_beat()
        run.finish()
        check_books(run)
        assert run.workflow.get(change.id).state == State.APPROVED


def test_a_worker_that_is_shut_down_closes_the_workflow_of_its_process(tmp_path: Path) -> None:
    """A process of the pool has one workflow, which SIGTERM to the worker closes."""
    with a_run("amqp", tmp_path) as run:
        run.start(1, concurrency=1)
        run.apply(4)
        until(lambda: all(change.ticket for change in run.workflow.find()))
        [worker] = run.workers
        [child] = worker.children
        worker.process.terminate()
        assert worker.process.wait(PATIENCE) == os.EX_OK
        assert run.marks("closed") == [str(child)]
