"""The keys of the callback credentials: counted, and rotated without being shown."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from itsm_workflow import Settings
from itsm_workflow.callbacks.signer import CallbackSigner, read_address

if TYPE_CHECKING:
    import pytest

    from tests.integration.cli.office import Office

OLD = "an-old-key-of-at-least-thirty-two-bytes"
VARIABLE = "BKAPP_ITSM_CALLBACK_KEYS"


def test_keys_are_rotated_into_a_file_of_ones_own(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """The new key signs, credentials of the old one still hold, and neither is printed."""
    monkeypatch.setenv(VARIABLE, OLD)
    office.apply("collector-42")
    file = office.folder / "keys.env"

    done = office.run("callback-keys", "--rotate", "--output", str(file))

    name, _, value = file.read_text(encoding="utf-8").strip().partition("=")
    new = value.split(",")
    assert (done.code, name, new[1:], stat.S_IMODE(file.stat().st_mode)) == (0, VARIABLE, [OLD], 0o600)
    assert len(new[0]) >= 32
    assert "1 open changes rely on the present keys" in done.out
    assert not any(key in done.out + done.err for key in new)
    before = Settings.from_env().callback_keys
    monkeypatch.setenv(VARIABLE, value)
    after = Settings.from_env().callback_keys
    url, headers = CallbackSigner(host="", keys=before).make("0" * 26, 1)
    assert CallbackSigner(host="", keys=after).holds(
        read_address(url.reveal(), {name: value.reveal() for name, value in headers.items()})
    )


def test_file_that_is_there_is_left_alone(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may hold the only copy of a key."""
    monkeypatch.setenv(VARIABLE, OLD)
    office.apply("collector-42")
    file = office.folder / "keys.env"
    file.write_text("mine", encoding="utf-8")
    done = office.run("callback-keys", "--rotate", "--output", str(file))
    assert (done.code, file.read_text(encoding="utf-8")) == (2, "mine")


def test_keys_are_counted(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """A third one is listed in vain."""
    monkeypatch.setenv(VARIABLE, ",".join([OLD, OLD + "2", OLD + "3"]))
    done = office.run("callback-keys")
    assert done.code == 0
    assert done.out.startswith("2 of 2 keys are live\n1 more ")
    assert office.run("callback-keys", "--rotate").code == 2
