"""Secrets that are recognised in any text, and a collector of the texts that might leak them."""

from __future__ import annotations

import contextlib
import logging
import pickle
from typing import TYPE_CHECKING

from itsm_workflow.callbacks.signer import HEADER
from itsm_workflow.secrets import Secret
from tests.support.gateways import CANARIES as FIXED
from tests.support.leaks import frames_of, shown_by
from tests.support.office import APP_SECRET, CALLBACK_KEY, asked
from tests.support.world import address_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from itsm_workflow import ChangeRequest, Workflow
    from tests.support.office import Office

COOKIE = "canary-cookie-0123456789"


class Watch(logging.Handler):
    """A log handler that collects texts, and finds the secrets in them.

    Attributes:
        secrets: The secrets by name; more may be added when they are known.
    """

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.secrets = {"app secret": APP_SECRET, "callback key": CALLBACK_KEY, "cookie": COOKIE}
        self.secrets |= {f"fixed {number}": text for number, text in enumerate(FIXED)}
        self._texts: list[tuple[str, str]] = []

    @property
    def seen(self) -> int:
        """The number of collected texts."""
        return len(self._texts)

    def emit(self, record: logging.LogRecord) -> None:
        """Collect a log record with all its attributes."""
        self.see("log", shown_by(record))

    def see(self, where: str, *things: object) -> None:
        """Collect the texts and the pickles of objects."""
        for thing in things:
            text = thing if isinstance(thing, str) else f"{thing!r}\n{thing}"
            self._texts.append((where, text))
            with contextlib.suppress(
                TypeError, AttributeError, pickle.PicklingError
            ):  # an object that cannot be pickled does not leak by a pickle
                self._texts.append((f"pickle of {where}", pickle.dumps(thing).decode("latin-1")))

    def see_error(self, error: BaseException) -> None:
        """Collect an error with its chain, and the variables of all frames of its traceback."""
        self.see("error", error)
        self._texts += [("traceback", text) for text in frames_of(error)]

    def see_files(self, folder: Path) -> None:
        """Collect all files below a folder."""
        for path in folder.rglob("*"):
            if path.is_file():
                self._texts.append((f"file {path.name}", path.read_bytes().decode("latin-1")))

    def hits(self) -> list[str]:
        """Return each secret that was found with its place, and discard the collected texts."""
        found = {
            f"{name} in {where}"
            for where, text in self._texts
            for name, secret in self.secrets.items()
            if secret in text
        }
        self._texts.clear()
        return sorted(found)

    @contextlib.contextmanager
    def over_all_logs(self) -> Iterator[None]:
        """Collect the records of all loggers, at every level, inside this block."""
        root = logging.getLogger()
        before = root.level
        root.addHandler(self)
        root.setLevel(logging.DEBUG)
        try:
            yield
        finally:
            root.removeHandler(self)
            root.setLevel(before)


PLACES = ("header", "path")
"""The places of the credential in a callback."""


def credential_of(workflow: Workflow, change: ChangeRequest, place: str) -> str:
    """Return the credential of a change's first attempt."""
    url, headers = address_of(workflow, change.id)
    return headers[HEADER] if place == "header" else url.rstrip("/").rpartition("/")[2]


def troubles(office: Office, workflow: Workflow, change: ChangeRequest) -> Iterator[Callable[[], object]]:
    """Yield calls that end in an error, each of another kind."""
    yield lambda: workflow.apply(subject="", **asked())
    yield lambda: workflow.get("nobody")
    yield lambda: workflow.abandon(change.id, actor="ops")
    yield lambda: office.settings(callback_keys=(Secret("short"),))
    yield lambda: pickle.dumps(office.settings())
    for arm in (office.sandbox.faults.html, office.sandbox.faults.reset, office.sandbox.faults.status):
        arm("get_services", always=True)
        yield office.gateway().services
        arm("token/verify", always=True)
        yield lambda: office.gateway().verify_token(COOKIE)
        office.sandbox.faults.clear()
