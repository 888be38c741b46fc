"""The identity of a call, and the headers that carry it to the gateway."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.secrets import Secret, without_frames
from itsm_workflow.text import kind_of

if TYPE_CHECKING:
    from itsm_workflow.settings import Settings

NO_SECRET = Secret("")


@attrs.frozen(kw_only=True)
class RequestContext:
    """The identity on whose behalf a call is made. Passed explicitly, never read from a thread or a web request.

    Attributes:
        user: The user that the gateway sees; empty means the ``api_user`` of the settings.
        operator: The person who acts, if different from the user.
        tenant: The BlueKing tenant; empty means the tenant of the settings.
        language: The language of the gateway's messages; empty means the language of the settings.
        access_token: An access token of the user, sent instead of the application and the user.
        bk_token: The user's login of the open edition.
        bk_ticket: The user's login of the internal edition.
        logins: Further logins by the gateway's names, such as ``uin`` and ``skey``.
        no_request: Whether the call is made as the backend user, even though a person's request started it.
        request_id: Our id of the call; empty means a new one.
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

    def __attrs_post_init__(self) -> None:
        """Check each value: a login that is no `Secret` would be shown, and a flag such as ``no`` is true.

        Raises:
            TypeError: A value has the wrong type; the message names its field.
        """
        for name, wanted, takes in _TYPES:
            value = getattr(self, name)
            if not isinstance(value, wanted):
                raise TypeError(f"RequestContext({name}=...) takes {takes}, not {kind_of(value)}")
        for key, login in self.logins.items():
            if not isinstance(key, str):
                raise TypeError(f"RequestContext(logins=...) takes names as text, not {kind_of(key)}")
            if not isinstance(login, Secret):
                raise TypeError(f"RequestContext(logins={{{key!a}: ...}}) takes a Secret, not {kind_of(login)}")


_TYPES: tuple[tuple[str, type, str], ...] = (
    *((name, str, "text") for name in ("user", "operator", "tenant", "language", "request_id")),
    *((name, Secret, "a Secret") for name in ("access_token", "bk_token", "bk_ticket")),
    ("logins", Mapping, "a dictionary of Secrets"),
    ("no_request", bool, "True or False"),
)
"""By field, its type, and what the argument takes."""


BACKGROUND = RequestContext()
"""The context without a person: the call is made as the ``api_user`` of the settings."""


def headers(settings: Settings, context: RequestContext, request_id: str) -> Mapping[str, str | Secret]:
    """Return the headers that name the application, the user, the tenant and the request id.

    Raises:
        ValueError: A name in the context cannot be sent in a header.
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
    """Return the gateway's own header, which is unsigned JSON; an access token replaces all other claims."""
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
        raise ValueError(f"the {what} {text!a} cannot be sent in a header: use printable ASCII")
    return text
