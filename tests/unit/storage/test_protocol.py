"""The words and the version of the storage port: backends of other people rely on them."""

from __future__ import annotations

from itsm_workflow.storage.protocol import PROTOCOL_VERSION, ConflictKind, Order, Query


def test_the_words_of_the_port() -> None:
    """The kinds of conflict, the orders, and the page of a query by default."""
    assert [kind.value for kind in ConflictKind] == ["version", "subject", "ticket"]
    assert [order.value for order in Order] == ["id", "due_at", "updated_at", "submission"]
    assert (Query().limit, Query().order) == (100, Order.ID)


def test_the_version_of_the_port() -> None:
    """A backend states for which version it was written."""
    assert PROTOCOL_VERSION == 2
