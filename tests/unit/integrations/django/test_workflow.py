"""The workflow of a process: opened late, not shared by a fork, closed in the end; fresh connections."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connections

from itsm_workflow import Effect, State
from itsm_workflow.integrations.django import DjangoWorkflow, close_workflow, get_workflow
from itsm_workflow.integrations.django import connections as module
from itsm_workflow.testing.ledger_gateway import as_request
from tests.support.desk import ASKED, SUBJECT, Desk
from tests.support.django_host import itsm
from tests.support.limits import PATIENCE, exit_code

if TYPE_CHECKING:
    from collections.abc import Sequence


def test_a_process_has_one_workflow_until_it_is_closed(desk: Desk) -> None:
    """The next call opens another one."""
    del desk
    first = get_workflow()
    assert get_workflow() is first
    close_workflow()
    assert get_workflow() is not first


def test_a_forked_process_has_a_workflow_of_its_own(desk: Desk) -> None:
    """A server that forks after the first request."""
    del desk
    first = get_workflow()
    child = os.fork()
    if not child:
        os._exit(0 if get_workflow() is not first and get_workflow() is get_workflow() else 1)
    assert exit_code(child) == 0
    assert get_workflow() is first


@pytest.fixture
def closings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note when connections are closed."""
    noted: list[str] = []
    monkeypatch.setattr(module, "close_old_connections", lambda: noted.append("closed"))
    return noted


def test_expired_connections_are_closed_around_an_effect(desk: Desk, closings: list[str]) -> None:
    """Effects run outside of requests, where Django does not do it; one that fails as well."""

    def start(_: object) -> None:
        closings.append("started")
        raise RuntimeError("no")

    itsm.chosen["effects"] = {State.APPROVED: [Effect("start", start, ("begin",))]}
    change = get_workflow().apply(subject=SUBJECT, **ASKED)
    desk.decide(change)
    desk.clock.advance(3600)
    get_workflow().reconcile()
    assert closings == ["closed", "started", "closed"]
    assert [effect.error for effect in get_workflow().get(change.id).effects] == ["RuntimeError: no"]


def test_expired_connections_are_closed_around_a_look(desk: Desk, closings: list[str]) -> None:
    """In the thread that makes it."""
    itsm.chosen["after_callback"] = "inline"
    change = get_workflow().apply(subject=SUBJECT, **ASKED)
    desk.store.before = lambda _: closings.append("stored")
    get_workflow().receive(**as_request(desk.decide(change)))
    assert closings[:2] == ["stored", "closed"]  # the hint is stored in the request
    assert closings[-1] == "closed"
    assert get_workflow().get(change.id).state == State.APPROVED


def test_a_connection_in_a_transaction_is_left_alone() -> None:
    """The look is inline, or the effect is delivered by a command of the host in its transaction."""
    from django.db import transaction  # noqa: PLC0415 - Django is set up by now

    with transaction.atomic():
        connections["default"].ensure_connection()
        connections["default"].close_at = 0
        with module.fresh_connections():
            assert connections["default"].connection is not None
        assert connections["default"].connection is not None
    connections["default"].close()


@pytest.mark.parametrize("effects", [{State.APPROVED: "start"}, {State.APPROVED: [7]}, [1], "x"])
def test_wrong_effects_are_refused_as_by_any_workflow(desk: Desk, effects: object) -> None:
    """With the words of the library."""
    arguments: dict[str, Any] = {"effects": effects}
    with pytest.raises(Exception, match=r"effect|Workflow\(effects"):
        DjangoWorkflow(storage="memory://", gateway=desk.gateway, **arguments)


# ---------------------------------------------------------------- in other processes


def run(*lines: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a process without Django's settings, and return its end."""
    return subprocess.run(
        [sys.executable, "-c", "\n".join(lines)],
        check=False,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env={**os.environ, **environment},
    )


HIDDEN = ("import sys", "sys.modules['django'] = None")


@pytest.mark.parametrize(
    "lines",
    [(*HIDDEN, "import itsm_workflow.integrations.django"), (*HIDDEN, "import itsm_workflow.integrations.django.apps")],
)
def test_a_host_without_the_extra_gets_its_name(lines: Sequence[str]) -> None:
    """In one sentence."""
    assert "install the packages that it needs with `pip install 'itsm-workflow[django]'`" in run(*lines).stderr


@pytest.mark.long
def test_the_workflow_is_closed_when_the_process_exits() -> None:
    """Looks in the background are finished, and the store is closed."""
    ended = run(
        "import django",
        "django.setup()",
        "from tests.support.desk import Desk",
        "from tests.support.django_host import itsm",
        "from itsm_workflow.integrations.django import DjangoWorkflow, get_workflow",
        "itsm.chosen.update(itsm.of_desk(Desk()))",
        "close = DjangoWorkflow.close",
        "DjangoWorkflow.close = lambda self: (close(self), print('closed'))",
        "get_workflow()",
        DJANGO_SETTINGS_MODULE="tests.support.django_host.settings",
        TEST_DJANGO_FOLDER="/nonexistent",
    )
    assert (ended.stdout, ended.stderr) == ("closed\n", "")
