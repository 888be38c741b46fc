"""A submission in the host's own transaction: stored with the host's rows or not at all, and sent after the commit."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from itsm_workflow.errors import ChangeNotFound, GatewayNotAsked
from itsm_workflow.failures import failures
from itsm_workflow.form import shown
from itsm_workflow.runtime.outside import check_outside
from itsm_workflow.storage.host_transactions import JoinsTransactions

if TYPE_CHECKING:
    from itsm_workflow.change import ChangeRequest, Form
    from itsm_workflow.runtime.executor import Executor
    from itsm_workflow.runtime.filing import Filing
    from itsm_workflow.runtime.journal import Journal, Prepared
    from itsm_workflow.storage.host_transactions import HostTransaction

_SEND = ("now", "on_commit")
_NOT_SENT = "the change was committed, but its request could not be sent; the next reconcile sends it"


class Joining:
    """Stores submissions in transactions of the host.

    Args:
        journal: The changes.
        executor: The executor, whose observers are notified of errors after the host's commit.
        filing: The filing, which prepares and sends the submissions.
    """

    def __init__(self, journal: Journal, executor: Executor, filing: Filing) -> None:
        self._journal = journal
        self._observers = executor.calls.observers
        self._filing = filing

    def find(self, send: object, within: object) -> HostTransaction | None:
        """Return the transaction that `Workflow.apply` joins, or None if it sends the request immediately.

        Raises:
            RuntimeError: ``send`` is ``now``, and the host has a transaction open in the database of the store.
            TypeError: ``within`` is neither a connection nor a session.
            ValueError: ``send`` has another value, or the store cannot join the transaction.
        """
        if send not in _SEND:
            raise ValueError(f"apply(send=...) takes 'now' or 'on_commit', not {shown(send)}")
        storage = self._journal.storage
        if send == "now":
            if within is not None:
                raise ValueError(
                    "apply(within=...) was refused, and nothing was stored or sent: the request would be sent while "
                    "the transaction is open, which could be undone afterwards. Add send='on_commit'"
                )
            check_outside(storage, "apply")
            return None
        if not isinstance(storage, JoinsTransactions):
            raise ValueError(  # noqa: TRY004 - it is the value of an argument that does not fit
                "apply(send='on_commit') needs the store in the database of the transaction: Workflow(storage=engine) "
                "with the host's own engine of SQLAlchemy; in a Django project, set BKAPP_ITSM_STORE to django:// and "
                "the name of a database, such as django://default"
            )
        return storage.transaction_to_join(within)

    def apply(self, transaction: HostTransaction, subject: str, form: Form, actor: str) -> ChangeRequest:
        """Store a submission in the host's transaction, and send it after the commit.

        Raises:
            AlreadyApplied: A change of the subject is open.
            RuntimeError: The gateway would have to be asked for the service.
        """
        try:
            with transaction.joining():
                prepared = self._filing.join_queued(subject, form, actor, transaction)
        except GatewayNotAsked as error:
            raise RuntimeError(
                "apply(send='on_commit') was refused, and nothing was stored: the service must be looked up at the "
                "gateway, which is not asked while a transaction is open, since its locks would be held meanwhile. Set "
                "BKAPP_ITSM_SERVICE_ID to the service's number"
            ) from error
        transaction.on_commit(functools.partial(self._send_committed, prepared))
        return prepared.stored.change

    def _send_committed(self, prepared: Prepared) -> None:
        """Announce and send a submission, unless the host undid the part of its transaction that stored it."""
        change = prepared.stored.change
        try:
            if self._is_stored(prepared):
                self._journal.announce([prepared])
                self._filing.send_queued(prepared.stored)
        except failures() as error:  # the host has committed, so it must not fail: the change is stored as due
            self._observers.on_trouble(change.id, error, doing=_NOT_SENT)

    def _is_stored(self, prepared: Prepared) -> bool:
        """Return whether the store has the submission, which another worker may have sent by now."""
        change = prepared.stored.change
        try:
            attempt = self._journal.load(change.id).change.attempt
        except ChangeNotFound:
            return False
        return attempt is not None and attempt.key == change.expect_attempt().key
