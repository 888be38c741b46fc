"""What a client must be told to use a sandbox."""

from __future__ import annotations

import secrets

from itsm_workflow.secrets import Secret
from itsm_workflow.settings import Settings

PAGES_HOST = "itsm.example.com"
"""The host of a sandbox's ticket pages, as in the recordings of the real server; there are none."""

NOWHERE = "http://127.0.0.1:9"
"""A callback host at which nobody listens: the port of the discard service."""


def behind_esb(url: str) -> str:
    """Return the gateway root of a sandbox's ESB."""
    return url.replace("/v2/itsm/", "/api/c/compapi/v2/itsm/")


def settings_for(url: str, **given: object) -> Settings:
    """Return settings for the gateway root of a sandbox, with secrets made up for this once.

    Args:
        url: The gateway root, `Sandbox.url`.
        given: Fields of `Settings` that shall be otherwise, such as ``callback_host``. With ``routes="esb"`` the root
            is the sandbox's ESB, unless another is given.
    """
    chosen = {
        "app_code": "sandbox_client",
        "app_secret": Secret(secrets.token_urlsafe(32)),
        "gateway_url": behind_esb(url) if given.get("routes") == "esb" else url,
        "fast_approval": not any(given.get(f"service_{part}") for part in ("id", "name", "role")),
        "callback_host": NOWHERE,
        "callback_keys": (Secret(secrets.token_urlsafe(32)),),
        "ticket_hosts": (PAGES_HOST,),
    }
    return Settings.from_env({}, **{**chosen, **given})
