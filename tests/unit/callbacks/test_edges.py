"""Edges of what a callback may say and of who may say it."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import pytest

from itsm_workflow.callbacks.background import Background
from itsm_workflow.callbacks.parse import ACCEPTED, Callback, CallbackResponse, Incoming, digest_of
from itsm_workflow.callbacks.signer import PROBE, Address, CallbackAddress, read_address
from tests.support.callback_examples import ADDRESS, CHANGE, HOST, KEY, NEW, OLD, body, knock, place, read
from tests.support.limits import PATIENCE
from tests.unit.callbacks.test_inbox import NOT_STORED, opened, raising

if TYPE_CHECKING:
    from itsm_workflow.secrets import Secret


def test_an_accepted_callback_is_answered_byte_for_byte_so() -> None:
    """The gateway counts nothing else as delivered."""
    answer = {"result": True, "code": 0, "message": "success", "data": None}
    assert (
        CallbackResponse(status=200, headers={"Content-Type": "application/json"}, body=json.dumps(answer).encode())
        == ACCEPTED
    )


@pytest.mark.parametrize("character", [0xD800, 0xDBFF, 0xDC00, 0xDFFF])
def test_half_of_a_character_is_no_text(character: int) -> None:
    """From the first such half to the last; what stands next to them is text."""
    refused = read(ADDRESS, body=body(title=f"a{chr(character)}b"), **place())
    assert isinstance(refused, CallbackResponse)
    assert refused.status == 400


@pytest.mark.parametrize("character", ["\ud7ff", "\ue000", "\U0001f600"])
def test_every_whole_character_is_text(character: str) -> None:
    """Even the neighbours of what is none."""
    assert isinstance(read(ADDRESS, body=body(title=f"a{character}b"), **place()), Callback)


def proof(address: CallbackAddress, sent: bytes, key: Secret = KEY) -> object:
    """Return what answers a probe that was made with a key."""
    where = place(PROBE, address=CallbackAddress(host=HOST, keys=(key,)))
    answer = read(address, body=sent, **where)
    assert isinstance(answer, CallbackResponse)
    return json.loads(answer.body)["data"]


def test_a_probe_is_answered_with_a_proof_of_the_key_it_was_made_with() -> None:
    """Of two live keys that one; for this body alone; a host without the key cannot make it."""
    rotated = CallbackAddress(host=HOST, keys=(NEW, KEY))
    sent, other = body(), body(title="another")
    answered = proof(rotated, sent)
    assert isinstance(answered, dict)
    assert list(answered) == ["probe"]
    made = answered["probe"]

    assert (len(made), proof(rotated, other) == answered) == (43, False)
    assert ADDRESS.is_proof(made, digest_of(sent)) is True
    assert rotated.is_proof(made, digest_of(sent)) is True
    assert ADDRESS.is_proof(made, digest_of(other)) is False
    assert CallbackAddress(host=HOST, keys=(OLD,)).is_proof(made, digest_of(sent)) is False
    assert CallbackAddress(host=HOST, keys=(NEW,)).is_proof(made, digest_of(sent)) is False
    newest = proof(rotated, sent, NEW)
    assert isinstance(newest, dict)
    assert CallbackAddress(host=HOST, keys=(NEW,)).is_proof(newest["probe"], digest_of(sent)) is True


@pytest.mark.parametrize("word", ["", "x" * 43, "\u00e9" * 43])
def test_what_is_no_proof_is_none(word: str) -> None:
    """Whatever a foreign host answers."""
    assert ADDRESS.is_proof(word, digest_of(body())) is False


def test_every_credential_has_forty_three_characters() -> None:
    """As many as its hash has, whichever they are: nothing but the filling is cut off."""
    made = [ADDRESS.credential(CHANGE, number).reveal() for number in range(1, 300)]
    assert {len(one) for one in made} == {43}
    assert {one[-1] for one in made} >= set("AEIMQUYcgkosw048")


def test_a_credential_goes_where_the_settings_say() -> None:
    """In a header unless the path is asked for; nothing from before is believed unless it is asked for."""
    assert CallbackAddress(host=HOST, keys=(KEY,)).make(CHANGE, 1)[1] != {}
    assert CallbackAddress(host=HOST, keys=(KEY,)).legacy is False
    assert ADDRESS.in_path().make(CHANGE, 1)[1] == {}


def test_an_address_does_not_show_its_credential() -> None:
    """It would be in every traceback with variables."""
    credential = ADDRESS.credential(CHANGE, 1).reveal()
    shown = repr(Address(change_id=CHANGE, number=1, credential=credential, is_bare=False))
    assert credential not in shown
    assert CHANGE in shown


def test_a_request_shows_its_method_alone() -> None:
    """The rest holds our credential and the server's token, and it would be in every traceback with variables."""
    incoming = Incoming(method="POST", path="/path", headers={"name": "header"}, body=b"body")
    assert repr(incoming) == "Incoming(method='POST')"


def test_an_address_without_a_credential_is_bare() -> None:
    """And only that one: a wrong one claims to be new."""
    path = f"/itsm/callback/{CHANGE}/1/"
    assert read_address(path, {}).is_bare is True
    assert read_address(path, {"X-Itsm-Workflow-Credential": "wrong"}).is_bare is False


def test_a_hint_is_the_callbacks_own_act() -> None:
    """The history says so, whoever is named in its body."""
    _, workflow, change = opened(after_callback="later")
    knock(workflow, change.id)
    assert workflow.history(change.id)[-1].actor == "callback"


def test_trouble_with_a_hint_says_what_it_was_about(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which race was lost, or what could not be done; observers get it as it is."""
    desk, workflow, change = opened(after_callback="inline")
    desk.race_always(change.id)
    knock(workflow, change.id)
    [(_, lost)] = desk.witness.troubles
    assert vars(lost)["kind"] == "version"

    other, deaf, changed = opened(after_callback="inline")
    callback = other.decide(changed)
    monkeypatch.setattr(deaf._inbox, "_check_token", lambda _: raising(ZeroDivisionError("a bug"))())
    other.gateway.hand_over(callback, deaf.receive)
    [(_, told)] = other.witness.troubles
    assert str(told).startswith("the look after a callback failed; the next reconcile looks at the change")


def test_looks_in_the_background_share_their_threads() -> None:
    """Closing could not wait for the others; a person sees whose they are."""
    _, workflow, _ = opened(after_callback="background")
    inbox = workflow._inbox
    threads = inbox._threads()
    assert inbox._threads() is threads
    name = threads.submit(lambda: threading.current_thread().name).result()
    assert name.startswith("itsm-workflow-callback_")
    inbox.close()
    assert inbox._threads() is not threads
    inbox.close()


def test_the_threads_of_an_inbox_are_made_by_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that a second callback made meanwhile would be closed by nobody."""
    _, workflow, _ = opened(after_callback="background")
    inbox = workflow._inbox
    held: list[bool] = []

    class Noted(Background):
        def __init__(self, *given: Any, **options: Any) -> None:
            held.append(inbox._pool_lock.locked())
            super().__init__(*given, **options)

    monkeypatch.setattr("itsm_workflow.callbacks.inbox.Background", Noted)
    assert inbox._threads() is inbox._threads()
    inbox.close()

    assert held == [True]


def test_an_inbox_is_closed_by_one_at_a_time() -> None:
    """Threads that another callback was just given would be closed by nobody."""
    _, workflow, _ = opened(after_callback="background")
    inbox = workflow._inbox
    inbox._threads()
    entered: list[object] = []

    class Noted:
        def __enter__(self) -> None:
            entered.append(inbox._pool)

        def __exit__(self, *_: object) -> None:
            entered.append(inbox._pool)

    noted: Any = Noted()
    inbox._pool_lock = noted
    inbox.close()

    assert [each is None for each in entered] == [False, True]


def test_a_forked_child_waits_for_no_lock_of_its_parent() -> None:
    """A thread of the parent may have held it when the child was made, and there is no such thread in the child."""
    _, workflow, _ = opened(after_callback="background")
    inbox = workflow._inbox
    inbox._pool_of += 1
    inbox._pool_lock = never_let_go = threading.Lock()
    never_let_go.acquire()

    assert inbox._threads().submit(max, 3, 7).result(PATIENCE) == 7
    inbox.close()


def test_a_look_after_a_callback_asks_only_what_is_due() -> None:
    """Another worker may have looked in between; then the gateway is left in peace."""
    desk, workflow, change = opened(after_callback="later")
    knock(workflow, change.id)
    workflow.reconcile()
    before = desk.ledger.requests["get_ticket_info"]
    inbox = workflow._inbox
    callback = read(ADDRESS, body=body(), **place(change.id))
    assert isinstance(callback, Callback)
    inbox._look_into(callback)
    assert desk.ledger.requests["get_ticket_info"] == before


@pytest.mark.parametrize("part", ["load", "fire", "commit_one"])
def test_a_hint_on_which_a_rule_of_the_host_fails_is_answered_and_told(
    part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for a store that fails: nothing is raised, and the gateway lists the callback as not delivered."""
    desk, workflow, change = opened()
    with monkeypatch.context() as broken:
        broken.setattr(workflow._journal, part, lambda *_, **__: 1 / 0)
        assert knock(workflow, change.id) == NOT_STORED

    [(change_id, told)] = desk.witness.troubles
    assert change_id == change.id
    assert str(told) == "the callback could not be stored: ZeroDivisionError: division by zero"
    assert knock(workflow, change.id) == ACCEPTED
