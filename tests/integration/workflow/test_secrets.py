"""Nothing that a workflow stores, logs or returns holds a secret."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.support.office import APP_SECRET, CALLBACK_KEY, SUBJECT, asked

if TYPE_CHECKING:
    import pytest

    from tests.support.office import Office


def test_no_secret_is_stored_logged_or_returned(office: Office, caplog: pytest.LogCaptureFixture) -> None:
    """Neither the application's secret, nor the key of the credentials, nor a credential, nor the server's token."""
    caplog.set_level(0)
    workflow = office.workflow()
    change = workflow.apply(subject=SUBJECT, **asked())
    office.approve(change)
    knock = office.door.knocks[-1]
    (sent,) = office.sandbox.bodies("create_ticket")
    secrets = [APP_SECRET, CALLBACK_KEY, json.loads(knock.body)["token"], *sent["meta"]["headers"].values()]

    kept = repr(office.store.get(change.id)) + repr(office.store.history(change.id))
    told = "\n".join(f"{record.getMessage()} {vars(record)!r}" for record in caplog.records)
    shown = repr(workflow.get(change.id)) + repr(workflow.history(change.id)) + repr(office.witness.entries)

    assert [secret for secret in secrets if secret in kept + told + shown] == []
    assert len(secrets) == 4
