"""Methods that are refused while the host has a transaction open in the database of the store."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from itsm_workflow_backends.memory import MemoryBackend
from tests.support.desk import ASKED, SUBJECT, Desk

if TYPE_CHECKING:
    from collections.abc import Callable

PERSON = {"actor": "olive", "reason": "the transaction is open"}


@attrs.frozen
class OpenTransaction:
    """A transaction of the host."""

    refusal: str = "a transaction is open on the database 'shop'"
    advice: str = "Call it after the commit."

    def joining(self) -> AbstractContextManager[None]:
        """Join it."""
        return nullcontext()

    def apart(self) -> AbstractContextManager[None]:
        """Leave it."""
        return nullcontext()

    def on_commit(self, call: Callable[[], object], /) -> None:
        """Forget the function: the transaction does not end."""


class HostStore(MemoryBackend):
    """A store in the host's database, where a transaction is open or not."""

    transaction: OpenTransaction | None = None

    def host_transaction(self) -> OpenTransaction | None:
        """Return the transaction."""
        return self.transaction

    def transaction_to_join(self, _within: object, /) -> OpenTransaction | None:
        """Return the transaction."""
        return self.transaction


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("apply", {"subject": SUBJECT, **ASKED}),
        ("apply_many", {"requests": [{"subject": SUBJECT, **ASKED}]}),
        ("draft", {"subject": SUBJECT, **ASKED}),
        ("settle", {"change_id": "c1"}),
        ("reconcile", {}),
        ("abandon", {"change_id": "c1", **PERSON}),
        ("withdraw", {"change_id": "c1", **PERSON}),
        ("resend", {"change_id": "c1", **PERSON}),
        ("adopt", {"subject": SUBJECT, "sn": "REQ1", **PERSON}),
        ("shadow", {"subject": SUBJECT, "sn": "REQ1"}),
    ],
)
def test_what_asks_the_gateway_is_refused_in_a_transaction_of_the_host(method: str, arguments: dict[str, Any]) -> None:
    """The error names the method; nothing was read, stored or sent."""
    desk, store = Desk(), HostStore()
    workflow = desk.workflow(storage=store)
    store.transaction = OpenTransaction()

    with pytest.raises(RuntimeError) as refused:
        getattr(workflow, method)(**arguments)

    assert str(refused.value) == (
        f"{method} was refused, and nothing was stored or sent: a transaction is open on the database 'shop'. It could "
        "be undone after the gateway was asked, and its locks would be held meanwhile. Call it after the commit."
    )
    store.transaction = None
    assert list(workflow.find()) == []
    assert list(desk.ledger.tickets()) == []
