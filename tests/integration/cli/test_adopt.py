"""`shadow` and `adopt`: the rows of another handler, each with its result, its reason and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from itsm_workflow.cli.exits import Exit
from itsm_workflow.sandbox.faults import Fault, FaultKind
from tests.support.old_handler import file_ticket, write_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from itsm_workflow.gateway.bk_itsm.wire import CreatedTicket
    from tests.integration.cli.office import Done, Office

WHO = ("--actor", "olive", "--reason", "moved from the old handler")


def filed(office: Office, **options: Any) -> CreatedTicket:
    """Let the old handler file a ticket, and wait until its flow asks for the approval."""
    ticket = file_ticket(office.sandbox.settings(), **options)
    office.sandbox.wait(lambda ledger: ledger.by_id(ticket.id).step_running)
    return ticket


def run(
    office: Office,
    command: str,
    *rows: tuple[object, ...],
    columns: str = "subject,sn,status",
    more: Sequence[str] = (),
) -> Done:
    """Run a command on a file with these rows."""
    path = write_rows(office.folder / "tickets.csv", *rows, columns=columns)
    return office.run(command, "--csv", path, *(WHO if command == "adopt" else ()), "--json", *more)


def results(done: Done) -> list[tuple[int, str]]:
    """Return line and result of each row."""
    return [(one["line"], one["result"]) for one in done.json]


def stored(office: Office) -> list[str]:
    """Return the subjects of the changes in the store."""
    done = office.run("list", "--json")
    return [] if done.code else [one["subject"] for one in done.json]


class TestAdopt:
    """Tickets that are open are taken over, and the others are named."""

    def test_without_yes_nothing_is_stored(self, office: Office) -> None:
        """The remark says what --yes would do."""
        ticket = filed(office)
        done = run(office, "adopt", ("collector-42", ticket.sn, "applying"))
        assert (done.code, results(done)) == (Exit.DONE, [(2, "would be adopted")])
        assert "nothing was stored: --yes adopts 1 ticket" in done.err
        assert list(office.folder.glob("changes.db*")) == []

    def test_running_it_twice_adopts_nothing_twice(self, office: Office) -> None:
        """The second run names the change of the first."""
        row = ("collector-42", filed(office).sn, "applying")
        first = run(office, "adopt", row, more=["--yes"])
        again = run(office, "adopt", row, more=["--yes"])
        assert (first.code, results(first)) == (Exit.DONE, [(2, "adopted")])
        assert (again.code, results(again)) == (Exit.DONE, [(2, "already adopted")])
        assert first.json[0]["id"] == again.json[0]["id"]
        assert stored(office) == ["collector-42"]
        assert len(office.sandbox.tickets()) == 1

    def test_a_refused_row_stops_no_other(self, office: Office) -> None:
        """Each has its line, the reason and the fix; the exit code says that rows were refused."""
        open_, ended = filed(office, title="one"), filed(office, title="two")
        office.sandbox.reject(ended.sn)
        office.sandbox.wait(lambda ledger: ledger.tickets()[1].current_status == "FINISHED")
        done = run(
            office,
            "adopt",
            ("collector-1", "REQ20260101000001", "applying"),
            ("collector-2", ended.sn, "applying"),
            ("collector-3", open_.sn, "success_apply"),
            ("collector-4", open_.sn, "waiting"),
            ("", open_.sn, "applying"),
            ("collector-5", open_.sn, "applying", "one too many"),
            ("collector-6", filed(office, title="three").sn, "applying"),
            ("collector-6", open_.sn, "applying"),
            ("collector-7", filed(office, title="four").sn, "applying"),
            more=["--yes"],
        )
        assert done.code == Exit.FAILED
        assert results(done) == [(line, "adopted" if line == 10 else "refused") for line in range(2, 11)]
        whys = [one["why"] for one in done.json]
        assert [
            why
            for why, said in zip(
                whys,
                (
                    "the gateway shows no ticket with the number REQ20260101000001: check the number",
                    "the ticket has ended (FINISHED): let the handler that filed it store the result",
                    "the handler holds it as success_apply, and only tickets with applying can be adopted",
                    "the status 'waiting' is not known: write one of not_apply, applying, success_apply, fail_apply",
                    "the cell subject is empty: fill it in",
                    "the row has more cells than the first line: quote a cell",
                    "line 9 has the same subject: leave one of them out",
                    "line 8 has the same subject: leave one of them out",
                    "",
                ),
                strict=True,
            )
            if not why.startswith(said)
        ] == []
        assert stored(office) == ["collector-7"]

    def test_one_number_of_two_subjects_is_adopted_for_neither(self, office: Office) -> None:
        """The approval could otherwise start the work of the wrong one."""
        ticket = filed(office)
        done = run(office, "adopt", *((name, ticket.sn, "applying") for name in ("one", "other")), more=["--yes"])
        assert [one["why"] for one in done.json] == [
            f"line {line} has the same number: leave one of them out" for line in (3, 2)
        ]
        assert stored(office) == []

    def test_a_ticket_and_a_subject_that_are_held_name_the_holder(self, office: Office) -> None:
        """By the id of its change."""
        first, second = filed(office, title="one"), filed(office, title="two")
        holder = run(office, "adopt", ("collector-1", first.sn, "applying"), more=["--yes"]).json[0]["id"]
        done = run(office, "adopt", ("collector-2", first.sn, "applying"), ("collector-1", second.sn, "applying"))
        assert results(done) == [(2, "refused"), (3, "refused")]
        assert [holder in one["why"] for one in done.json] == [True, True]

    def test_the_id_of_the_file_must_be_the_ticket_s(self, office: Office) -> None:
        """The column is optional."""
        ticket = filed(office)
        columns = "subject,sn,status,id"
        wrong = run(office, "adopt", ("collector-1", ticket.sn, "applying", ticket.id + 1), columns=columns)
        right = run(office, "adopt", ("collector-1", ticket.sn, "applying", ticket.id), columns=columns)
        assert (wrong.code, right.code) == (Exit.FAILED, Exit.DONE)

    def test_a_gateway_that_fails_is_not_a_refusal(self, office: Office) -> None:
        """The exit code says that the command can be run again."""
        ticket = filed(office)
        office.sandbox.faults.add(Fault(kind=FaultKind.STATUS, endpoint="get_ticket_info", always=True))
        done = run(office, "adopt", ("collector-1", ticket.sn, "applying"), more=["--yes"])
        assert (done.code, results(done)) == (Exit.GATEWAY, [(2, "gateway failed")])
        office.sandbox.faults.clear()
        assert run(office, "adopt", ("collector-1", ticket.sn, "applying"), more=["--yes"]).code == Exit.DONE

    def test_a_table_for_people_has_one_line_for_each_row(self, office: Office) -> None:
        """With the line of the file first."""
        path = write_rows(office.folder / "tickets.csv", ("collector-1", "REQ1", "applying"))
        done = office.run("adopt", "--csv", path, *WHO)
        assert done.out.splitlines()[0].split() == ["line", "subject", "sn", "result", "id", "why"]
        assert done.out.splitlines()[1].startswith("2     collector-1  REQ1  refused")


class TestShadow:
    """The old status of each row beside that of the library."""

    def test_statuses_that_agree(self, office: Office) -> None:
        """Open, approved and refused tickets; nothing is stored, and no store is made."""
        tickets = [filed(office, title=f"ticket {at}") for at in range(3)]
        office.sandbox.approve(tickets[1].sn)
        office.sandbox.reject(tickets[2].sn)
        office.sandbox.wait(lambda ledger: all(one.current_status == "FINISHED" for one in ledger.tickets()[1:]))
        words = ("applying", "success_apply", "fail_apply")
        done = run(office, "shadow", *((f"c-{at}", tickets[at].sn, words[at]) for at in range(3)))
        assert (done.code, results(done)) == (Exit.DONE, [(2, "agrees"), (3, "agrees"), (4, "agrees")])
        assert [(one["old"], one["new"]) for one in done.json] == [(word, word) for word in words]
        assert "3 of 3 rows agree; nothing was stored" in done.err
        assert list(office.folder.glob("changes*")) == []

    def test_every_disagreement_is_reported_with_its_reason(self, office: Office) -> None:
        """A suspended ticket that the old handler ended, and an approval that it took for a refusal."""
        suspended, approved = filed(office, title="one"), filed(office, title="two")
        office.sandbox.suspend(suspended.sn)
        office.sandbox.approve(approved.sn)
        office.sandbox.wait(lambda ledger: ledger.tickets()[1].current_status == "FINISHED")
        done = run(office, "shadow", ("c-1", suspended.sn, "fail_apply"), ("c-2", approved.sn, "fail_apply"))
        assert (done.code, results(done)) == (Exit.FAILED, [(2, "differs"), (3, "differs")])
        assert [(one["old"], one["new"]) for one in done.json] == [
            ("fail_apply", "applying"),
            ("fail_apply", "success_apply"),
        ]
        assert [one["why"] for one in done.json] == [
            f"ticket {suspended.id} is SUSPENDED; so the change waits",
            f"ticket {approved.id} is FINISHED; its result is true; carol approved it; so the change ends as approved",
        ]

    @pytest.mark.parametrize("with_results", [True, False])
    def test_the_result_of_a_row_that_the_handler_holds_as_open_is_left_to_it(
        self, office: Office, *, with_results: bool
    ) -> None:
        """Unless the caller says that the handler does not need the list of undelivered callbacks."""
        ticket = filed(office, callback_url="http://127.0.0.1:9/old/")
        office.sandbox.approve(ticket.sn)
        office.sandbox.wait(lambda ledger: ledger.failed_callbacks() == [ticket.sn])
        done = run(office, "shadow", ("c-1", ticket.sn, "applying"), more=["--results"] if with_results else [])
        assert (done.code, done.json[0]["result"]) == (Exit.FAILED, "differs" if with_results else "undecided")
        assert done.json[0]["new"] == ("success_apply" if with_results else None)
        with office.sandbox.locked() as ledger:
            assert ledger.failed_callbacks() == ([] if with_results else [ticket.sn])


class TestFile:
    """A file that cannot be used is wrong usage, and the error says what to change."""

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            (b"", "the first line must name the columns subject, sn, status; it names none"),
            (b"collector_config_id,sn\n", "it names collector_config_id, sn"),
            (b"subject,sn,status,sn\n", "the first line names 'sn' more than once"),
            ("subject,sn,status\n采集".encode("gbk"), "the file is not in UTF-8: save it as UTF-8"),
            (b'subject,sn,status\n"a,b,c\n', "the file is not a valid CSV file"),
        ],
    )
    def test_what_is_wrong(self, office: Office, content: bytes, said: str) -> None:
        """Nothing is read from the gateway."""
        (office.folder / "tickets.csv").write_bytes(content)
        for command in (("adopt", *WHO), ("shadow",)):
            done = office.run(*command, "--csv", "tickets.csv")
            assert (done.code, said in done.err) == (Exit.USAGE, True), done.err

    def test_a_mark_of_utf_8_and_blanks_are_ignored(self, office: Office) -> None:
        """As spreadsheets write them; an empty table is one, and quoted cells may have commas."""
        (office.folder / "tickets.csv").write_bytes("\ufeffsubject , sn,status\n".encode())
        done = office.run("shadow", "--csv", "tickets.csv", "--json")
        assert (done.code, done.json) == (Exit.DONE, [])


def test_an_approval_of_an_adopted_ticket_starts_the_work(office: Office) -> None:
    """As for a ticket that the library filed."""
    ticket = filed(office)
    assert run(office, "adopt", ("collector-42", ticket.sn, "applying"), more=["--yes"]).code == Exit.DONE
    office.sandbox.approve(ticket.sn)
    office.sandbox.wait(lambda ledger: ledger.tickets()[0].current_status == "FINISHED")
    done = office.run("settle", "collector-42", "--json")
    assert (done.code, done.json["state"]) == (Exit.DONE, "approved")
