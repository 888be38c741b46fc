"""The settings that a client needs to use a stand-in."""

from __future__ import annotations

import secrets

from itsm_workflow.secrets import Secret
from itsm_workflow.settings import Settings

PAGES_HOST = "itsm.example.com"
"""The host in the addresses of ticket pages, as recorded from the real server. The pages do not exist."""

NOWHERE = "http://127.0.0.1:9"
"""A callback host without a listener: the port of the discard service."""


def behind_esb(url: str) -> str:
    """Return the gateway root of the stand-in's ESB."""
    return url.replace("/v2/itsm/", "/api/c/compapi/v2/itsm/")


def settings_for(url: str, **given: object) -> Settings:
    """Return settings for the gateway root of a stand-in, with new random secrets.

    Args:
        url: The gateway root, `Sandbox.url`.
        given: Other values for fields of `Settings`, such as ``callback_host``. With ``routes="esb"`` the default root
            is the stand-in's ESB.
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
