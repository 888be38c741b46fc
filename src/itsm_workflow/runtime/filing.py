"""Filing: from a host's form to a ticket. The intent is durable before the first byte is sent."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import attrs

from itsm_workflow.budget import Budget
from itsm_workflow.change import Phase
from itsm_workflow.errors import AlreadyApplied, InvalidForm, StorageConflict, TransitionRefused
from itsm_workflow.form import check_subject, check_user, make_form, normal_subject, sound_parts
from itsm_workflow.gateway.asking import ask, bounded, form_problems, preview_of, service_form_problems, service_of
from itsm_workflow.gateway.checked import checked_found
from itsm_workflow.gateway.protocol import CreateRequest, SentTicket
from itsm_workflow.machine import evidence as ev
from itsm_workflow.machine.approval import Trigger
from itsm_workflow.runtime.arguments import check_function, checked_problems
from itsm_workflow.runtime.ids import ulid
from itsm_workflow.runtime.transact import repeat_on_conflict, ticket_taken, transact
from itsm_workflow.settle import Plan, Send, Step
from itsm_workflow.storage.protocol import Query, ticket_key
from itsm_workflow.text import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from itsm_workflow.change import Form
    from itsm_workflow.form import FormArguments, FormCheck, Problem
    from itsm_workflow.gateway.protocol import FoundTicket
    from itsm_workflow.runtime.catalogue import Catalogue
    from itsm_workflow.runtime.executor import Executor
    from itsm_workflow.runtime.journal import Journal, Prepared
    from itsm_workflow.storage.codec import Stored
    from itsm_workflow.storage.host_transactions import HostTransaction


class Filing:
    """Drafts, revises and submits changes.

    Args:
        journal: The changes.
        executor: The executor, which sends requests and looks up their outcome. Its gateway also checks forms.
        catalogue: The names of the workflow's effects.
        form_check: The host's own check of forms.
        key_prefix: The prefix of each correlation key, at most 6 letters or digits.
        entropy: Source of random bytes for ids and keys.
    """

    def __init__(
        self,
        *,
        journal: Journal,
        executor: Executor,
        catalogue: Catalogue,
        form_check: FormCheck | None,
        key_prefix: str,
        entropy: Callable[[int], bytes],
    ) -> None:
        self._journal = journal
        self._executor = executor
        self._catalogue = catalogue
        self._gateway = executor.calls.gateway
        self._observers = executor.calls.observers
        self._form_check = form_check
        self._key_prefix = key_prefix
        self._entropy = entropy

    def check(self, subject: object, arguments: FormArguments, form_check: FormCheck | None = None) -> tuple[str, Form]:
        """Check the host's arguments by every rule that needs no call of the gateway; return the subject and the form.

        Args:
            subject: The thing to change.
            arguments: The host's arguments for the form.
            form_check: A check of this form, in addition to the workflow's own.

        Raises:
            InvalidForm: The subject or the form has problems; the error lists all of them.
            TypeError: ``form_check`` is not an ordinary function.
        """
        if form_check is not None:
            check_function("form_check", form_check, "form", may_yield=True)
        problems = list(check_subject(subject))
        try:
            form = self.check_form(arguments, form_check)
        except InvalidForm as error:
            raise InvalidForm([*problems, *error.problems]) from None
        return normal_subject(subject), form

    def check_form(self, arguments: FormArguments, form_check: FormCheck | None = None) -> Form:
        """Check the form's types, the gateway's rules and the host's own checks without a call; return the form.

        Args:
            arguments: The host's arguments for the form.
            form_check: A check of this form, in addition to the workflow's own.

        Raises:
            InvalidForm: The form has problems; the error lists all of them.
        """
        wrong: tuple[Problem, ...] = ()
        try:
            form = make_form(**arguments)
        except InvalidForm as error:
            wrong = error.problems
            form = make_form(**sound_parts(arguments, wrong))
        reported = {field for field, _, _ in wrong}
        problems = [
            *wrong,
            *(one for one in self._problems(form, form_check) if not reported & {one[0], one[0].partition("[")[0]}),
        ]
        if problems:
            raise InvalidForm(problems)
        return form

    def check_users(self, form: Form, users: Mapping[str, object]) -> list[Problem]:
        """Return the problems of user names, by field: those that the names would have as the form's applicant."""
        problems: list[Problem] = []
        for field, name in users.items():
            wrong = list(check_user(field, name))
            if not wrong:
                named = attrs.evolve(form, applicant=str(plain(name)))
                found = form_problems(self._gateway, named)
                wrong = [(field, value, rule) for part, value, rule in found if part == "applicant"]
            problems += wrong
        return problems

    def _problems(self, form: Form, form_check: FormCheck | None = None) -> list[Problem]:
        """Return the problems that the gateway and the host's checks find in a form, without duplicates."""
        found = list(form_problems(self._gateway, form))
        for check in (self._form_check, form_check):
            found += checked_problems(check(form)) if check is not None else ()
        return list(dict.fromkeys(found))

    def preview(self, form: Form) -> Mapping[str, object]:
        """Return the body that submitting the form would send, with an example of a key. Nothing is sent or stored.

        Raises:
            InvalidForm: The form does not match the service's list of fields, if the gateway shows that list.
            SettingsError: A setting for callbacks is missing.
        """
        service = service_of(self._gateway)
        seconds = self._journal.policy.fields_most.total_seconds()
        self._check_service_form(form, service, Budget(seconds, elapsed=self._journal.clock.elapsed), seconds)
        submission = self.submission(form, number=1, service=service, is_kept=False)
        subject = self.new_id()  # unused, so no stored change has this subject
        change = self._journal.prepare_draft(
            change_id=subject, subject=subject, form=form, actor=form.applicant, steps=[submission]
        ).stored.change
        attempt = change.expect_attempt()
        url, headers = self._executor.calls.addresses.make(change.id, attempt.number)
        request = CreateRequest(
            form=form, attempt=attempt, callback_url=url, callback_headers=dict.fromkeys(headers, "***")
        )
        return preview_of(self._gateway, request)

    def draft(self, subject: str, form: Form, actor: str) -> Stored:
        """Store a draft. A draft does not claim its subject."""
        prepared = self._journal.prepare_draft(change_id=self.new_id(), subject=subject, form=form, actor=actor)
        return self._journal.commit_one(prepared)

    def revise(self, change_id: str, form: Form, actor: str) -> Stored:
        """Replace the form of a draft."""
        journal, revised = self._journal, [Step(Trigger.REVISE, ev.Drafted(form=form))]
        return transact(journal, change_id, lambda draft: journal.prepare(draft, revised, actor=actor))

    def submit(self, change_id: str, actor: str) -> Stored:
        """Submit a draft and send the request.

        Raises:
            TransitionRefused: The change is not a draft.
            AlreadyApplied: Another change of the subject is open.
            DefinitionError: The store has effect names of the workflow that this process lacks.
        """
        journal = self._journal

        def gather(budget: Budget) -> Callable[[], Prepared]:
            draft = journal.load(change_id)
            subject, form = draft.change.subject, draft.change.form
            problems = self._problems(form)
            if problems:
                raise InvalidForm(problems)
            service = self._ask_service(form, budget)
            steps = self._steps(form, service, number=journal.highest_submission(subject) + 1, budget=budget)
            return partial(journal.prepare, draft, steps, actor=actor)

        return self._commit_and_send(gather)

    def apply(self, subject: str, form: Form, actor: str) -> Stored:
        """Draft and submit in one commit; if the subject has a draft, revise and submit that one.

        Raises:
            AlreadyApplied: A change of the subject is open.
            DefinitionError: The store has effect names of the workflow that this process lacks.
        """
        return self._commit_and_send(partial(self._gather, subject, form, actor, is_sent=True))

    def prepare_queued(self, subject: str, form: Form, actor: str) -> Prepared:
        """Prepare the submission that `apply` commits, but not marked as being sent: it is due for any worker.

        Raises:
            AlreadyApplied: A change of the subject is open.
        """
        return self._gather(subject, form, actor, self._budget(), is_sent=False)()

    def join_queued(self, subject: str, form: Form, actor: str, transaction: HostTransaction) -> Prepared:
        """Store the submission of `prepare_queued` once, in a transaction of the host; the gateway is not asked.

        Returns:
            The write. The caller announces it, see `Journal.announce`, when the host has committed.

        Raises:
            AlreadyApplied: A change of the subject is open.
            GatewayNotAsked: The gateway would have to be asked for the service.
        """
        if not self._catalogue.is_stored():
            with transaction.apart():
                self._catalogue.check()
        prepared = self._gather(subject, form, actor, self._budget().part(0), is_sent=False)()
        self._journal.commit_one(prepared, announced=False)
        return prepared

    def send_queued(self, stored: Stored) -> Stored:
        """Claim a submission that was just stored, and send it as `apply` does; another worker may be first."""
        journal, budget, since = self._journal, self._budget(), self._journal.clock.elapsed()
        plan = self._executor.plan(stored)
        if not isinstance(plan, Plan) or not isinstance(plan.question, Send):
            return stored  # nothing but a planned send is sent; the next pass asks any other question
        try:
            claimed = journal.commit_one(self._executor.prepare_claim(stored, plan))
        except StorageConflict:
            return journal.load(stored.change.id)
        return self._send(claimed, since, budget)

    def check_names(self) -> None:
        """Check that this process has the workflow's effects, as each submission needs.

        Raises:
            DefinitionError: The store has effect names of the workflow that this process lacks.
        """
        self._catalogue.check()

    def _budget(self) -> Budget:
        return Budget(self._journal.policy.apply_budget.total_seconds(), elapsed=self._journal.clock.elapsed)

    def _gather(self, subject: str, form: Form, actor: str, budget: Budget, *, is_sent: bool) -> Callable[[], Prepared]:
        """Read the subject's draft, ask the gateway for what the submission needs, and return what prepares it.

        Args:
            subject: The thing to change.
            form: The form.
            actor: The person who files the change.
            budget: The time for the questions.
            is_sent: Whether to mark the submission as being sent, if time is left for that.
        """
        journal = self._journal
        draft = self._read_draft(subject)
        service = self._ask_service(form, budget)
        number = journal.highest_submission(subject) + 1
        if is_sent:
            steps = self._steps(form, service, number=number, budget=budget)
        else:
            steps = [self.submission(form, number=number, service=service)]
        if draft is None:
            new = self.new_id()
            return partial(journal.prepare_draft, change_id=new, subject=subject, form=form, actor=actor, steps=steps)
        return partial(journal.prepare, draft, [Step(Trigger.REVISE, ev.Drafted(form=form)), *steps], actor=actor)

    def _commit_and_send(self, gather: Callable[[Budget], Callable[[], Prepared]]) -> Stored:
        """Commit a submission that is marked as being sent, then send it; retry the commit if another writer was first.

        Args:
            gather: A function that reads the store, asks the gateway for what the submission needs, and returns a
                function that prepares the commit from that.
        """
        self.check_names()
        journal, budget = self._journal, self._budget()
        since = 0.0

        def once() -> Stored:
            nonlocal since
            prepare = gather(budget)
            since = journal.clock.elapsed()  # the lease counts from before the commit that marks the send
            return journal.commit_one(prepare())

        return self._send(repeat_on_conflict(once), since, budget)

    def confirm_ticket(self, change_id: str, *, sn: str, ticket_id: str | None, override: str) -> ev.TicketConfirmed:
        """Return the evidence that binds a ticket which a person found, with its differences and the parts not shown.

        Raises:
            TransitionRefused: The gateway shows no such ticket, or several.
            StorageConflict: Another change is bound to the ticket, so that no override could bind it to this one.
        """
        change = self._journal.load(change_id).change
        skew = self._journal.policy.clock_skew
        attempt = change.attempt
        found: tuple[FoundTicket, ...] = ()
        if attempt is not None:
            sent = SentTicket.of(change, skew)
            found = ask(
                "look_up", lambda: checked_found(self._gateway.find_by_sn(sn, sent), self._executor.calls.shows)
            )
        matching = [one for one in found if ticket_id in {None, one.id}]
        if attempt is None or len(matching) != 1:
            ids = ", ".join(one.id for one in found) or "none"
            wanted = f"number {sn}" + (f" and id {ticket_id}" if ticket_id else "")
            reason = f"the gateway shows {len(matching)} tickets with {wanted}; ids with that number: {ids}"
            raise TransitionRefused(state=change.state, trigger=Trigger.RECORD_TICKET, reason=reason)
        ticket = matching[0]
        for row in self._journal.rows(Query(ticket_sns=(ticket.sn,))):
            if row.ticket_key == ticket_key(self._gateway.name, ticket.id) and row.id != change_id:
                raise ticket_taken(change, ticket.sn, row)
        differences = (*ticket.differences, *ticket.unseen)
        if ticket.key != attempt.key and not any(one.startswith("key:") for one in differences):
            shown = f"shows {ticket.key}" if ticket.key else "not shown"
            differences = (f"key: sent {attempt.key}, {shown}", *differences)
        return ev.TicketConfirmed(
            gateway=self._gateway.name,
            id=ticket.id,
            sn=ticket.sn,
            url=ticket.url,
            key=ticket.key,
            creator=ticket.creator,
            channel=ev.Channel.OPERATOR,
            differences=differences,
            override=override,
        )

    def _send(self, submitted: Stored, since: float, budget: Budget) -> Stored:
        """Send a submission that is marked as being sent, and look up its outcome while time is left."""
        attempt, executor = submitted.change.expect_attempt(), self._executor.within(budget)
        if attempt.phase is Phase.QUEUED:
            return submitted
        stored, _ = executor.carry_out(submitted, Send(number=attempt.number, owner=attempt.owner), since)
        return executor.advance_stored(stored) if budget.left else stored

    def _ask_service(self, form: Form, budget: Budget) -> str:
        """Ask the gateway for the service to file in, and whether its list of fields fits the form.

        Raises:
            InvalidForm: The form does not match the service's list of fields, if the gateway shows that list.
            ServiceNotFound: The gateway does not have the service.
        """
        gateway = bounded(self._gateway, budget, partial(self._observers.on_trouble, ""))
        service, least = service_of(gateway), self._journal.policy.send_least.total_seconds()
        # Half of the time that the create can spare, so that a slow list leaves the create its time.
        self._check_service_form(form, service, budget, (budget.left - least) / 2)
        return service

    def _steps(self, form: Form, service: str, *, number: int, budget: Budget) -> list[Step]:
        """Return the steps that submit a form and, if time is left to send it, mark it as being sent."""
        submission = self.submission(form, number=number, service=service)
        if budget.left < self._journal.policy.send_least.total_seconds():
            return [submission]
        return [submission, Step(Trigger.MARK_SENDING, ev.AttemptMark(number=1, owner=self._executor.owner))]

    def _check_service_form(self, form: Form, service: str, budget: Budget, seconds: float) -> None:
        """Ask the gateway for the service's list of fields, for the given seconds at most, and compare a form with it.

        Raises:
            InvalidForm: The form does not match the list; the error lists all problems.
        """
        policy = self._journal.policy
        most, least = policy.fields_most.total_seconds(), policy.fields_least.total_seconds()
        part = budget.part(min(seconds, most) if seconds >= least else 0.0)
        problems = service_form_problems(self._gateway, form, service, part, partial(self._observers.on_trouble, ""))
        if problems:
            raise InvalidForm(problems)

    def submission(self, form: Form, *, number: int, service: str, is_kept: bool = True) -> Step:
        """Return the step that submits a form, with a new key, and with the trace unless it is not kept."""
        submission = ev.Submission(
            key=self._key_prefix + self.new_id(),
            creator=form.applicant,
            service=service,
            owner=self._executor.owner,
            number=number,
            effects=self._journal.effects,
            trace=self._observers.traceparent() if is_kept else "",
        )
        return Step(Trigger.SUBMIT, submission)

    def _read_draft(self, subject: str) -> Stored | None:
        """Read the subject's newest draft from the store, or None if it has no draft.

        Raises:
            AlreadyApplied: A change of the subject is open.
        """
        journal, definition = self._journal, self._journal.definition
        for row in journal.rows(Query(open_subject=journal.held(subject))):
            raise AlreadyApplied(subject=subject, change_id=row.id)
        draft = None  # ends as the last by id, since a query is ordered by id
        for page in journal.pages(Query(workflow=definition.name, subject=subject, states=(definition.initial.value,))):
            draft = page[-1] if page else draft
        return draft

    def new_id(self) -> str:
        """Return a new id of a change."""
        return ulid(self._journal.clock.now(), self._entropy)
