"""One request as the endpoints see it: parsed by need, since each part may be broken."""

from __future__ import annotations

import base64
import binascii
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

import attrs

from itsm_workflow.sandbox.refusals import Unforeseen

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_USER = "admin"
_FORM = "application/x-www-form-urlencoded"
_JWT_PARTS = 3


@attrs.frozen(kw_only=True)
class Request:
    """An HTTP request.

    Attributes:
        method: upper case.
        path: without the query string, percent-decoding not applied.
        query: what follows the question mark.
        headers: names in lower case; they carry credentials, so they stay out of the repr.
        body: as read.
    """

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    body: bytes = attrs.field(default=b"", repr=False)

    @property
    def parameters(self) -> dict[str, str]:
        """The query string as a mapping; of a name given twice the last counts."""
        return dict(parse_qsl(self.query, keep_blank_values=True))

    @property
    def language(self) -> str:
        """The language of the answer: English only on request."""
        return "en" if self.headers.get("accept-language", "").lower().startswith("en") else "zh-cn"

    def json(self) -> Any:  # noqa: ANN401 - whatever JSON the client sent
        """Read the body as the server does: JSON or a form; nothing sent is an empty object.

        Raises:
            Unforeseen: the body is not what its type says, or its type is unknown.
        """
        if not self.body:
            return {}
        kind = self.headers.get("content-type", "").split(";")[0].strip().lower()
        if kind == _FORM:
            return dict(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))
        if kind != "application/json":
            message = f"不支持请求中的媒体类型 “{kind}”。"
            raise Unforeseen(message)
        try:
            return json.loads(self.body.decode("utf-8"))
        except ValueError as error:
            message = f"JSON parse error - {error}"
            raise Unforeseen(message) from error

    def body_object(self) -> dict[str, Any]:
        """Read the body as a JSON object.

        Raises:
            Unforeseen: it is something else.
        """
        body = self.json()
        if not isinstance(body, dict):
            message = f"'{type(body).__name__}' object has no attribute 'get'"
            raise Unforeseen(message)
        return body

    def with_body_in_query(self) -> Request:
        """Return the request as an ESB hands it on to a server that wants a GET: a JSON object is now the query."""
        try:
            given = self.body_object()
        except Unforeseen:
            given = {}
        text = {name: value if isinstance(value, str) else json.dumps(value) for name, value in given.items()}
        query = urlencode([*self.parameters.items(), *text.items()])
        return attrs.evolve(self, method="GET", query=query, body=b"")

    def authorization(self) -> dict[str, Any]:
        """Read ``X-Bkapi-Authorization``; anything but a JSON object counts as nothing."""
        return _json_object(self.headers.get("x-bkapi-authorization", ""))

    @property
    def jwt_broken(self) -> bool:
        """The request carries a gateway JWT that is none."""
        return "x-bkapi-jwt" in self.headers and not self._jwt()

    @property
    def came_through_gateway(self) -> bool:
        """The request carries a gateway's JWT, or the credentials for which a gateway would add one."""
        if self._jwt():
            return True
        given = self.authorization()
        return bool((given.get("bk_app_code") and given.get("bk_app_secret")) or given.get("access_token"))

    @property
    def user(self) -> str:
        """The gateway's user: who creates when the body names nobody."""
        user = self._jwt().get("user")
        if isinstance(user, dict):
            return str(user.get("bk_username") or user.get("username") or DEFAULT_USER)
        return str(self.authorization().get("bk_username") or DEFAULT_USER)

    def _jwt(self) -> dict[str, Any]:
        """Read the payload of the gateway JWT; its signature cannot be checked without the gateway's key."""
        parts = self.headers.get("x-bkapi-jwt", "").split(".")
        if len(parts) != _JWT_PARTS or not _segment(parts[0]):
            return {}
        return _segment(parts[1])


def _segment(text: str) -> dict[str, Any]:
    try:
        return _json_object(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("utf-8"))
    except (binascii.Error, ValueError):
        return {}


def _json_object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
