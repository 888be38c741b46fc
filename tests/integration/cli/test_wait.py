"""The command that waits until a change has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.limits import PATIENCE
from tests.support.long import long_after

if TYPE_CHECKING:
    from tests.integration.cli.office import Office


def test_a_change_that_has_not_ended_in_time_is_an_exit_code_of_its_own(office: Office) -> None:
    """A script tells it from a rejection, and tries again."""
    change = office.apply("collector-42")
    done = office.run("wait", "collector-42", "--timeout", "0")

    sentence = office.run("why", change["id"]).out.strip()
    assert (done.code, done.out) == (5, "")
    assert done.err == (
        f"itsm-workflow: change {change['id']} did not end within 0 s and is in state pending: {sentence}\n"
    )


@pytest.mark.parametrize(("approve", "code", "state"), long_after(1, [(False, 1, "rejected"), (True, 0, "approved")]))
def test_a_wait_succeeds_only_if_the_change_is_approved(
    office: Office, code: int, state: str, *, approve: bool
) -> None:
    """So that a shell starts the work after it; it needs a store, and nothing of the gateway."""
    change = office.apply("collector-42")
    with office.start("wait", change["sn"], "--poll", "0.01", "--json", "--app", "none") as waiting:
        office.decide(change["sn"], approve=approve)
        office.run("settle", change["id"])
        out, err = waiting.communicate(timeout=PATIENCE)
    assert (waiting.returncode, err) == (code, "")
    assert f'"state": "{state}"' in out

    done = office.run("wait", change["id"])
    assert (done.code, done.out, done.err) == (code, office.run("why", change["id"]).out, "")


def test_an_unknown_change_is_not_waited_for(office: Office) -> None:
    """A typing error ends the command."""
    office.apply("collector-42")
    done = office.run("wait", "collector-43")
    assert (done.code, done.err.startswith("itsm-workflow: no change has the id, subject or sn")) == (1, True)
