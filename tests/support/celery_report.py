"""A report of a run with Celery, for the message of a test that failed: what has not ended, and where it may be."""

from __future__ import annotations

import contextlib
import datetime as dt
from typing import TYPE_CHECKING

import redis

from itsm_workflow.change import EffectStatus
from itsm_workflow.clock import from_micros

if TYPE_CHECKING:
    from collections.abc import Iterator

    from itsm_workflow import ChangeRequest
    from tests.support.celery_run import CeleryRun

_CHANGES = 20
_LINES = 40


def report(run: CeleryRun) -> str:
    """Describe the changes that have not ended, the messages on the broker, the workers, and the end of their log."""
    parts = {"changes": _changes, "broker": _broker, "workers": _workers, "log": _log}
    lines = []
    for title, part in parts.items():
        lines.append(f"{title}:")
        try:
            lines.extend(f"  {line}" for line in part(run))
        except Exception as error:  # noqa: BLE001 - the report must not replace the failure that it is for
            lines.append(f"  cannot be read: {error!r}")
    return "\n".join(lines)


def has_ended(run: CeleryRun, change: ChangeRequest) -> bool:
    """Return whether a change has ended, and its effects are delivered."""
    delivered = all(effect.status is EffectStatus.DELIVERED for effect in change.effects)
    return change.state not in run.open_states and delivered


def _changes(run: CeleryRun) -> Iterator[str]:
    changes = list(run.workflow.find())
    waiting = [change for change in changes if not has_ended(run, change)]
    yield f"{len(waiting)} of {len(changes)} have not ended"
    for change in waiting[:_CHANGES]:
        row = run.store.get(change.id)
        due = "never" if row is None or row.due_at is None else _time(from_micros(row.due_at))
        attention = "none" if change.attention is None else change.attention.reason.value
        effects = ", ".join(f"{one.name} {one.status.value} (attempts: {one.attempts})" for one in change.effects)
        yield (
            f"{change.subject} {change.id}: {change.state} since {_time(change.updated_at)}, due {due}, "
            f"attention {attention}, effects {effects or 'none'}"
        )


def _broker(run: CeleryRun) -> Iterator[str]:
    url, queue = run.host.app.conf.broker_url, run.place.queue
    with run.host.app.connection_for_read() as connection:
        waiting = connection.default_channel.queue_declare(queue, passive=True).message_count
    yield f"{waiting} messages wait in {queue}"
    if url.startswith("redis"):
        with contextlib.closing(redis.Redis.from_url(url)) as client:
            yield f"{client.hlen(f'{queue}:unacked')} messages were taken and are not acknowledged"
            seconds = client.ttl(f"{queue}:unacked_mutex")
            yield "the lock for their redelivery " + (f"is held for {seconds} s" if seconds >= 0 else "is free")


def _workers(run: CeleryRun) -> Iterator[str]:
    for worker in run.workers:
        code = worker.process.poll()
        ended = "runs" if code is None else f"ended with {code}"
        yield f"worker {worker.process.pid} {ended}; processes of its pool: {worker.children}"
    yield f"now: {_time(dt.datetime.now(dt.UTC))}"


def _log(run: CeleryRun) -> list[str]:
    return run.log().splitlines()[-_LINES:]


def _time(moment: dt.datetime) -> str:
    return moment.strftime("%H:%M:%S.%f")[:-3]
