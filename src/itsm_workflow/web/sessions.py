"""The sessions of people who logged in, and the delay after wrong passwords."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import secrets
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

import attrs
from werkzeug.security import check_password_hash, generate_password_hash

if TYPE_CHECKING:
    from collections.abc import Mapping

LIFETIME = dt.timedelta(hours=8)
"""The time after which a person logs in again."""

FREE = 5
"""The number of wrong passwords in a row without a delay."""

SLOWEST = dt.timedelta(minutes=1)
"""The longest delay; it is short, so that another person cannot lock a name out for long."""

_MOST = 10_000


@attrs.frozen(kw_only=True)
class Session:
    """A person who logged in.

    Attributes:
        person: The name, which becomes the actor of each entry.
        csrf: The token that each form of the session must send back.
        until: The time at which the session ends.
    """

    person: str
    csrf: str
    until: dt.datetime


class Sessions:
    """The sessions of one process, by the token in the browser's cookie. They end with the process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sessions: OrderedDict[str, Session] = OrderedDict()

    def open(self, person: str, now: dt.datetime) -> str:
        """Begin a session, and return its token."""
        token = secrets.token_urlsafe(32)
        with self._lock:
            self._sessions[_digest(token)] = Session(
                person=person, csrf=secrets.token_urlsafe(32), until=now + LIFETIME
            )
            while len(self._sessions) > _MOST:
                self._sessions.popitem(last=False)
        return token

    def find(self, token: str, now: dt.datetime) -> Session | None:
        """Return the session of a token; None for an unknown token, or if the session has ended."""
        with self._lock:
            found = self._sessions.get(_digest(token))
        return found if found is not None and now < found.until else None

    def close(self, token: str) -> None:
        """End the session of a token."""
        with self._lock:
            self._sessions.pop(_digest(token), None)


class Logins:
    """The passwords of the people who may log in, as hashes, and the delay after wrong ones.

    Args:
        hashes: By name, the hash of the password, as `itsm-workflow web-password` prints it; at least one.
    """

    def __init__(self, hashes: Mapping[str, str]) -> None:
        self._hashes = dict(hashes)
        self._lock = threading.Lock()
        self._failures: OrderedDict[str, tuple[int, dt.datetime]] = OrderedDict()
        # An unknown name takes as long as a wrong password, so that names cannot be found out by time.
        method = next(iter(self._hashes.values())).partition("$")[0]
        self._other = generate_password_hash(secrets.token_urlsafe(16), method=method)

    def delay(self, name: str, address: str, now: dt.datetime) -> dt.timedelta:
        """Return the time until the next password is looked at, for a name and for the address of a browser."""
        with self._lock:
            ends = [self._failures[key][1] for key in _keys(name, address) if key in self._failures]
        return max(end - now for end in (now, *ends))

    def check(self, name: str, password: str, address: str, now: dt.datetime) -> bool:
        """Return whether a password is that of a name; a wrong one counts, and a right one forgets those before."""
        # The comparison comes first: a name that does not exist must take as long as one that does.
        is_right = check_password_hash(self._hashes.get(name, self._other), password) and name in self._hashes
        with self._lock:
            for key in _keys(name, address):
                if is_right:
                    self._failures.pop(key, None)
                    continue
                number = self._failures.pop(key, (0, now))[0] + 1
                wait = min(dt.timedelta(seconds=2.0 ** min(number - FREE, 10)), SLOWEST)
                self._failures[key] = number, now + (wait if number >= FREE else dt.timedelta(0))
            while len(self._failures) > _MOST:
                self._failures.popitem(last=False)
        return is_right


def token_of(key: bytes, person: str) -> str:
    """Return the token that the forms of a person must send back if the host has the session."""
    return hmac.new(key, person.encode(), hashlib.sha256).hexdigest()


def hash_of(password: str) -> str:
    """Return the hash of a password, which is slow to compute on purpose."""
    return generate_password_hash(password)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _keys(name: str, address: str) -> tuple[str, str]:
    return f"name {name}", f"address {address}"
