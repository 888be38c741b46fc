"""A process that does not know a host's effects leaves them to one that does."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest

from itsm_workflow import BkItsmGateway, Effect, EffectCall, Policy, Settings, State, Workflow, open_storage
from itsm_workflow.change import AttentionReason, EffectStatus
from itsm_workflow.sandbox import Sandbox
from itsm_workflow.secrets import Secret
from tests.support.attention import reason_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from itsm_workflow import ChangeRequest
    from itsm_workflow.storage import StorageBackend


class Starter:
    """A host's effect, which fails until it is mended."""

    def __init__(self) -> None:
        self.broken = True
        self.started: list[str] = []

    def __call__(self, call: EffectCall) -> None:
        """Start the collection, or fail."""
        if self.broken:
            raise OSError("the collector cannot be reached")
        self.started.append(call.change.subject)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Run a BK-ITSM stand-in."""
    with Sandbox(start_delay=0.0, decision_delay=0.0) as running:
        yield running


@pytest.fixture
def storage() -> Iterator[StorageBackend]:
    """Open a store that all processes of the test share."""
    opened = open_storage("memory://")
    yield opened
    opened.close()


@pytest.fixture
def gateway(sandbox: Sandbox) -> Iterator[BkItsmGateway]:
    """Connect to the stand-in."""
    made = BkItsmGateway(
        Settings(app_code="host", app_secret=Secret("s" * 16), gateway_url=sandbox.url, fast_approval=True)
    )
    yield made
    made.close()


def approved_by_host(host: Workflow, sandbox: Sandbox) -> ChangeRequest:
    """Return a change that was approved, whose effect failed once and is due again."""
    change = host.apply(subject="collector-42", title="接入 nginx 日志", applicant="alice", approvers=["bob"])
    sandbox.approve(str(change.sn))
    sandbox.wait(lambda ledger: ledger.tickets()[0].approve_result)
    return host.settle(change.id)


def test_an_effect_of_another_process_is_left_and_its_own_process_delivers_it(
    sandbox: Sandbox, storage: StorageBackend, gateway: BkItsmGateway
) -> None:
    """Neither a settle nor a pass without the host's effects touches them; the host's next pass delivers."""
    starter = Starter()
    effects: dict[str, list[Effect]] = {State.APPROVED: [Effect("start_collection", starter)]}
    policy = Policy(effect_backoff=dt.timedelta(), effect_attempts=64)
    host = Workflow(storage=storage, gateway=gateway, callbacks=False, policy=policy, effects=effects)
    stranger = Workflow(storage=storage, gateway=gateway, callbacks=False, policy=policy)

    change = approved_by_host(host, sandbox)
    entries = host.history(change.id)
    assert change.effects[0].status is EffectStatus.PLANNED

    assert stranger.settle(change.id) == change
    report = stranger.reconcile()
    assert (report.due, report.unchanged) == (1, 1)
    assert stranger.history(change.id) == entries

    starter.broken = False
    assert host.reconcile().moved == 1
    assert starter.started == ["collector-42"]
    assert host.get(change.id).effects[0].status is EffectStatus.DELIVERED


def test_a_host_that_lost_an_effect_calls_a_person(
    sandbox: Sandbox, storage: StorageBackend, gateway: BkItsmGateway
) -> None:
    """An effect that no process has a function for any more is left, and not forgotten."""
    effects: dict[str, list[Effect]] = {State.APPROVED: [Effect("start_collection", Starter())]}
    policy = Policy(effect_backoff=dt.timedelta(), effect_attempts=64, effect_unknown=dt.timedelta())
    change = approved_by_host(
        Workflow(storage=storage, gateway=gateway, callbacks=False, policy=policy, effects=effects), sandbox
    )
    renamed = Workflow(storage=storage, gateway=gateway, callbacks=False, policy=policy)
    left = renamed.settle(change.id)
    assert left.effects[0].status is EffectStatus.PLANNED
    assert reason_of(left) is AttentionReason.EFFECT_UNKNOWN


def test_a_withdrawal_is_everybodys_to_deliver(
    sandbox: Sandbox, storage: StorageBackend, gateway: BkItsmGateway
) -> None:
    """The library's own effect is known to each process."""
    policy = Policy(withdraw_age=dt.timedelta())
    stranger = Workflow(storage=storage, gateway=gateway, callbacks=False, policy=policy)
    change = stranger.apply(subject="collector-7", title="t", applicant="alice", approvers=["bob"])
    sandbox.wait(lambda ledger: ledger.tickets()[0].current_status == "RUNNING")
    withdrawn = stranger.withdraw(change.id, actor="alice", reason="not needed")
    assert [effect.status for effect in withdrawn.effects] == [EffectStatus.DELIVERED]
