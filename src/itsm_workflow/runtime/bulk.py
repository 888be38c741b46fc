"""Filing of many changes in one call: each page is stored in one commit, and then sent request by request."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import attrs

from itsm_workflow.errors import AlreadyApplied, ItsmWorkflowError, StorageUnavailable
from itsm_workflow.failures import failures
from itsm_workflow.form import ApplyArguments, FormArguments, shown
from itsm_workflow.runtime.arguments import check_function
from itsm_workflow.runtime.decisions import checked_person
from itsm_workflow.runtime.drafting import Drafting
from itsm_workflow.runtime.outside import outside_transactions
from itsm_workflow.runtime.permissions import Act
from itsm_workflow.runtime.transact import repeat_on_conflict
from itsm_workflow.storage.protocol import ConflictKind
from itsm_workflow.text import describe

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from itsm_workflow.change import ChangeRequest, Form
    from itsm_workflow.runtime.journal import Prepared
    from itsm_workflow.storage.codec import Stored

T = TypeVar("T")

PAGE = 100
"""The maximum number of requests that are stored in one commit."""

_KNOWN = ApplyArguments.__required_keys__ | ApplyArguments.__optional_keys__


@attrs.frozen(kw_only=True)
class _Request:
    """A request whose form was checked."""

    subject: str
    form: Form
    actor: str


class BulkFiling(Drafting):
    """Files many changes of a workflow in one call; the rest is in `Drafting`."""

    @outside_transactions
    def apply_many(
        self,
        requests: Iterable[ApplyArguments],
        *,
        progress: Callable[[ChangeRequest | ItsmWorkflowError], object] | None = None,
    ) -> list[ChangeRequest | ItsmWorkflowError]:
        """File many changes, each as `apply` does, with one commit for the submissions of a hundred requests.

        A page of requests is stored before the first of them is sent. Each request is then claimed, sent once, and its
        outcome stored, one after the other. An error of one request does not stop the others, also if a function of the
        host raises it, such as its ``form_check``.

        If the call is interrupted, or raises in the middle, the changes that were stored stay. Those that were not sent
        yet are due, and the next `reconcile` sends them. A repeated call returns `AlreadyApplied` for their subjects.

        Args:
            requests: The keyword arguments of `apply` for each change, as a dictionary.
            progress: Called after each request, in order, with its result.

        Returns:
            The results, in the order of the requests. Each is the change, as `apply` returns it, or the error that
            `apply` would raise, such as `InvalidForm` or `NotPermitted`; an error that is not of this library is the
            cause of an `ItsmWorkflowError`. The second request for a subject gets `AlreadyApplied`, unless nothing was
            stored for the first.

        Raises:
            TypeError: ``requests`` is not a list of dictionaries, one of them lacks ``subject`` or has an unknown key,
                or a function is not one. Nothing was stored.
            DefinitionError: As for `apply`. Nothing was stored.
            SettingsError: A setting that is needed to file is missing. Nothing was stored.
            StorageUnavailable: The store failed. What was stored stays, as after an interrupt.
        """
        listed = _checked(requests)
        if progress is not None:
            check_function("apply_many(progress=...)", progress, "result")
        checked = [_result(partial(self._request, asked)) for asked in listed]  # all of them, before anything is stored
        self._executor.calls.addresses.check()
        self._filing.check_names()
        results: list[ChangeRequest | ItsmWorkflowError] = []
        filed: dict[str, str] = {}
        for start in range(0, len(checked), PAGE):
            for one in self._store(checked[start : start + PAGE], filed):
                results.append(one if isinstance(one, ItsmWorkflowError) else self._send(one))
                if progress is not None:
                    progress(results[-1])
        return results

    def _request(self, asked: ApplyArguments) -> _Request:
        """Check the form, the actor and the permission of a request.

        Raises:
            InvalidForm: The form or the actor has problems.
            NotPermitted: The host refuses it.
        """
        parts = FormArguments(
            title=asked.get("title", ""),
            applicant=asked.get("applicant", ""),
            approvers=asked.get("approvers", ()),
            content=asked.get("content", ""),
            fields=asked.get("fields"),
        )
        subject, form = self._filing.check(asked["subject"], parts, asked.get("form_check"))
        actor = checked_person(asked.get("actor"), form.applicant)
        self._permissions.check(actor, Act("apply", subject), None)
        return _Request(subject=subject, form=form, actor=actor)

    def _store(
        self, page: Sequence[_Request | ItsmWorkflowError], filed: dict[str, str]
    ) -> Sequence[Stored | ItsmWorkflowError]:
        """Store the submissions of a page as not sent yet; return the change as stored, or the error, of each request.

        Args:
            page: The requests.
            filed: By subject, the id of the change that this call filed; those of the page are added.
        """
        found: dict[int, Stored | ItsmWorkflowError] = {}
        rest: list[tuple[int, _Request | ItsmWorkflowError]] = list(enumerate(page))
        while rest:
            prepared: dict[int, Prepared] = {}
            taken = set[str]()
            postponed: list[tuple[int, _Request | ItsmWorkflowError]] = []
            for at, one in rest:
                if not isinstance(one, _Request):
                    found[at] = one
                elif one.subject in filed:
                    found[at] = AlreadyApplied(subject=one.subject, change_id=filed[one.subject])
                elif one.subject in taken:
                    postponed.append((at, one))  # the commit shows first whether the earlier request is stored
                else:
                    made = _result(partial(self._prepare, one))
                    if isinstance(made, ItsmWorkflowError):
                        found[at] = made
                    else:
                        prepared[at] = made
                        taken.add(one.subject)
            for at, result in zip(prepared, self._commit(list(prepared.values())), strict=True):
                found[at] = result
                if not isinstance(result, ItsmWorkflowError):
                    filed[result.change.subject] = result.change.id
            rest = postponed
        return [found[at] for at in range(len(page))]

    def _prepare(self, one: _Request) -> Prepared:
        return self._filing.prepare_queued(one.subject, one.form, one.actor)

    def _commit(self, prepared: Sequence[Prepared]) -> Sequence[Stored | ItsmWorkflowError]:
        """Commit prepared submissions together; a submission whose draft was moved meanwhile is prepared again."""
        if not prepared:
            return []
        results: list[Stored | ItsmWorkflowError] = []
        for one, conflict in zip(prepared, self._journal.commit(prepared), strict=True):
            change = one.stored.change
            if conflict is None:
                results.append(one.stored)
            elif conflict.kind is ConflictKind.SUBJECT:
                results.append(AlreadyApplied(subject=change.subject, change_id=conflict.holder or "unknown"))
            else:
                again = _Request(subject=change.subject, form=change.form, actor=one.entries[-1].actor)
                results.append(_result(partial(self._commit_again, again)))
        return results

    def _commit_again(self, one: _Request) -> Stored:
        return repeat_on_conflict(lambda: self._journal.commit_one(self._prepare(one)))

    def _send(self, stored: Stored) -> ChangeRequest | ItsmWorkflowError:
        """Send a stored submission, unless another worker does, and return the change."""
        sent = _result(partial(self._filing.send_queued, stored))
        return sent if isinstance(sent, ItsmWorkflowError) else sent.change


def _result(call: Callable[[], T]) -> T | ItsmWorkflowError:
    """Return what a call for one request returns, or its error; an unavailable store concerns all requests.

    A function of the host may raise anything; the error is then the cause of the one that is returned.

    Raises:
        StorageUnavailable: The store cannot be reached or written.
    """
    try:
        return call()
    except StorageUnavailable:
        raise
    except ItsmWorkflowError as error:
        return error
    except failures() as error:
        failed = ItsmWorkflowError(f"the request failed: {describe(error)}")
        failed.__cause__ = error
        return failed


def _checked(requests: object) -> Sequence[ApplyArguments]:
    """Return the requests after checking what a type checker would report.

    Raises:
        TypeError: The requests are not dictionaries with the arguments of `Workflow.apply`.
    """
    rule = "apply_many(requests) takes a list of dictionaries with the arguments of apply"
    if isinstance(requests, str | bytes | Mapping) or not isinstance(requests, Iterable):
        raise TypeError(f"{rule}, not {shown(requests)}")
    listed = list(requests)
    for number, one in enumerate(listed):
        where = f"apply_many(requests[{number}])"
        if not isinstance(one, Mapping):
            raise TypeError(f"{where} takes a dictionary with the arguments of apply, not {shown(one)}")
        if "subject" not in one:
            raise TypeError(f"{where} lacks the argument subject of apply")
        unknown = [key for key in one if key not in _KNOWN]
        if unknown:
            known = ", ".join(sorted(_KNOWN))
            raise TypeError(f"{where} has {shown(unknown[0])}, which is not an argument of apply: {known}")
        if one.get("form_check") is not None:
            check_function(f"{where}: form_check", one["form_check"], "form", may_yield=True)
    return listed
