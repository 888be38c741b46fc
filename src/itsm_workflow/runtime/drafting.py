"""Drafts of changes: previewed, stored, revised and submitted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from itsm_workflow.form import FormArguments
from itsm_workflow.runtime.decisions import Decisions, checked_person
from itsm_workflow.runtime.outside import outside_transactions
from itsm_workflow.runtime.permissions import Act

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from itsm_workflow.change import ChangeRequest
    from itsm_workflow.form import FormCheck


class Drafting(Decisions):
    """Drafts changes of a workflow; the rest is in `Decisions`."""

    @outside_transactions
    def preview(
        self,
        *,
        subject: str,
        title: str = "",
        applicant: str = "",
        approvers: Collection[str] = (),
        content: str = "",
        fields: Mapping[str, object] | None = None,
        form_check: FormCheck | None = None,
    ) -> Mapping[str, object]:
        """Return the body that `apply` would send, with an example of a key. Nothing is sent or stored.

        The arguments are those of `apply`, without ``actor``.

        Raises:
            InvalidForm: The form has problems; the error lists all of them.
            SettingsError: A setting that is needed to file is missing.
        """
        arguments = FormArguments(title=title, applicant=applicant, approvers=approvers, content=content, fields=fields)
        return self._filing.preview(self._filing.check(subject, arguments, form_check)[1])

    @outside_transactions
    def draft(
        self,
        *,
        subject: str,
        title: str = "",
        applicant: str = "",
        approvers: Collection[str] = (),
        content: str = "",
        fields: Mapping[str, object] | None = None,
        actor: str | None = None,
    ) -> ChangeRequest:
        """Store a draft. A draft does not claim its subject, so a subject may have several drafts.

        The arguments are those of `apply`, without ``form_check``. The form must be complete, as for `apply`.

        Raises:
            InvalidForm: The form has problems; the error lists all of them. Nothing was stored.
            NotPermitted: The host refuses it.
        """
        arguments = FormArguments(title=title, applicant=applicant, approvers=approvers, content=content, fields=fields)
        subject, form = self._filing.check(subject, arguments)
        who = checked_person(actor, form.applicant)
        self._permissions.check(who, Act("draft", subject), None)
        return self._filing.draft(subject, form, who).change

    @outside_transactions
    def revise(
        self,
        change_id: str,
        *,
        title: str = "",
        applicant: str = "",
        approvers: Collection[str] = (),
        content: str = "",
        fields: Mapping[str, object] | None = None,
        actor: str | None = None,
    ) -> ChangeRequest:
        """Replace the whole form of a draft; the arguments are those of `draft`.

        Raises:
            InvalidForm: The form has problems; the error lists all of them. The draft is unchanged.
            TransitionRefused: The change is not a draft.
            NotPermitted: The host refuses it.
        """
        arguments = FormArguments(title=title, applicant=applicant, approvers=approvers, content=content, fields=fields)
        form = self._filing.check_form(arguments)
        who = self._permitted(change_id, "revise", checked_person(actor, form.applicant))
        with self._listing_operations(change_id, who):
            return self._filing.revise(change_id, form, who).change

    @outside_transactions
    def submit(self, change_id: str, *, actor: str | None = None) -> ChangeRequest:
        """Submit a draft and send the request, as `apply` does.

        Raises:
            InvalidForm: The form has problems; the error lists all of them. The change is still a draft.
            TransitionRefused: The change is not a draft.
            AlreadyApplied: Another change of the subject is open.
            DefinitionError: As for `apply`.
            NotPermitted: The host refuses it.
        """
        self._executor.calls.addresses.check()
        change = self.get(change_id)
        who = checked_person(actor, change.form.applicant)
        self._permissions.check(who, Act("submit", change.subject), change)
        with self._listing_operations(change_id, who):
            return self._filing.submit(change_id, who).change
