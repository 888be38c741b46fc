"""One request as the endpoints read it. A part is parsed only on use, since each part may be malformed."""

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
        method: the method in upper case.
        path: the path without the query string, not percent-decoded.
        query: the query string, without the question mark.
        headers: the headers by lower-case name. They contain credentials, so they are not in the repr.
        body: the body as received.
    """

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    body: bytes = attrs.field(default=b"", repr=False)

    @property
    def parameters(self) -> dict[str, str]:
        """The query string as a mapping, with the last value of a repeated name."""
        return dict(parse_qsl(self.query, keep_blank_values=True))

    @property
    def language(self) -> str:
        """The language of the answer: English only on request."""
        return "en" if self.headers.get("accept-language", "").lower().startswith("en") else "zh-cn"

    def json(self) -> Any:  # noqa: ANN401 - any JSON of a client
        """Parse the body as the server does: JSON or a form; an empty body is an empty object.

        Raises:
            Unforeseen: the body does not match its content type, or the content type is unknown.
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
        """Parse the body as a JSON object.

        Raises:
            Unforeseen: the body is not a JSON object.
        """
        body = self.json()
        if not isinstance(body, dict):
            message = f"'{type(body).__name__}' object has no attribute 'get'"
            raise Unforeseen(message)
        return body

    def with_body_in_query(self) -> Request:
        """Return the request as an ESB passes it on to a server that needs a GET, with the body as the query."""
        try:
            given = self.body_object()
        except Unforeseen:
            given = {}
        text = {name: value if isinstance(value, str) else json.dumps(value) for name, value in given.items()}
        query = urlencode([*self.parameters.items(), *text.items()])
        return attrs.evolve(self, method="GET", query=query, body=b"")

    def authorization(self) -> dict[str, Any]:
        """Parse ``X-Bkapi-Authorization``; a header that is not a JSON object counts as empty."""
        return _json_object(self.headers.get("x-bkapi-authorization", ""))

    @property
    def jwt_broken(self) -> bool:
        """Whether the request carries a gateway JWT that is malformed."""
        return "x-bkapi-jwt" in self.headers and not self._jwt()

    @property
    def came_through_gateway(self) -> bool:
        """Whether the request carries a gateway's JWT, or credentials for which a gateway would add a JWT."""
        if self._jwt():
            return True
        given = self.authorization()
        return bool((given.get("bk_app_code") and given.get("bk_app_secret")) or given.get("access_token"))

    @property
    def user(self) -> str:
        """The gateway's user, who is the creator if the body does not name one."""
        user = self._jwt().get("user")
        if isinstance(user, dict):
            return str(user.get("bk_username") or user.get("username") or DEFAULT_USER)
        return str(self.authorization().get("bk_username") or DEFAULT_USER)

    def _jwt(self) -> dict[str, Any]:
        """Parse the payload of the gateway JWT. Its signature cannot be checked without the gateway's key."""
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
