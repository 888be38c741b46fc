"""The credential that binds a callback to one attempt of one change.

The server's own token is not bound to a ticket. So each create request carries this credential: an HMAC with a key that
only the library's processes have. The server sends it back with the callback, in a header or in the path.
"""

from __future__ import annotations

import base64
import hmac
import re
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.secrets import Secret, without_frames

if TYPE_CHECKING:
    from collections.abc import Mapping

    from itsm_workflow.settings import Settings

HEADER = "X-Itsm-Workflow-Credential"
"""The header that the gateway is asked to send with a callback."""

PATH = "/itsm/callback/"
"""The path of callbacks, below the callback host. A host application may mount it under any prefix."""

PROBE = "ITSMWORKFLOWCALLBACKPROBE0"
"""The id in the address of a probe, a callback that the doctor sends. Ids have no I, L, O or U, so no change has it."""

_ADDRESS = re.compile(
    r"/(?P<change>[0-9A-Z]{26})/(?P<number>[1-9][0-9]{0,5})(?:/(?P<credential>[A-Za-z0-9_-]{43}))?/?\Z", re.ASCII
)
_UNKNOWN = "-" * 43


@attrs.frozen(kw_only=True)
class Address:
    """The contents of a callback's URL and headers.

    Attributes:
        credential: The credential that was presented; an invalid placeholder if it does not have a credential's format.
        is_bare: Whether no credential was presented: the ticket may be older than the credentials.
    """

    change_id: str
    number: int
    credential: str = attrs.field(repr=False)
    is_bare: bool


class CallbackSigner:
    """Makes the addresses of callbacks, signs them with a credential, and verifies credentials.

    Args:
        host: The public base URL.
        keys: The keys, newest first. The first key signs; the first two verify, so that keys can be rotated.
        in_path: Whether to put the credential into the path, for gateways that send no headers.
        legacy: Whether to acknowledge callbacks without a credential.
    """

    def __init__(self, *, host: str, keys: tuple[Secret, ...], in_path: bool = False, legacy: bool = False) -> None:
        self.legacy = legacy
        self._host = host
        self._keys = keys[:2]
        self._in_path = in_path

    def make(self, change_id: str, number: int) -> tuple[Secret, dict[str, Secret]]:
        """Return the callback URL for an attempt, and the headers that the gateway sends with it; both are secrets."""
        credential = self.credential(change_id, number)
        url = f"{self._host}{PATH}{change_id}/{number}/"
        return (Secret(f"{url}{credential.reveal()}/"), {}) if self._in_path else (Secret(url), {HEADER: credential})

    def credential(self, change_id: str, number: int) -> Secret:
        """Return the credential that a callback of the attempt must carry."""
        return Secret(_sign(self._keys[0], change_id, number))

    def in_path(self) -> CallbackSigner:
        """Return a signer with the same keys that puts the credential into the path."""
        return CallbackSigner(host=self._host, keys=self._keys, in_path=True)

    def holds(self, address: Address) -> bool:
        """Return whether the credential is valid, in constant time."""
        valid = [
            hmac.compare_digest(_sign(key, address.change_id, address.number), address.credential) for key in self._keys
        ]
        return any(valid)

    def prove(self, address: Address, digest: str) -> str:
        """Return the proof that answers a probe. It needs the key of the probe's credential, and is bound to its body.

        Args:
            address: The probe's address, with a valid credential.
            digest: The digest of the facts in the probe's body.
        """
        key = next(key for key in self._keys if _sign(key, address.change_id, address.number) == address.credential)
        return _prove(key, digest)

    def is_proof(self, proof: str, digest: str) -> bool:
        """Return whether a host with one of the keys answered the probe with this digest."""
        return proof.isascii() and any(hmac.compare_digest(_prove(key, digest), proof) for key in self._keys)


def callback_signer(settings: Settings) -> CallbackSigner | None:
    """Return the signer for settings, or None if the host or the keys are missing."""
    if not settings.callback_host or not settings.callback_keys:
        return None
    return CallbackSigner(
        host=settings.callback_host,
        keys=settings.callback_keys,
        in_path=settings.callback_credential == "path",
        legacy=settings.legacy_callbacks,
    )


def read_address(path: str, headers: Mapping[str, str]) -> Address:
    """Return the address in a request's path and headers; it has an invalid credential if the format is wrong."""
    found = _ADDRESS.search(path.partition("?")[0])
    named = found.group("credential") if found else None
    presented = named or next((value for name, value in headers.items() if name.lower() == HEADER.lower()), "")
    is_bare = not presented
    if found is None or len(presented) != len(_UNKNOWN) or not presented.isascii():
        presented = _UNKNOWN
    return Address(
        change_id=found.group("change") if found else "0" * 26,
        number=int(found.group("number")) if found else 1,
        credential=presented,
        is_bare=is_bare,
    )


def _sign(key: Secret, change_id: str, number: int) -> str:
    return _mac(key, f"itsm-workflow callback 1\0{change_id}\0{number}")


def _prove(key: Secret, digest: str) -> str:
    return _mac(key, f"itsm-workflow probe 1\0{digest}")


def _mac(key: Secret, message: str) -> str:
    return without_frames(
        lambda: (
            base64.urlsafe_b64encode(hmac.digest(key.reveal().encode(), message.encode(), "sha256"))
            .decode()
            .rstrip("=")
        )
    )
