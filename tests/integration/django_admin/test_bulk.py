"""One operation on several changes in Django's admin: first what would be done, then a confirmation."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from itsm_workflow import Effect, Policy, State
from itsm_workflow.integrations.django import get_workflow
from itsm_workflow.integrations.django.admin import bulk
from tests.integration.django_admin.test_change_page import words
from tests.integration.django_admin.test_list import HOSTILE, LIST, applied
from tests.integration.django_admin.test_operations import REASON, messages
from tests.support.django_host import itsm
from tests.unit.runtime.test_journal import spoil

if TYPE_CHECKING:
    from django.http import HttpResponse
    from django.test import Client

    from itsm_workflow import ChangeRequest
    from tests.support.desk import Desk
    from tests.support.django_host.browsers import As

SETTLE, RETRY = f"{LIST}bulk/settle/", f"{LIST}bulk/retry/"


def results(answer: HttpResponse) -> dict[str, str]:
    """Return the last cell of each line by its subject."""
    assert answer.status_code == 200
    content = page(answer).partition('<div id="content"')[2]
    rows = re.findall(r"<tr[^>]*>\s*<th scope=\"row\">(.*?)</th>.*?<td>([^<]*)</td>\s*</tr>", content, re.DOTALL)
    return {words(subject).strip(): text for subject, text in rows}


def page(answer: HttpResponse) -> str:
    """Return the text of a page."""
    return str(answer.content.decode())


def confirmed(client: Client, path: str, answer: HttpResponse, **given: str) -> HttpResponse:
    """Confirm what a page says that it would do."""
    tokens = [token.replace("&#x27;", "'") for token in re.findall(r'name="chosen" value="([^"]*)"', page(answer))]
    return client.post(path, {"chosen": tokens, "confirm": "1", **given})


def decided(desk: Desk, count: int = 2) -> list[ChangeRequest]:
    """Return changes whose approvals were not read yet."""
    found = [applied(f"collector-{number}") for number in range(count)]
    for change in found:
        desk.decide(change)
    return found


def parked_and_not_found(desk: Desk) -> tuple[ChangeRequest, ChangeRequest]:
    """Return a change with a parked effect, and one whose ticket the look-ups did not find."""
    work = {"fails": True}

    def start(_: object) -> None:
        if work.pop("fails", False):
            raise RuntimeError("the host was away")

    itsm.chosen.update(effects={State.APPROVED: [Effect("start", start)]}, policy=Policy(effect_attempts=1))
    [first] = decided(desk, 1)
    get_workflow().settle(first.id)
    desk.hide_tickets()
    second = applied("lost")
    for _ in range(10):
        desk.clock.advance(3600)
        get_workflow().reconcile()
    desk.faults.clear()
    return get_workflow().get(first.id), get_workflow().get(second.id)


def test_the_tickets_of_chosen_changes_are_looked_at(desk: Desk, browser_of: As) -> None:
    """Those that were chosen and no others; the first page asks and stores nothing."""
    first, second = decided(desk)
    third = applied("third")
    client = browser_of("change_change")
    requests = sum(desk.ledger.requests.values())

    asked = client.post(SETTLE, {"chosen": [first.id, third.id]})
    assert results(asked) == {"collector-0": "would be looked at", "third": "would be looked at"}
    assert sum(desk.ledger.requests.values()) == requests
    assert get_workflow().get(first.id) == first

    done = confirmed(client, SETTLE, asked)
    assert results(done) == {"collector-0": "done", "third": "done; nothing is new"}
    assert [get_workflow().get(one.id).state for one in (first, second)] == [State.APPROVED, State.PENDING]


def test_the_whole_page_can_be_chosen(desk: Desk, browser_of: As) -> None:
    """By one box, without a script."""
    found = decided(desk, 3)
    client = browser_of("change_change")
    listed = page(client.get(LIST))
    ids = re.findall(r'name="page" value="([^"]*)"', listed)
    assert sorted(ids) == sorted(change.id for change in found)
    assert f'formaction="{SETTLE}"' in listed
    assert f'formaction="{RETRY}"' in listed
    answer = client.post(SETTLE, {"whole": "on", "page": ids, "chosen": ids[:1]})
    assert len(results(answer)) == 3


def test_what_failed_is_tried_again(desk: Desk, browser_of: As) -> None:
    """Parked effects, and requests whose ticket was not found, with the person's name and reason."""
    first, second = parked_and_not_found(desk)
    third = applied("third")
    client = browser_of("change_change")
    asked = client.post(RETRY, {"chosen": [first.id, second.id, third.id]})
    assert results(asked) == {
        "collector-0": "effect start would be delivered again",
        "lost": "the request would be sent again",
        "third": "nothing to retry",
    }
    assert (get_workflow().get(first.id), get_workflow().get(second.id)) == (first, second)

    refused = confirmed(client, RETRY, asked)
    assert "This field is required" in page(refused)
    assert (get_workflow().get(first.id), get_workflow().get(second.id)) == (first, second)

    done = confirmed(client, RETRY, refused, **REASON)
    assert results(done) == {"collector-0": "done", "lost": "done", "third": "nothing to retry"}
    for change, trigger in ((first, "retry_effect"), (second, "resend")):
        [entry] = [one for one in get_workflow().history(change.id) if one.trigger == trigger]
        assert (entry.actor, getattr(entry.evidence, "reason", "")) == ("olga", REASON["reason"])
    assert get_workflow().get(second.id).state == State.PENDING


def test_a_change_that_has_moved_since_is_left_alone(desk: Desk, browser_of: As) -> None:
    """What was confirmed would be done to another state."""
    first, second = parked_and_not_found(desk)
    client = browser_of("change_change")
    asked = client.post(RETRY, {"chosen": [first.id, second.id]})
    moved = get_workflow().clear_attention(second.id, actor="erin", reason="x")
    done = confirmed(client, RETRY, asked, **REASON)
    assert results(done)["lost"] in {"not done: it has moved since", "nothing to retry"}
    assert get_workflow().get(moved.id) == moved
    again = client.post(RETRY, {"chosen": [f"{first.id} 2026-01-01"], "confirm": "1", **REASON})
    assert results(again) == {"collector-0": "nothing to retry"}


def test_a_token_of_another_time_does_nothing(desk: Desk, browser_of: As) -> None:
    """Nor does a confirmation without the first page."""
    [change] = decided(desk, 1)
    client = browser_of("change_change")
    for token in (change.id, f"{change.id} 2026-01-01T00:00:00+00:00"):
        answer = client.post(SETTLE, {"chosen": [token], "confirm": "1"})
        assert results(answer) == {"collector-0": "not done: it has moved since"}
    assert get_workflow().get(change.id) == change


def test_what_is_not_begun_in_time_is_said(desk: Desk, browser_of: As, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow gateway does not keep the request open for as long as there are changes."""
    first, second = decided(desk)
    client = browser_of("change_change")
    asked = client.post(SETTLE, {"chosen": [first.id, second.id]})
    monkeypatch.setattr(bulk, "SECONDS", 0.0)
    assert set(results(confirmed(client, SETTLE, asked)).values()) == {"not begun, since the time was used up"}
    assert get_workflow().get(first.id) == first


def test_an_error_of_one_change_does_not_stop_the_others(desk: Desk, browser_of: As) -> None:
    """A damaged one, an unknown one, and one whose effect fails: each line says what happened."""

    def fail(_: object) -> None:
        raise RuntimeError(HOSTILE)

    itsm.chosen.update(effects={State.APPROVED: [Effect("start", fail)]})
    first, second, third = decided(desk, 3)
    spoil(desk, first.id)
    client = browser_of("change_change")
    asked = client.post(SETTLE, {"chosen": [first.id, "unknown", second.id, third.id]})
    answer = confirmed(client, SETTLE, asked)
    told = results(answer)
    assert told["collector-1"] == "RuntimeError: &lt;script&gt;alert(1)&lt;/script&gt;&quot;&#x27;&amp;{{ 7|add:7 }}"
    assert first.id in told[first.id]
    assert "unknown" in told["unknown"]
    assert get_workflow().get(third.id).state == State.APPROVED
    assert "<script>alert" not in page(answer)


@pytest.mark.parametrize("act", ["allowed", "carried out"])
def test_a_permission_hook_that_fails_for_one_change_does_not_stop_the_others(
    desk: Desk, browser_of: As, act: str
) -> None:
    """While the page asks what is allowed, and while it carries it out; the line names the error."""

    class Directory:
        is_broken = act == "allowed"

        def authorize(self, _actor: str, _act: object, change: ChangeRequest | None) -> bool:
            if self.is_broken and change is not None and change.subject == "lost":
                raise LookupError("the directory of users was away")
            return True

    directory = Directory()
    itsm.chosen["authorize"] = directory.authorize
    first, second = parked_and_not_found(desk)
    client = browser_of("change_change")
    asked = client.post(RETRY, {"chosen": [second.id, first.id]})
    directory.is_broken = True
    told = results(confirmed(client, RETRY, asked, **REASON))
    assert told["lost"] == "LookupError: the directory of users was away"
    assert told["collector-0"] == "done"
    assert get_workflow().get(second.id) == second


def test_a_refusal_is_shown_at_its_change(desk: Desk, browser_of: As, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another person was first."""
    first, second = parked_and_not_found(desk)
    client = browser_of("change_change")
    asked = client.post(RETRY, {"chosen": [second.id, first.id]})
    desk.before_next_write(lambda: get_workflow().clear_attention(second.id, actor="erin", reason="x"))
    told = results(confirmed(client, RETRY, asked, **REASON))
    assert "resend was refused" in told["lost"]
    assert told["collector-0"] == "done"


@pytest.mark.parametrize("path", [SETTLE, RETRY, f"{LIST}bulk/withdraw/"])
def test_nothing_chosen_or_an_unknown_operation_is_a_message(desk: Desk, browser_of: As, path: str) -> None:
    """And a link to the address of the page itself."""
    client = browser_of("change_change")
    for answer in (client.post(path), client.get(path), client.post(path, {"chosen": [""]})):
        assert (answer.status_code, answer["Location"]) == (302, LIST)
    assert "Choose at least one" in messages(client.get(LIST))


def test_too_many_are_a_message(desk: Desk, browser_of: As) -> None:
    """A list has fewer on a page."""
    client = browser_of("change_change")
    assert client.post(SETTLE, {"chosen": [str(number) for number in range(101)]}).status_code == 302
    assert "at most 100" in messages(client.get(LIST))


@pytest.mark.parametrize("permissions", [(), ("view_change",)])
def test_a_permission_is_needed(desk: Desk, browser_of: As, permissions: tuple[str, ...]) -> None:
    """A user who may only look sees no boxes."""
    [change] = decided(desk, 1)
    client = browser_of(*permissions)
    assert client.post(SETTLE, {"chosen": [change.id], "confirm": "1"}).status_code == 403
    assert get_workflow().get(change.id) == change
    assert 'type="checkbox"' not in page(client.get(LIST))


def test_a_forged_request_is_refused(desk: Desk, browser_of: As) -> None:
    """As on every page."""
    [change] = decided(desk, 1)
    client = browser_of("change_change", enforce_csrf_checks=True)
    assert client.post(SETTLE, {"chosen": [change.id]}).status_code == 403


def test_the_page_is_in_chinese(desk: Desk, browser_of: As) -> None:
    """What would be done, and the result."""
    first, second = parked_and_not_found(desk)
    client = browser_of("change_change", language="zh-hans")
    asked = client.post(RETRY, {"chosen": [first.id, second.id]})
    assert results(asked) == {"collector-0": "将重新执行后置动作 start", "lost": "将重新提单"}
    assert "尚未保存或发送任何内容" in page(asked)
    assert set(results(confirmed(client, RETRY, asked, **REASON)).values()) == {"已完成"}
