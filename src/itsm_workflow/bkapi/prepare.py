"""Who a call is made for, and the parameters that tell the gateway so: the two hooks that BlueKing's endpoints expect.

A secret is filled into ``auth_info`` only, sealed, and never where it would travel in an address.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import attrs

from itsm_workflow.bkapi.context import NO_SECRET
from itsm_workflow.secrets import Secret, without_frames

if TYPE_CHECKING:
    from collections.abc import Mapping

    from itsm_workflow.bkapi.context import RequestContext
    from itsm_workflow.bkapi.endpoint import Endpoint
    from itsm_workflow.settings import Settings


@attrs.frozen(kw_only=True)
class CallFacts:
    """What a hook may know of the call that it prepares.

    Attributes:
        endpoint: The endpoint's name.
        method: The endpoint's method.
        request_id: Our id of the call.
        context: On whose behalf; the backend user's, where a person is not passed on.
        user: The user that the gateway shall see.
        tenant: The BlueKing tenant; empty: none.
        language: The language of the gateway's messages.
        app_code: Our application.
        environment: The platform's word for where we run.
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
    """Settle who the call is made for.

    Args:
        endpoint: What is called.
        settings: Who we are.
        context: Who asks.
        params: As the caller gave them.
        tenant: The caller's word on the tenant, which beats the endpoint's, which beats the context's.
        request_id: Our id of the call.
    """
    if endpoint.use_superuser or context.no_request:
        context = as_backend(context)
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


def as_backend(context: RequestContext) -> RequestContext:
    """Return the context without its person: the call is then the backend user's own."""
    return attrs.evolve(
        context, user="", operator="", access_token=NO_SECRET, bk_token=NO_SECRET, bk_ticket=NO_SECRET, logins={}
    )


def fill_identity(params: dict[str, Any], call: CallFacts) -> dict[str, Any]:
    """Fill in who acts: ``bk_username``, ``operator``, ``uin``, ``auth_info``, ``blueking_language``, ``appenv``.

    A user or operator among the parameters stays. The same fields are filled for a web request, for a background task
    and for ``no_request``; ``auth_info`` only where the context has a login, and not into a query.
    """
    user = params.setdefault("bk_username", call.user)
    params.setdefault("operator", call.context.operator or user)
    params["uin"] = user  # what older interfaces call the user
    params["appenv"] = call.environment
    params["blueking_language"] = call.language
    if call.method != "GET" and not params.get("auth_info") and (logins := _logins(call.context)):
        params["auth_info"] = without_frames(lambda: Secret(json.dumps(dict(logins), default=Secret.reveal)))
    return params


def fill_app(params: dict[str, Any], call: CallFacts) -> dict[str, Any]:
    """Fill in which application calls, by both names: ``app_code`` and ``bk_app_code``. Its secret stays a header."""
    params["app_code"] = params["bk_app_code"] = call.app_code
    return params


def fill_identity_and_app(params: dict[str, Any], call: CallFacts) -> dict[str, Any]:
    """Fill in both."""
    return fill_app(fill_identity(params, call), call)


def copied(value: Any, depth: int = 64) -> Any:  # noqa: ANN401 - JSON, or what a caller mistakes for it
    """Return parameters that may be changed: new dicts and lists, the same values in them."""
    if isinstance(value, dict) and depth:
        return {key: copied(each, depth - 1) for key, each in value.items()}
    if isinstance(value, list) and depth:
        return [copied(each, depth - 1) for each in value]
    return value


def _logins(context: RequestContext) -> Mapping[str, Secret]:
    """Return the person's logins by name; a hybrid cloud's uin goes without the letter in front."""
    found = {"bk_token": context.bk_token, "bk_ticket": context.bk_ticket, **context.logins}
    if (uin := found.get("uin", NO_SECRET)) and uin.reveal().startswith("o"):
        found["uin"] = Secret(uin.reveal()[1:])
    return {name: login for name, login in found.items() if login}
