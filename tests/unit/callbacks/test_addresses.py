"""The callback addresses of one workflow's requests: none, signed ones, or an error that names what is missing."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from itsm_workflow.callbacks.addresses import CallbackAddresses
from itsm_workflow.callbacks.signer import callback_signer
from itsm_workflow.errors import SettingsError
from itsm_workflow.sandbox.connection import settings_for
from tests.support.callback_examples import CHANGE, HOST, KEY

SETTINGS = attrs.evolve(settings_for("http://127.0.0.1:9/"), callback_host=HOST, callback_keys=(KEY,))


def test_a_workflow_without_callbacks_sends_no_address() -> None:
    """Nothing is missing, and no callback is believed."""
    addresses = CallbackAddresses(None)

    addresses.check()
    assert (addresses.make(CHANGE, 1), addresses.signer) == ((None, {}), None)


def test_an_address_is_the_signers() -> None:
    """The same object verifies the callback."""
    addresses, signer = CallbackAddresses(SETTINGS), callback_signer(SETTINGS)

    addresses.check()
    assert signer is not None
    assert addresses.signer is not None
    assert addresses.make(CHANGE, 2) == addresses.signer.make(CHANGE, 2) == signer.make(CHANGE, 2)


@pytest.mark.parametrize(
    ("missing", "named"),
    [
        ({"callback_host": ""}, ["BKAPP_ITSM_CALLBACK_HOST"]),
        ({"callback_keys": ()}, ["BKAPP_ITSM_CALLBACK_KEYS"]),
        ({"callback_host": "", "callback_keys": ()}, ["BKAPP_ITSM_CALLBACK_HOST", "BKAPP_ITSM_CALLBACK_KEYS"]),
    ],
    ids=["host", "keys", "both"],
)
def test_a_missing_setting_is_named_before_and_when_an_address_is_made(
    missing: dict[str, Any], named: list[str]
) -> None:
    """No request goes out whose callback could not come back."""
    addresses = CallbackAddresses(attrs.evolve(SETTINGS, **missing))
    variables = ("BKAPP_ITSM_CALLBACK_HOST", "BKAPP_ITSM_CALLBACK_KEYS")

    for act in (addresses.check, lambda: addresses.make(CHANGE, 1)):
        with pytest.raises(SettingsError) as caught:
            act()
        assert [one for one in variables if one in str(caught.value)] == named
