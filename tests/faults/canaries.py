"""Secrets that are recognised wherever they turn up, and everything in which they might."""

from __future__ import annotations

import contextlib
import logging
import pickle
from typing import TYPE_CHECKING

from itsm_workflow.callbacks.signer import HEADER
from itsm_workflow.secrets import Secret
from tests.integration.gateway.test_secrets import frames_of, shown_by
from tests.support.gateways import CANARIES as FIXED
from tests.support.office import APP_SECRET, CALLBACK_KEY, asked
from tests.support.world import address_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from itsm_workflow import ChangeRequest, Workflow
    from tests.support.office import Office

COOKIE = "canary-cookie-0123456789"


class Watch(logging.Handler):
    """Collects what could be seen, and finds the secrets in it.

    Attributes:
        secrets: Each by what it is; more may be added once they are known.
        seen: How many texts were collected.
    """

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.secrets = {"app secret": APP_SECRET, "callback key": CALLBACK_KEY, "cookie": COOKIE}
        self.secrets |= {f"fixed {number}": text for number, text in enumerate(FIXED)}
        self._texts: list[tuple[str, str]] = []

    @property
    def seen(self) -> int:
        """How many texts were collected."""
        return len(self._texts)

    def emit(self, record: logging.LogRecord) -> None:
        """Collect a log record with everything that hangs on it."""
        self.see("log", shown_by(record))

    def see(self, where: str, *things: object) -> None:
        """Collect the texts of things."""
        for thing in things:
            text = thing if isinstance(thing, str) else f"{thing!r}\n{thing}"
            self._texts.append((where, text))
            with contextlib.suppress(
                TypeError, AttributeError, pickle.PicklingError
            ):  # what is not pickled does not leak
                self._texts.append((f"pickle of {where}", pickle.dumps(thing).decode("latin-1")))

    def see_error(self, error: BaseException) -> None:
        """Collect an error with its chain, and the variables of the frames that it went through."""
        self.see("error", error)
        self._texts += [("traceback", text) for text in frames_of(error)]

    def see_files(self, folder: Path) -> None:
        """Collect all files below a folder."""
        for path in folder.rglob("*"):
            if path.is_file():
                self._texts.append((f"file {path.name}", path.read_bytes().decode("latin-1")))

    def hits(self) -> list[str]:
        """Name each secret that was seen, with where, and forget what was collected."""
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
        """Listen at every logger, at every level, inside this block."""
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
"""Where a callback brings our credential."""


def credential_of(workflow: Workflow, change: ChangeRequest, place: str) -> str:
    """Return the credential of a change's first attempt."""
    url, headers = address_of(workflow, change.id)
    return headers[HEADER] if place == "header" else url.rstrip("/").rpartition("/")[2]


def troubles(office: Office, workflow: Workflow, change: ChangeRequest) -> Iterator[Callable[[], object]]:
    """Yield what ends in an error, one kind after the other."""
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
