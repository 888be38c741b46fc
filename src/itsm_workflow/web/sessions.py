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

FORGOTTEN = dt.timedelta(hours=1)
"""The time after which wrong passwords are forgotten."""

_MOST = 10_000
_NONE = dt.timedelta(0)


@attrs.frozen(kw_only=True)
class _Attempts:
    number: int
    end: dt.datetime


@attrs.frozen(kw_only=True)
class _Limit:
    """The number of wrong passwords in a row without a delay, and the longest delay."""

    free: int
    slowest: dt.timedelta

    def after(self, number: int, now: dt.datetime) -> _Attempts:
        """Return the attempts with the end of the delay after the newest one."""
        seconds = 2.0 ** min(number - self.free, 10) if number >= self.free else 0.0
        return _Attempts(number=number, end=now + min(dt.timedelta(seconds=seconds), self.slowest))


OF_NAME = _Limit(free=5, slowest=dt.timedelta(minutes=1))
"""The limit of a name. Its longest delay is short, so that another person cannot lock the name out for long."""

OF_ADDRESS = _Limit(free=50, slowest=dt.timedelta(seconds=5))
"""The limit of an address. It is larger, since all people may come from the address of one proxy."""


@attrs.frozen(kw_only=True)
class Session:
    """A person who logged in.

    Attributes:
        person: The name, which becomes the actor of each entry.
        hashed: The hash of the password; the session ends when the person has another one.
        csrf: The token that each form of the session must send back.
        until: The time at which the session ends.
    """

    person: str
    hashed: str = attrs.field(repr=False)
    csrf: str = attrs.field(repr=False)
    until: dt.datetime


class Sessions:
    """The sessions of one process, by the token in the browser's cookie. They end with the process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sessions: OrderedDict[str, Session] = OrderedDict()

    def open(self, person: str, hashed: str, now: dt.datetime) -> str:
        """Begin a session, and return its token."""
        token = secrets.token_urlsafe(32)
        with self._lock:
            self._sessions[_digest(token)] = Session(
                person=person, hashed=hashed, csrf=secrets.token_urlsafe(32), until=now + LIFETIME
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
        hashes: By name, the hash of the password, as `itsm-workflow web-password` prints it; at least one
            at first. They are looked up at each use, so the mapping may change.
    """

    def __init__(self, hashes: Mapping[str, str]) -> None:
        self._hashes = hashes
        self._lock = threading.Lock()
        self._attempts: OrderedDict[str, _Attempts] = OrderedDict()
        # An unknown name takes as long as a wrong password, so that names cannot be found out by time.
        method = next(iter(self._hashes.values())).partition("$")[0]
        self._other = generate_password_hash(secrets.token_urlsafe(16), method=method)

    def hash_of(self, name: str) -> str:
        """Return the hash of the password that a name has now; empty for a name that may not log in."""
        return self._hashes.get(name, "")

    def begin(self, name: str, address: str, now: dt.datetime) -> dt.timedelta:
        """Count an attempt as a wrong one before its password is looked at; return the time to wait before it.

        Attempts that arrive together are counted one by one, so that none of them is free. An attempt that has to wait
        is not counted, and its password must not be looked at.

        Args:
            name: The name.
            address: The address of the browser; the one of the proxy if the console is behind one.
            now: The current time.
        """
        with self._lock:
            found = [(key, limit, self._attempts.get(key)) for key, limit in _keys(name, address)]
            wait = max(attempts.end - now if attempts else _NONE for _, _, attempts in found)
            if wait > _NONE:
                return wait
            for key, limit, attempts in found:
                is_recent = attempts is not None and now - attempts.end < FORGOTTEN
                self._attempts[key] = limit.after(attempts.number + 1 if attempts and is_recent else 1, now)
                self._attempts.move_to_end(key)
            while len(self._attempts) > _MOST:
                self._attempts.popitem(last=False)
        return _NONE

    def check(self, name: str, password: str, address: str, now: dt.datetime) -> str:
        """Return the hash of a name if the password is right, otherwise an empty text; called after `begin`.

        A right password forgets the wrong ones of the name.

        Of the address, it forgets only the attempt itself: a person with a password of their own could otherwise guess
        those of others without a delay.
        """
        # The comparison comes first: a name that does not exist must take as long as one that does.
        hashed = self.hash_of(name)
        if not (check_password_hash(hashed or self._other, password) and hashed):
            return ""
        (of_name, _), (of_address, _) = _keys(name, address)
        with self._lock:
            self._attempts.pop(of_name, None)
            if (attempts := self._attempts.get(of_address)) is not None:
                self._attempts[of_address] = _Attempts(number=attempts.number - 1, end=now)
        return hashed


def token_of(key: bytes, person: str) -> str:
    """Return the token that the forms of a person must send back if the host has the session."""
    return hmac.new(key, person.encode(), hashlib.sha256).hexdigest()


def hash_of(password: str) -> str:
    """Return the hash of a password, which is slow to compute on purpose."""
    return generate_password_hash(password)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _keys(name: str, address: str) -> tuple[tuple[str, _Limit], tuple[str, _Limit]]:
    return (f"name {_digest(name)}", OF_NAME), (f"address {address}", OF_ADDRESS)
