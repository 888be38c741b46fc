"""The credential that binds a callback to one attempt of one change.

The server's own token is bound to nothing, so each create request carries this one: an HMAC that only we can make and
that the server sends back to us, in a header or in the path.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from itsm_workflow.secrets import Secret

HEADER = "X-Itsm-Workflow-Credential"
"""The header that the gateway is asked to send with a callback."""

PATH = "/itsm/callback/"
"""Where callbacks arrive, below the callback host. A host application may mount it under any prefix."""

_ADDRESS = re.compile(
    r"/(?P<change>[0-9A-Z]{26})/(?P<number>[1-9][0-9]{0,5})(?:/(?P<credential>[A-Za-z0-9_-]{43}))?/?\Z", re.ASCII
)
_UNKNOWN = "-" * 43


@attrs.frozen(kw_only=True)
class Address:
    """What a callback's URL names."""

    change_id: str
    number: int
    credential: str = attrs.field(repr=False)


class CallbackAddress:
    """Makes the addresses of callbacks, and knows its own credentials again.

    Args:
        host: The public base URL.
        keys: Newest first; the first one signs, the first two are believed, so that keys can be rotated.
        in_path: Put the credential into the path, for gateways that send no headers.
    """

    def __init__(self, *, host: str, keys: tuple[Secret, ...], in_path: bool = False) -> None:
        self._host = host
        self._keys = keys[:2]
        self._in_path = in_path

    def make(self, change_id: str, number: int) -> tuple[str, dict[str, str]]:
        """Return the callback URL for an attempt, and the headers that the gateway shall send."""
        credential = _sign(self._keys[0], change_id, number)
        url = f"{self._host}{PATH}{change_id}/{number}/"
        return (f"{url}{credential}/", {}) if self._in_path else (url, {HEADER: credential})

    def holds(self, address: Address) -> bool:
        """Tell whether the credential is ours, in a time that does not depend on the answer."""
        believed = [
            hmac.compare_digest(_sign(key, address.change_id, address.number), address.credential) for key in self._keys
        ]
        return any(believed)


def read_address(path: str, headers: Mapping[str, str]) -> Address:
    """Return what a request's path and headers name; what is no callback of ours gets a credential that never holds."""
    found = _ADDRESS.search(path.partition("?")[0])
    named = found.group("credential") if found else None
    presented = named or next((value for name, value in headers.items() if name.lower() == HEADER.lower()), "")
    if found is None or len(presented) != len(_UNKNOWN) or not presented.isascii():
        presented = _UNKNOWN
    return Address(
        change_id=found.group("change") if found else "0" * 26,
        number=int(found.group("number")) if found else 1,
        credential=presented,
    )


def _sign(key: Secret, change_id: str, number: int) -> str:
    message = f"itsm-workflow callback 1\0{change_id}\0{number}".encode()
    mac = hmac.new(key.reveal().encode(), message, hashlib.sha256).digest()
    return base64.urlsafe_b64encode(mac).decode().rstrip("=")
