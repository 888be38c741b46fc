"""The Celery tasks: what the host registers, what a message holds, and a broker that fails."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
from celery import Celery  # type: ignore[import-untyped]  # it has no types
from celery.beat import Scheduler  # type: ignore[import-untyped]  # as above
from celery.signals import worker_process_shutdown  # type: ignore[import-untyped]  # as above
from kombu.connection import Connection
from kombu.exceptions import OperationalError

from itsm_workflow import State, Workflow
from itsm_workflow.integrations import CeleryTasks
from tests.support.callback_examples import opened
from tests.support.desk import ASKED, SUBJECT, Desk
from tests.support.limits import PATIENCE, exit_code

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from itsm_workflow import ChangeRequest

PASSWORD = "canary-broker-password"


def celery_app(broker: str | list[str] = "memory://", **configuration: Any) -> Celery:
    """Return an app of its own, which does not become the current one."""
    app = Celery("host", broker=broker, set_as_current=False)
    app.conf.update(configuration)
    return app


class Host:
    """A host whose tasks run in the caller.

    Attributes:
        opened: The number of workflows that were opened.
    """

    def __init__(self, **options: Any) -> None:
        self.desk = Desk()
        self.opened = 0
        self.app = celery_app(task_always_eager=True, task_eager_propagates=True)
        self.tasks = CeleryTasks(self.app, self.open_workflow, **options)

    def open_workflow(self) -> Workflow:
        """Open a workflow that sends a message after a callback."""
        self.opened += 1
        return self.desk.workflow(after_callback=self.tasks.settle_later)

    def applied(self) -> ChangeRequest:
        """File a change."""
        return self.tasks.workflow().apply(subject=SUBJECT, **ASKED)


# ---------------------------------------------------------------- the tasks


def test_a_callback_lets_a_worker_settle_the_change() -> None:
    """The message holds the id of the change, and the task does the rest."""
    host = Host()
    change = host.applied()

    assert host.desk.gateway.hand_over(host.desk.decide(change), host.tasks.workflow().receive)
    assert host.tasks.workflow().get(change.id).state == State.APPROVED
    assert host.desk.witness.troubles == []


def test_settle_returns_the_state_and_reconcile_the_report() -> None:
    """Celery logs what a task returns: it is plain JSON, and holds no secret."""
    host = Host()
    change = host.applied()
    assert host.tasks.settle.apply_async((change.id,)).result == "pending"
    host.desk.decide(change)
    host.desk.clock.advance(3600)

    report = host.tasks.reconcile.apply_async(kwargs={"seconds": 60.0, "limit": 10}).result
    assert json.loads(json.dumps(report)) == report
    assert (report["due"], report["moved"], report["finished"]) == (1, 1, True)
    assert host.tasks.workflow().get(change.id).state == State.APPROVED


def test_the_tasks_have_names_that_stay_and_are_acknowledged_late() -> None:
    """A message outlives a deployment, and a worker that dies over it."""
    tasks = CeleryTasks(celery_app(), Desk().workflow)
    assert [tasks.settle.name, tasks.reconcile.name] == ["itsm_workflow.settle", "itsm_workflow.reconcile"]
    for task in (tasks.settle, tasks.reconcile):
        assert (task.acks_late, task.reject_on_worker_lost, task.acks_on_failure_or_timeout) == (True, True, True)
        assert (task.ignore_result, task.serializer) == (True, "json")


def test_a_message_holds_the_id_of_the_change_and_nothing_else() -> None:
    """Whoever reads the broker's queues learns no secret."""
    app = celery_app(task_routes={"itsm_workflow.*": {"queue": "itsm"}})
    tasks = CeleryTasks(app, Desk().workflow)
    tasks.settle_later("01HY2V8Q0000000000000000AB")

    with app.connection_for_read() as connection:
        message = connection.SimpleQueue("itsm").get(timeout=PATIENCE)
        assert message.content_type == "application/json"
        assert json.loads(message.body)[:2] == [["01HY2V8Q0000000000000000AB"], {}]
        message.ack()


def test_workflows_of_one_app_have_a_prefix_each() -> None:
    """Else Celery would run the first workflow's task for both, silently."""
    app = celery_app()
    CeleryTasks(app, Desk().workflow)
    other = CeleryTasks(app, Desk().workflow, prefix="permissions.itsm")
    assert other.settle.name == "permissions.itsm.settle"
    assert set(other.reconcile_every(60)) == {"permissions.itsm.reconcile"}
    with pytest.raises(ValueError, match=r"the app has the tasks itsm_workflow\.settle and itsm_workflow\.rec"):
        CeleryTasks(app, Desk().workflow)
    CeleryTasks(celery_app(), Desk().workflow)


def test_the_current_app_stands_for_an_app() -> None:
    """Hosts pass `celery.current_app`, too."""
    app = celery_app()

    class Standing:
        def _get_current_object(self) -> Celery:
            return app

    tasks = CeleryTasks(Standing(), Desk().workflow)
    assert tasks.settle.app is app


def test_a_schedule_entry_starts_passes_that_do_not_pile_up() -> None:
    """A message that waited for the next one expires; a pass takes at most the time until then."""
    tasks = CeleryTasks(celery_app(), Desk().workflow)
    assert tasks.reconcile_every(60) == {
        "itsm_workflow.reconcile": {
            "task": "itsm_workflow.reconcile",
            "schedule": 60,
            "kwargs": {"seconds": 60, "limit": None},
            "options": {"expires": 60},
        }
    }
    [entry] = tasks.reconcile_every(60, seconds=20.5, limit=100).values()
    assert entry["kwargs"] == {"seconds": 20.5, "limit": 100}


def test_celery_s_beat_sends_the_entry() -> None:
    """The entry is one that Celery's own scheduler accepts, and its message is the pass."""
    host = Host()
    change = host.applied()
    host.desk.decide(change)
    host.desk.clock.advance(3600)
    host.app.conf.beat_schedule.update(host.tasks.reconcile_every(0.001))
    scheduler = Scheduler(host.app, lazy=True)
    scheduler.setup_schedule()
    entry = scheduler.schedule["itsm_workflow.reconcile"]
    scheduler.apply_async(entry, advance=False)
    assert host.tasks.workflow().get(change.id).state == State.APPROVED


# ---------------------------------------------------------------- one workflow in each process


def test_the_workflow_is_opened_when_the_first_task_needs_it_and_kept() -> None:
    """Nothing is opened where the app is only imported."""
    host = Host()
    assert host.opened == 0
    change = host.applied()
    host.tasks.settle.apply_async((change.id,))
    host.tasks.settle.apply_async((change.id,))
    assert host.opened == 1


def test_threads_of_a_worker_share_the_workflow() -> None:
    """Also when their first tasks start at the same time: a thread that opens it lets the others wait."""
    gate = threading.Barrier(8)
    found: list[Workflow] = []
    host = Host()
    guarded: list[bool] = []

    def opening() -> Workflow:
        guarded.append(host.tasks._processes._lock.locked())
        return host.open_workflow()

    host.tasks._processes._opener = opening

    def first() -> None:
        gate.wait(PATIENCE)
        found.append(host.tasks.workflow())

    threads = [threading.Thread(target=first) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert (guarded, len(found), len({id(one) for one in found})) == ([True], 8, 1)


def test_a_forked_process_opens_its_own_and_closes_only_that(monkeypatch: pytest.MonkeyPatch) -> None:
    """The parent's stays open, and a lock that the parent held does not block the child."""
    host = Host()
    parent = host.tasks.workflow()
    closed: list[int] = []
    monkeypatch.setattr(Workflow, "close", lambda workflow: closed.append(id(workflow)))
    with host.tasks._processes._lock:
        child = os.fork()
        if child == 0:
            own = host.tasks.workflow()
            worker_process_shutdown.send(sender=None, pid=os.getpid(), exitcode=0)
            passed = own is not parent and host.opened == 2 and closed == [id(own)]
            os._exit(0 if passed else 1)
    assert exit_code(child) == 0
    assert host.tasks.workflow() is parent


def test_a_child_that_opened_nothing_closes_nothing_of_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pool process that ran no task is shut down as well."""
    host = Host()
    host.tasks.workflow()
    closed: list[int] = []
    monkeypatch.setattr(Workflow, "close", lambda workflow: closed.append(id(workflow)))
    child = os.fork()
    if child == 0:
        worker_process_shutdown.send(sender=None, pid=os.getpid(), exitcode=0)
        os._exit(len(closed))
    assert exit_code(child) == 0


def test_a_worker_that_shuts_down_closes_its_workflow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once; a task that runs afterwards opens another one."""
    host = Host()
    first = host.tasks.workflow()
    closed: list[Workflow] = []
    monkeypatch.setattr(Workflow, "close", lambda workflow: closed.append(workflow))  # noqa: PLW0108 - to be a method
    for _ in range(2):
        worker_process_shutdown.send(sender=None, pid=os.getpid(), exitcode=0)
    assert (host.opened, closed.count(first)) == (1, 1)
    assert host.tasks.workflow() is not first


def test_what_opens_no_workflow_is_named() -> None:
    """The first task fails with a sentence, and not with an attribute that is missing."""
    tasks = CeleryTasks(celery_app(), lambda: None)  # type: ignore[arg-type,return-value]  # a mistake
    message = r"^CeleryTasks\(open_workflow=\.\.\.\) takes a function that returns a Workflow, not None$"
    with pytest.raises(TypeError, match=message):
        tasks.workflow()


# ---------------------------------------------------------------- a broker that fails


@pytest.fixture
def refusing() -> int:
    """A port of this machine that refuses connections."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@pytest.fixture
def silent() -> Iterator[int]:
    """A port that accepts connections, and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield int(listener.getsockname()[1])


@pytest.mark.parametrize("scheme", ["amqp", "redis"])
@pytest.mark.parametrize("place", ["refusing", "silent"])
def test_a_broker_that_is_down_loses_no_callback(request: pytest.FixtureRequest, scheme: str, place: str) -> None:
    """The callback is answered with 200, an observer is notified, and the next pass settles the change."""
    broker = f"{scheme}://user:{PASSWORD}@127.0.0.1:{request.getfixturevalue(place)}//"
    tasks = CeleryTasks(celery_app(broker), Desk().workflow, publish_timeout=0.2)
    desk, workflow, change = opened(after_callback=tasks.settle_later)

    assert desk.gateway.hand_over(desk.decide(change), workflow.receive)
    [(change_id, error)] = desk.witness.troubles
    assert change_id == change.id
    assert str(error).startswith("the change could not be queued; the next reconcile looks at it: OperationalError: ")
    assert PASSWORD not in str(error)
    assert workflow.reconcile().moved == 1
    assert workflow.get(change.id).state == State.APPROVED


def test_every_broker_of_a_cluster_is_tried(refusing: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of the addresses is tried, without a pause: the callback waits for its answer."""
    tried: list[object] = []
    paused: list[float] = []
    connect: Callable[[Connection], object] = Connection._establish_connection

    def counted(connection: Connection) -> object:
        tried.append(connection.port)
        return connect(connection)

    monkeypatch.setattr(Connection, "_establish_connection", counted)
    monkeypatch.setattr("kombu.utils.functional.sleep", paused.append)
    dead = [f"amqp://user:{PASSWORD}@127.0.0.1:{refusing}//"] * 3
    with pytest.raises(OperationalError):
        CeleryTasks(celery_app(dead), Desk().workflow).settle_later("c1")
    assert (tried, sum(paused)) == ([refusing] * 4, 0)


# ---------------------------------------------------------------- wrong arguments


def test_without_celery_the_extra_is_named() -> None:
    """Only the name that needs it fails."""
    program = "import sys; sys.modules['celery'] = None\nfrom itsm_workflow.integrations import CeleryTasks"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 1
    assert done.stderr.rstrip().endswith("`pip install 'itsm-workflow[celery]'`")


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ({"app": "host"}, TypeError, r"^CeleryTasks\(app=\.\.\.\) takes a Celery app, not 'host'$"),
        ({"app": Celery}, TypeError, r"^CeleryTasks\(app=\.\.\.\) takes a Celery app, not "),
        ({"open_workflow": "x"}, TypeError, r"^CeleryTasks\(open_workflow=\.\.\.\) takes a function, not 'x'$"),
        ({"prefix": None}, TypeError, r"^CeleryTasks\(prefix=\.\.\.\) takes text, not None$"),
        (
            {"prefix": ""},
            ValueError,
            r"^CeleryTasks\(prefix=\.\.\.\) takes a dotted name such as itsm_workflow, not ''$",
        ),
        ({"prefix": "a b"}, ValueError, "takes a dotted name"),
        (
            {"publish_timeout": 0},
            ValueError,
            r"^CeleryTasks\(publish_timeout=\.\.\.\) takes a number of seconds above 0",
        ),
        ({"publish_timeout": float("inf")}, ValueError, "and not infinity, not inf$"),
        ({"publish_timeout": "2"}, TypeError, r"^CeleryTasks\(publish_timeout=\.\.\.\) takes a number of seconds"),
    ],
)
def test_a_wrong_argument_is_named(wrong: dict[str, Any], error: type[Exception], message: str) -> None:
    """Before anything is registered: the right call succeeds afterwards."""
    app, workflow = celery_app(), Desk().workflow
    with pytest.raises(error, match=message):
        CeleryTasks(**{"app": app, "open_workflow": workflow, **wrong})
    CeleryTasks(app, workflow)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda tasks: tasks.settle_later(7), TypeError, r"^settle_later\(change_id\) takes text, not 7$"),
        (lambda tasks: tasks.reconcile_every(0), ValueError, r"^reconcile_every\(every\) takes .* above 0, .* not 0$"),
        (lambda tasks: tasks.reconcile_every(-1), ValueError, r"^reconcile_every\(every\) takes a number of seconds"),
        (lambda tasks: tasks.reconcile_every("60"), TypeError, r"^reconcile_every\(every\) takes a number of seconds"),
        (
            lambda tasks: tasks.reconcile_every(60, seconds=float("nan")),
            ValueError,
            r"^reconcile_every\(seconds=\.\.\.\) takes a number of seconds",
        ),
        (lambda tasks: tasks.reconcile_every(60, seconds=0), ValueError, r"^reconcile_every\(seconds=\.\.\.\) takes"),
        (
            lambda tasks: tasks.reconcile_every(60, limit=0),
            ValueError,
            r"^reconcile_every\(limit=\.\.\.\) takes a whole number of at least 1, not 0$",
        ),
    ],
)
def test_a_wrong_argument_of_a_method_is_named(
    call: Callable[[CeleryTasks], object], error: type[Exception], message: str
) -> None:
    """With the rule and the value."""
    with pytest.raises(error, match=message):
        call(CeleryTasks(celery_app(), Desk().workflow))
