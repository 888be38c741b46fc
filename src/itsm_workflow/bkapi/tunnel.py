"""The tunnel that a proxy opens to the gateway, before any byte of a request is sent.

What the proxy says to that is no answer of the gateway: if it refuses, the request was certainly not sent.
"""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from itsm_workflow.bkapi.deadline import Exchange

_REFUSED = re.compile(r"Tunnel connection failed: ([0-9]{3})\b")
_WANTS_ACCOUNT = "407"
NO_TUNNEL = "the proxy did not open a tunnel to the gateway"


class TunnelRefused(OSError):
    """The proxy did not open the tunnel.

    Attributes:
        words: That, with the proxy's HTTP status, in words that quote nothing it said.
    """

    def __init__(self, status: str) -> None:
        hint = ": it wants another user or password" if status == _WANTS_ACCOUNT else ""
        self.words = f"{NO_TUNNEL}, HTTP {status}{hint}"
        super().__init__(self.words)


@contextlib.contextmanager
def tunnelling(exchange: Exchange, host: str) -> Iterator[None]:
    """Ask the proxy for a tunnel within this block.

    Args:
        exchange: Learns that nothing of its own request is sent meanwhile, and to which host the tunnel leads.
        host: The gateway's host, whose certificate is checked inside the tunnel.

    Raises:
        TunnelRefused: The proxy refused.
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
