"""The identity of a call and its application, and the two hooks that fill them into the parameters of an endpoint.

Secrets are filled only into ``auth_info``, as a `Secret`, and never into a query.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import attrs

from itsm_workflow.bkapi.context import NO_SECRET
from itsm_workflow.readonly import ReadOnlyDict
from itsm_workflow.secrets import Secret, without_frames
from itsm_workflow.text import kind_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from itsm_workflow.bkapi.context import RequestContext
    from itsm_workflow.bkapi.endpoint import Endpoint
    from itsm_workflow.settings import Settings

_NO_REQUEST, _USER = "no_request", "bk_username"
_LOGINS: Mapping[str, str] = ReadOnlyDict(
    {
        **{name: f"context=RequestContext({name}=Secret(...))" for name in ("bk_token", "bk_ticket", "access_token")},
        "bk_app_secret": "it once, as the app_secret of Settings",
    }
)
"""By name of a parameter that is a login, the place where it belongs."""


@attrs.frozen(kw_only=True)
class CallFacts:
    """The facts of a call that a hook receives.

    Attributes:
        endpoint: The endpoint's name.
        method: The endpoint's method.
        request_id: Our id of the call.
        context: The identity of the call; the backend user's if the call does not pass on a person.
        user: The user that the gateway sees.
        tenant: The BlueKing tenant; empty means no tenant.
        language: The language of the gateway's messages.
        app_code: The code of our application.
        environment: The platform's name of the environment that we run in.
    """

    endpoint: str
    method: str
    request_id: str
    context: RequestContext
    user: str
    tenant: str
    language: str
    app_code: str
    environment: str


def resolve(
    endpoint: Endpoint[Any],
    settings: Settings,
    context: RequestContext,
    params: Mapping[str, Any],
    *,
    tenant: str,
    request_id: str,
) -> CallFacts:
    """Resolve the user, tenant and language of a call.

    Args:
        endpoint: The endpoint to call.
        settings: The application and the defaults.
        context: The identity that the caller passed.
        params: The parameters that the caller passed, which were checked by `without_instructions`. A ``bk_username``
            among them is the user of the call, and ``no_request`` makes it a call of the backend user.
        tenant: The caller's tenant; it overrides the endpoint's, which overrides the context's.
        request_id: Our id of the call.
    """
    if endpoint.use_superuser or context.no_request or params.get(_NO_REQUEST):
        context = as_backend(context)
    if not endpoint.use_superuser and (user := params.get(_USER)):
        context = attrs.evolve(context, user=user)
    if not tenant and endpoint.tenant:
        tenant = endpoint.tenant if isinstance(endpoint.tenant, str) else endpoint.tenant(params)
    tenant = tenant or context.tenant or settings.tenant
    if tenant != context.tenant:
        context = attrs.evolve(context, tenant=tenant)
    return CallFacts(
        endpoint=endpoint.name,
        method=endpoint.method,
        request_id=request_id,
        context=context,
        user=context.user or settings.api_user,
        tenant=tenant,
        language=context.language or settings.language,
        app_code=settings.app_code,
        environment=settings.environment,
    )


def without_instructions(endpoint: Endpoint[Any], params: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the parameters without ``no_request``, which is meant for the client, after a check of the caller's names.

    Raises:
        ValueError: ``no_request`` or ``bk_username`` has the wrong type, or a login is among the parameters, which may
            be sent in an address. A parameter that the endpoint sends as a header is not checked.
    """
    if not isinstance(params.get(_NO_REQUEST, False), bool):
        raise ValueError(f"{endpoint.name}: no_request must be True or False, not {kind_of(params[_NO_REQUEST])}")  # noqa: TRY004 - as other options
    if not isinstance(params.get(_USER, ""), str):
        raise ValueError(f"{endpoint.name}: bk_username must be a user name as text, not {kind_of(params[_USER])}")  # noqa: TRY004 - as above
    for name, fix in _LOGINS.items():
        if name in params and name not in endpoint.header_keys:
            raise ValueError(f"{endpoint.name}: {name} cannot be a parameter, which may be logged: pass {fix}")
    return {key: value for key, value in params.items() if key != _NO_REQUEST} if _NO_REQUEST in params else params


def as_backend(context: RequestContext) -> RequestContext:
    """Return the context without its person, so that the call is made as the backend user."""
    return attrs.evolve(
        context, user="", operator="", access_token=NO_SECRET, bk_token=NO_SECRET, bk_ticket=NO_SECRET, logins={}
    )


def fill_identity(params: dict[str, Any], call: CallFacts) -> dict[str, Any]:
    """Fill in the user: ``bk_username``, ``operator``, ``uin``, ``auth_info``, ``blueking_language``, ``appenv``.

    A user or operator among the parameters is kept. The same fields are filled for a web request, for a background
    task and for ``no_request``. ``auth_info`` is filled only if the context has a login, and never into a query.
    """
    user = params.setdefault("bk_username", call.user)
    params.setdefault("operator", call.context.operator or user)
    params["uin"] = user  # the name of the user in older interfaces
    params["appenv"] = call.environment
    params["blueking_language"] = call.language
    if call.method != "GET" and not params.get("auth_info") and (logins := _logins(call.context)):
        params["auth_info"] = without_frames(lambda: Secret(json.dumps(dict(logins), default=Secret.reveal)))
    return params


def fill_app(params: dict[str, Any], call: CallFacts) -> dict[str, Any]:
    """Fill in the application under both names, ``app_code`` and ``bk_app_code``. Its secret stays a header."""
    params["app_code"] = params["bk_app_code"] = call.app_code
    return params


def fill_identity_and_app(params: dict[str, Any], call: CallFacts) -> dict[str, Any]:
    """Fill in the user and the application."""
    return fill_app(fill_identity(params, call), call)


def copied(value: Any, depth: int = 64) -> Any:  # noqa: ANN401 - JSON, or a value that the caller mistook for it
    """Return a copy that a hook may change: new dicts and lists with the same values."""
    if isinstance(value, dict) and depth:
        return {key: copied(each, depth - 1) for key, each in value.items()}
    if isinstance(value, list) and depth:
        return [copied(each, depth - 1) for each in value]
    return value


def _logins(context: RequestContext) -> Mapping[str, Secret]:
    """Return the person's logins by name; the uin of a hybrid cloud is sent without its leading letter."""
    found = {"bk_token": context.bk_token, "bk_ticket": context.bk_ticket, **context.logins}
    if (uin := found.get("uin", NO_SECRET)) and uin.reveal().startswith("o"):
        found["uin"] = Secret(uin.reveal()[1:])
    return {name: login for name, login in found.items() if login}
