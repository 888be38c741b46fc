"""Callbacks of tickets that were filed before there were credentials."""

from __future__ import annotations

import json

import pytest

from itsm_workflow import State
from itsm_workflow.callbacks.signer import HEADER, PATH
from itsm_workflow.sandbox.connection import settings_for
from itsm_workflow.testing.ledger_gateway import NOWHERE
from tests.support.places import WatchedStore
from tests.support.world import World, address_of, callback_facts


@pytest.mark.parametrize("path", ["/api/v1/old/callback/", PATH, f"{PATH}{'0' * 26}/1/"])
def test_they_are_acknowledged_and_believed_in_nothing(path: str) -> None:
    """If a setting says so: nothing is read, written or asked, and polling finds the decision."""
    world = World()
    store = world.store = WatchedStore(world.store)
    workflow = world.workflow(settings=settings_for(NOWHERE, legacy_callbacks=True))
    change = world.approved(workflow)
    commits, calls = store.commits, world.ledger.requests.total()
    body = json.dumps(callback_facts(change)).encode()

    answer = workflow.receive(method="POST", path=path, headers={}, body=body)

    assert (answer.status, json.loads(answer.body)["code"]) == (200, 0)
    assert (store.commits, world.ledger.requests.total()) == (commits, calls)
    assert workflow.get(change.id).state == State.PENDING
    world.clock.advance(301)
    workflow.reconcile()
    assert workflow.get(change.id).state == State.APPROVED


def test_they_are_refused_without_the_setting() -> None:
    """As everything that has no credential."""
    world = World()
    workflow = world.workflow()
    change = world.approved(workflow)
    body = json.dumps(callback_facts(change)).encode()
    assert workflow.receive(method="POST", path="/old/", headers={}, body=body).status == 401


@pytest.mark.parametrize("credential", ["x" * 43, "\u00e9" * 43])
def test_a_wrong_credential_is_not_a_legacy_callback(credential: str) -> None:
    """A request with a credential is judged by it, and an invalid body is refused in both cases."""
    world = World()
    workflow = world.workflow(settings=settings_for(NOWHERE, legacy_callbacks=True))
    change = world.approved(workflow)
    url, _ = address_of(workflow, change.id)
    path, body = "/" + url.split("://", 1)[-1].partition("/")[2], json.dumps(callback_facts(change)).encode()
    assert workflow.receive(method="POST", path=path, headers={HEADER: credential}, body=body).status == 401
    assert workflow.receive(method="POST", path="/old/", headers={}, body=b"{}").status == 400
