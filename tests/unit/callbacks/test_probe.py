"""A probe of the callback is answered by whoever holds the keys, and does nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from itsm_workflow.callbacks.parse import CallbackResponse, Incoming, digest_of, read_callback
from itsm_workflow.callbacks.signer import HEADER, PROBE, CallbackSigner
from itsm_workflow.runtime.ids import _ALPHABET
from itsm_workflow.secrets import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

NEW, OLD, OTHER = (Secret(letter * 32) for letter in "noz")
FACTS: dict[str, Any] = {
    "title": "接入",
    "current_status": "FINISHED",
    "sn": "PROBE0123456789",
    "ticket_url": "",
    "update_at": "",
    "updated_by": "",
    "approve_result": False,
    "token": "",
    "last_approver": "",
}


def address(*keys: Secret) -> CallbackSigner:
    """Return the addresses that these keys make."""
    return CallbackSigner(host="http://127.0.0.1", keys=keys)


def incoming(url: str, headers: Mapping[str, Secret], body: bytes) -> Incoming:
    """Return a request."""
    given = {name: value.reveal() for name, value in headers.items()}
    return Incoming(method="POST", path=url, headers=given, body=body)


def answered(
    host: CallbackSigner, prober: CallbackSigner, *, in_path: bool = False, **facts: object
) -> CallbackResponse:
    """Return what the host answers to a probe."""
    url, headers = prober.make(PROBE, 1) if not in_path else prober.in_path().make(PROBE, 1)
    body = json.dumps({**FACTS, **facts}).encode()
    answer = read_callback(host, incoming(url.reveal(), headers, body))
    assert isinstance(answer, CallbackResponse)
    return answer


def proof_in(answer: CallbackResponse) -> str:
    """Return the proof in an answer."""
    return str(json.loads(answer.body)["data"]["probe"])


@pytest.mark.parametrize("in_path", [False, True])
def test_probe_is_answered_as_delivered_and_proven(in_path: bool) -> None:  # noqa: FBT001 - pytest passes by name
    """By the header and by the path; the answer counts as delivered, and only a holder of the key can give it."""
    answer = answered(address(NEW, OLD), address(NEW, OLD), in_path=in_path)

    assert (answer.status, json.loads(answer.body)["code"]) == (200, 0)
    assert address(NEW).is_proof(proof_in(answer), digest_of(json.dumps(FACTS).encode()))
    assert not address(OTHER).is_proof(proof_in(answer), digest_of(json.dumps(FACTS).encode()))


def test_proof_is_made_with_the_key_of_the_probe() -> None:
    """Of two live keys with that one, so that a prober with the old key alone can check it; for this body alone."""
    rotated, sent = address(NEW, OLD), digest_of(json.dumps(FACTS).encode())
    answer = answered(rotated, address(OLD))
    proof = proof_in(answer)

    assert list(json.loads(answer.body)["data"]) == ["probe"]
    assert len(proof) == 43
    holders = (address(OLD), rotated, address(NEW), address(OTHER))
    assert [holder.is_proof(proof, sent) for holder in holders] == [True, True, False, False]
    other = digest_of(json.dumps({**FACTS, "title": "another"}).encode())
    assert address(OLD).is_proof(proof, other) is False
    assert proof_in(answered(rotated, address(OLD), title="another")) != proof
    assert address(NEW).is_proof(proof_in(answered(rotated, address(NEW))), sent) is True


def test_proof_is_bound_to_the_body() -> None:
    """A body that was changed on the way shows."""
    answer = answered(address(NEW), address(NEW), title="changed")

    assert not address(NEW).is_proof(proof_in(answer), digest_of(json.dumps(FACTS).encode()))


def test_probe_of_a_stranger_is_refused_like_any_callback() -> None:
    """Nobody learns that there are probes."""
    answer = answered(address(NEW), address(OTHER))
    unknown = read_callback(address(NEW), incoming("/else", {HEADER: Secret("x")}, b"{}"))

    assert answer == unknown
    assert answer.status == 401


def test_probe_with_half_a_body_is_refused() -> None:
    """It passes every check that a callback passes."""
    assert answered(address(NEW), address(NEW), sn=7).status == 400


def test_no_change_has_the_id_of_a_probe() -> None:
    """A credential of a probe is none of a change."""
    assert len(PROBE) == 26
    assert set(PROBE) - set(_ALPHABET)


@pytest.mark.parametrize("word", ["", "é", "a" * 43, "é" * 43])
def test_what_is_not_a_proof(word: str) -> None:
    """A foreign server may answer anything; the result is False and not merely falsy."""
    assert address(NEW).is_proof(word, "digest") is False
