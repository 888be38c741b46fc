"""Who calls: the identity of one call, and the headers that tell the gateway so."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.secrets import Secret, without_frames

if TYPE_CHECKING:
    from collections.abc import Mapping

    from itsm_workflow.settings import Settings

NO_SECRET = Secret("")


@attrs.frozen(kw_only=True)
class RequestContext:
    """On whose behalf one call is made. Always given, never guessed from a thread or a web request.

    Attributes:
        user: The user that the gateway shall see; empty: the settings' ``api_user``.
        operator: The person who acts, where that is somebody else.
        tenant: The BlueKing tenant; empty: the settings' one.
        language: The language of the gateway's messages; empty: the settings' one.
        access_token: An access token of the user, sent instead of application and user.
        bk_token: The user's login of the open edition.
        bk_ticket: The user's login of the internal edition.
        logins: Further logins by the names that the gateway knows them by, such as ``uin`` and ``skey``.
        no_request: Pass no person on: the call is the backend user's own, as in a task that a person's request started.
        request_id: Our id of the call; empty: a fresh one.
    """

    user: str = ""
    operator: str = ""
    tenant: str = ""
    language: str = ""
    access_token: Secret = NO_SECRET
    bk_token: Secret = NO_SECRET
    bk_ticket: Secret = NO_SECRET
    logins: Mapping[str, Secret] = attrs.field(factory=dict, hash=False)
    no_request: bool = False
    request_id: str = ""


BACKGROUND = RequestContext()
"""No person: the call is made as the settings' ``api_user``."""


def headers(settings: Settings, context: RequestContext, request_id: str) -> Mapping[str, str | Secret]:
    """Return the headers that tell who calls, for whom, and under which id.

    Raises:
        ValueError: A name in the context cannot stand in a header.
    """
    found: dict[str, str | Secret] = {
        "X-Bkapi-Authorization": _authorization(settings, context),
        "X-Bk-App-Code": settings.app_code,
        "X-Bk-App-Secret": settings.app_secret,
        "X-Request-Id": _visible("request id", request_id),
        "X-DATA-REQUEST-ID": request_id,
        "blueking-language": _visible("language", context.language or settings.language),
    }
    if tenant := context.tenant or settings.tenant:
        found["X-Bk-Tenant-Id"] = _visible("tenant", tenant)
    return found


def _authorization(settings: Settings, context: RequestContext) -> Secret:
    """Return the gateway's own header, which is JSON and no signature; an access token stands for all the rest."""
    if context.access_token:
        return _json({"access_token": context.access_token})
    logins = {"bk_token": context.bk_token, "bk_ticket": context.bk_ticket}
    return _json(
        {
            "bk_app_code": settings.app_code,
            "bk_app_secret": settings.app_secret,
            "bk_username": context.user or settings.api_user,
            **{name: login for name, login in logins.items() if login},
        }
    )


def _json(claims: Mapping[str, str | Secret]) -> Secret:
    return without_frames(lambda: Secret(json.dumps(claims, default=Secret.reveal)))


def _visible(what: str, text: str) -> str:
    if not (text.isascii() and text.isprintable()):
        raise ValueError(f"the {what} {text!a} cannot stand in a header")
    return text
