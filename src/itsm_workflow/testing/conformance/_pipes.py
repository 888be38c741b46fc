"""Messages over a pipe, in both directions.

Not by `Connection.send`: while an error of it is kept, for example in the result of a thread, so is the buffer of its
message. If the garbage collector then frees both, Python reports a BufferError on standard error, whatever runs then.
"""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from multiprocessing.connection import Connection


def send(pipe: Connection, message: object) -> None:
    """Send a message.

    Raises:
        OSError: The other end is closed.
    """
    pipe.send_bytes(pickle.dumps(message))


def receive(pipe: Connection) -> Any:  # noqa: ANN401  # whatever the other end sends
    """Wait for the next message.

    Raises:
        EOFError: The other end is closed, and there is no message.
        OSError: The other end was closed in the middle of a message.
    """
    return pickle.loads(pipe.recv_bytes())  # noqa: S301  # from a process of this check
