"""Credentials: made for one attempt of one change, believed for nothing else."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from urllib.parse import urlsplit

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from itsm_workflow.callbacks.signer import HEADER, Address, CallbackSigner, callback_signer, read_address
from itsm_workflow.sandbox.connection import settings_for
from tests.support.callback_examples import ADDRESS, CHANGE, HOST, KEY, NEW, OLD, OTHER, place

IN_PATH = CallbackSigner(host=HOST, keys=(KEY,), in_path=True)
characters = st.text("0123456789ABCDEFGHJKMNPQRSTVWXYZ", min_size=26, max_size=26)
numbers = st.integers(1, 999_999)


def read(change_id: str = CHANGE, number: int = 1, *, address: CallbackSigner = ADDRESS) -> Address:
    """Return what a callback of that attempt names."""
    return read_address(**place(change_id, number, address=address))


def test_an_address_names_change_and_attempt_and_asks_for_the_header() -> None:
    """The credential is not in the URL, which ends up in access logs."""
    url, headers = ADDRESS.make(CHANGE, 2)

    assert (url.reveal(), list(headers)) == (f"{HOST}/itsm/callback/{CHANGE}/2/", [HEADER])
    assert headers[HEADER].reveal() not in url.reveal()


def test_an_address_may_carry_the_credential_in_its_path() -> None:
    """For a gateway that sends no headers; it is the same credential."""
    url, headers = IN_PATH.make(CHANGE, 2)

    credential = ADDRESS.make(CHANGE, 2)[1][HEADER].reveal()
    assert (url.reveal(), headers) == (f"{HOST}/itsm/callback/{CHANGE}/2/{credential}/", {})
    assert ADDRESS.in_path().make(CHANGE, 2) == (url, headers)


def test_a_credential_is_an_hmac_over_change_and_attempt() -> None:
    """In SHA-256, spelled so that it fits a header and a path: other tools can make it too."""
    message = b"itsm-workflow callback 1\0" + CHANGE.encode() + b"\0" + b"2"
    expected = base64.urlsafe_b64encode(hmac.digest(KEY.reveal().encode(), message, hashlib.sha256))

    assert ADDRESS.make(CHANGE, 2)[1][HEADER].reveal() == expected.decode().rstrip("=")


@given(change_id=characters, number=numbers, address=st.sampled_from([ADDRESS, IN_PATH]))
def test_our_own_credential_holds(change_id: str, number: int, address: CallbackSigner) -> None:
    """However it was sent, and the address is read as it was made."""
    named = read(change_id, number, address=address)

    assert ADDRESS.holds(named)
    assert (named.change_id, named.number) == (change_id, number)


@given(made=st.tuples(characters, numbers), claimed=st.tuples(characters, numbers))
def test_a_credential_holds_for_its_own_attempt_only(made: tuple[str, int], claimed: tuple[str, int]) -> None:
    """One that was seen on the way cannot be used for another change, or another attempt."""
    credential = read(*made).credential
    named = Address(change_id=claimed[0], number=claimed[1], credential=credential, is_bare=False)

    assert ADDRESS.holds(named) == (made == claimed)


@given(position=st.integers(0, 42), replacement=st.sampled_from("ABCxyz019-_"))
def test_a_credential_with_another_character_does_not_hold(position: int, replacement: str) -> None:
    """Wherever it is, the last one included: its spare bits are compared as well."""
    true = read().credential
    forged = true[:position] + replacement + true[position + 1 :]

    assert ADDRESS.holds(Address(change_id=CHANGE, number=1, credential=forged, is_bare=False)) == (forged == true)


def test_keys_can_be_rotated() -> None:
    """The newest signs, the one before is still believed, an older or a future one is not."""
    rotated = CallbackSigner(host=HOST, keys=(NEW, KEY, OLD))
    made = {key: read(address=CallbackSigner(host=HOST, keys=(key,))) for key in (OLD, KEY, NEW)}

    assert [rotated.holds(made[key]) for key in (NEW, KEY, OLD)] == [True, True, False]
    assert read(address=rotated) == made[NEW]
    assert ADDRESS.holds(made[NEW]) is False


def test_the_time_of_a_check_does_not_depend_on_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every key is compared, each in constant time, whichever holds."""
    compared: list[str] = []
    compare = hmac.compare_digest

    def counted(one: str, other: str) -> bool:
        compared.append(one)
        return compare(one, other)

    monkeypatch.setattr(hmac, "compare_digest", counted)
    rotated = CallbackSigner(host=HOST, keys=(NEW, KEY))
    for key in (NEW, KEY, OLD):
        rotated.holds(read(address=CallbackSigner(host=HOST, keys=(key,))))

    assert (len(compared), len(set(compared))) == (6, 2)


@pytest.mark.parametrize(
    "prefix", ["", "/o/bk_log_search", "/a/b/c", f"/{OTHER}/2"], ids=["none", "one", "many", "like one of ours"]
)
def test_a_host_may_mount_callbacks_anywhere(prefix: str) -> None:
    """Under any prefix, with a query behind, and with or without the last slash."""
    given = place()
    for path in (given["path"], given["path"].rstrip("/"), given["path"] + "?from=itsm"):
        assert ADDRESS.holds(read_address(prefix + path, given["headers"]))


@pytest.mark.parametrize("name", [HEADER, HEADER.lower(), HEADER.upper()])
def test_a_header_is_known_in_any_case(name: str) -> None:
    """Proxies change it."""
    given = place()

    assert ADDRESS.holds(read_address(given["path"], {name: given["headers"][HEADER]}))


STRANGE = {
    "no path": "",
    "another page": "/",
    "no attempt": f"/itsm/callback/{CHANGE}/",
    "attempt 0": f"/itsm/callback/{CHANGE}/0/",
    "a million attempts": f"/itsm/callback/{CHANGE}/1000000/",
    "an attempt with a zero before": f"/itsm/callback/{CHANGE}/01/",
    "other digits": f"/itsm/callback/{CHANGE}/\u0661/",
    "a short id": f"/itsm/callback/{CHANGE[:-1]}/1/",
    "a long id": f"/itsm/callback/{CHANGE}A/1/",
    "an id in lower case": f"/itsm/callback/{CHANGE.lower()}/1/",
    "more behind": f"/itsm/callback/{CHANGE}/1/more/",
    "a line behind": f"/itsm/callback/{CHANGE}/1/\n",
    "only in the query": f"/?/{CHANGE}/1/",
}


@pytest.mark.parametrize("path", STRANGE.values(), ids=STRANGE)
def test_a_path_that_is_no_callbacks_names_nobody(path: str) -> None:
    """Whatever credential comes with it."""
    named = read_address(path, place()["headers"])

    assert (named.change_id, named.number) == ("0" * 26, 1)
    assert not ADDRESS.holds(named)


@pytest.mark.parametrize("credential", ["", "A", "A" * 42, "A" * 44, "é" * 43, "-" * 43, "A" * 43, "\0" * 43])
def test_a_credential_of_another_form_does_not_hold(credential: str) -> None:
    """And is no error."""
    named = read_address(place()["path"], {HEADER: credential})

    assert named.change_id == CHANGE
    assert not ADDRESS.holds(named)


def test_a_callback_without_a_credential_does_not_hold() -> None:
    """The most common forgery."""
    assert not ADDRESS.holds(read_address(place()["path"], {}))


@given(path=st.text(), headers=st.dictionaries(st.text() | st.just(HEADER), st.text(), max_size=3))
def test_any_request_can_be_read(path: str, headers: dict[str, str]) -> None:
    """It comes from outside; nothing is raised, and what was not made by us does not hold."""
    named = read_address(path, headers)

    assert re.fullmatch(r"[0-9A-Z]{26}", named.change_id)
    assert not ADDRESS.holds(named)


def test_a_credential_does_not_show_in_an_address() -> None:
    """An address may be logged."""
    named = read()

    assert named.credential not in repr(named)
    assert urlsplit(HOST).netloc not in repr(named)
    assert CHANGE in repr(named)


@pytest.mark.parametrize("place", ["header", "path"])
def test_settings_say_where_the_credential_travels(place: str) -> None:
    """And whether there is an address at all."""
    wanted = attrs.evolve(
        settings_for("http://127.0.0.1:9/"), callback_host=HOST, callback_keys=(KEY,), callback_credential=place
    )

    address = callback_signer(wanted)
    assert address is not None
    url, headers = address.make(CHANGE, 1)
    assert bool(headers) == (place == "header")
    assert read_address(url.reveal().removeprefix(HOST), {name: text.reveal() for name, text in headers.items()}) == (
        read(address=ADDRESS if place == "header" else IN_PATH)
    )
    assert callback_signer(attrs.evolve(wanted, callback_host="")) is None
    assert callback_signer(attrs.evolve(wanted, callback_keys=())) is None


def test_every_credential_has_forty_three_characters() -> None:
    """As many as its hash has, whichever they are; only the padding is cut off."""
    made = [ADDRESS.credential(CHANGE, number).reveal() for number in range(1, 300)]
    assert {len(one) for one in made} == {43}
    assert {one[-1] for one in made} >= set("AEIMQUYcgkosw048")


def test_a_credential_goes_where_the_settings_say() -> None:
    """In a header unless the path is asked for; callbacks of earlier versions are accepted only if asked for."""
    assert CallbackSigner(host=HOST, keys=(KEY,)).make(CHANGE, 1)[1] != {}
    assert CallbackSigner(host=HOST, keys=(KEY,)).legacy is False
    assert ADDRESS.in_path().make(CHANGE, 1)[1] == {}


def test_an_address_without_a_credential_is_bare() -> None:
    """Only such an address is: a wrong credential claims to be a new one."""
    path = f"/itsm/callback/{CHANGE}/1/"
    assert read_address(path, {}).is_bare is True
    assert read_address(path, {"X-Itsm-Workflow-Credential": "wrong"}).is_bare is False
