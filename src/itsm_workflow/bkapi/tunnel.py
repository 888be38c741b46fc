"""The tunnel that a proxy opens to the gateway before any byte of a request is sent.

The proxy's reply is not an answer of the gateway: if the proxy refuses the tunnel, the request was not sent.
"""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from itsm_workflow.bkapi.deadline import Exchange

_REFUSED = re.compile(r"Tunnel connection failed: ([0-9]{3})\b")
_AUTHENTICATION_REQUIRED = "407"
NO_TUNNEL = "the proxy did not open a tunnel to the gateway"


class TunnelRefused(OSError):
    """The proxy did not open the tunnel.

    Attributes:
        words: The message, with the proxy's HTTP status and without any other text of the proxy.
    """

    def __init__(self, status: str) -> None:
        hint = ": the proxy requires another user or password" if status == _AUTHENTICATION_REQUIRED else ""
        self.words = f"{NO_TUNNEL}, HTTP {status}{hint}"
        super().__init__(self.words)


@contextlib.contextmanager
def tunnelling(exchange: Exchange, host: str) -> Iterator[None]:
    """Mark the exchange as opening a tunnel inside this block.

    Args:
        exchange: The exchange; bytes sent in the block do not count as its request, and its host is set afterwards.
        host: The gateway's host, whose certificate is checked inside the tunnel.

    Raises:
        TunnelRefused: The proxy refused the tunnel.
    """
    exchange.tunnelling = True
    try:
        yield
    except OSError as error:
        refused = _REFUSED.match(str(error))
        if refused is None:
            raise
        raise TunnelRefused(refused[1]) from None
    finally:
        exchange.tunnelling = False
    exchange.host = host
