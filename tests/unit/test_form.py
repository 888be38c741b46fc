"""What a host hands in, made into a form."""

from __future__ import annotations

import enum
import json
from collections import UserDict
from typing import Any

import attrs
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from itsm_workflow.change import Form
from itsm_workflow.errors import InvalidForm
from itsm_workflow.form import FormArguments, check_person, check_shown, check_subject, make_form, normal_subject, shown
from itsm_workflow.storage.codec import Codec
from itsm_workflow.testing import strategies as s
from tests.support import examples as x


class Unshowable:
    """A value that cannot show itself."""

    def __repr__(self) -> str:
        raise RuntimeError("no")


def deep(levels: int) -> object:
    """Return lists inside each other."""
    value: object = "bottom"
    for _ in range(levels):
        value = [value]
    return value


def problems(**values: Any) -> list[tuple[str, str, str]]:
    """Return what is wrong with a form that is right apart from these values."""
    right: dict[str, Any] = {"title": "Collect access logs", "applicant": "alice"}
    with pytest.raises(InvalidForm) as caught:
        make_form(**{**right, **values})
    return list(caught.value.problems)


def test_a_form_holds_what_was_asked() -> None:
    """Word for word."""
    form = make_form(
        title=" 接入 nginx 日志 ", applicant="alice", approvers=["bob", "carol"], content="all", fields={"size": 10}
    )

    assert form == Form(
        title=" 接入 nginx 日志 ", applicant="alice", approvers=("bob", "carol"), content="all", fields={"size": 10}
    )


def test_only_title_and_applicant_must_be_given() -> None:
    """The rest has sensible values, as `Form` has."""
    assert make_form(title="t", applicant="alice") == Form(title="t", applicant="alice")
    assert make_form(title="t", applicant="alice", fields=None, approvers=()) == Form(title="t", applicant="alice")


def test_every_value_that_can_be_asked_for_is_taken() -> None:
    """What a host is told it may pass is what is looked at."""
    assert set(FormArguments.__annotations__) == {one.name for one in attrs.fields(Form)}


@pytest.mark.parametrize("names", [["bob", "carol"], ("bob", "carol"), {"bob", "carol"}, frozenset({"bob", "carol"})])
def test_approvers_may_be_any_collection_of_names(names: object) -> None:
    """A form keeps them as a tuple."""
    assert sorted(make_form(title="t", applicant="alice", approvers=names).approvers) == ["bob", "carol"]


def test_a_form_does_not_change_with_what_it_was_made_of() -> None:
    """A host may go on to use its own dict, at any depth, and its own list."""
    fields: dict[str, Any] = {"hosts": ["a"], "more": {"b": 1}}
    names = ["bob"]
    form = make_form(title="t", applicant="alice", fields=fields, approvers=names)
    fields["hosts"].append("c")
    fields["more"]["b"] = 2
    fields["new"] = True
    names.append("eve")

    assert (form.fields, form.approvers) == ({"hosts": ["a"], "more": {"b": 1}}, ("bob",))
    with pytest.raises(TypeError):
        form.fields["new"] = True  # type: ignore[index] # the mistake that is tested


def test_fields_have_the_order_of_their_keys_at_every_level() -> None:
    """A ticket shows the fields in this order, whether the change was read from a store meanwhile or not."""
    form = make_form(title="t", applicant="alice", fields={"b": 1, "a": [{"d": 1, "c": {"z": 1, "y": 2}}]})

    assert json.dumps(dict(form.fields)) == '{"a": [{"c": {"y": 2, "z": 1}, "d": 1}], "b": 1}'


def test_all_problems_are_told_at_once() -> None:
    """Whoever fills in a form mends it once."""
    assert problems(title="", applicant=7, approvers="bob", content=None, fields=["size"]) == [
        ("title", "''", "must not be empty"),
        ("applicant", "7", "must be text, not int"),
        ("content", "None", "must be text, not NoneType"),
        ("approvers", "'bob'", 'must be a list of user names, e.g. ["bob"]'),
        ("fields", "['size']", "must be a mapping of form keys to values"),
    ]


NO_NUL = "must not contain NUL characters or lone surrogates, which cannot be stored: remove U+0000"

WRONG: dict[str, tuple[dict[str, Any], tuple[str, str, str]]] = {
    "no title": ({"title": None}, ("title", "None", "must be text, not NoneType")),
    "a blank title": ({"title": " \t\u3000"}, ("title", "' \\t\\u3000'", "must not be empty")),
    "a long title": ({"title": "x" * 10_001}, ("title", "'" + "x" * 58 + "…", "must have at most 10000 characters")),
    "NUL": ({"title": "a\0b"}, ("title", "'a\\x00b'", NO_NUL)),
    "a surrogate": ({"title": "\ud800"}, ("title", "'\\ud800'", NO_NUL.replace("U+0000", "U+D800"))),
    "blank content": ({"content": " "}, ("content", "' '", "must not be empty")),
    "a blank approver": ({"approvers": ["bob", ""]}, ("approvers[1]", "''", "must not be empty")),
    "an approver's number": ({"approvers": (7,)}, ("approvers[0]", "7", "must be text, not int")),
    "approvers in a dict": (
        {"approvers": {"bob": 1}},
        ("approvers", "{'bob': 1}", 'must be a list of user names, e.g. ["bob"]'),
    ),
    "no approvers": ({"approvers": None}, ("approvers", "None", 'must be a list of user names, e.g. ["bob"]')),
    "a number as key": ({"fields": {1: "a"}}, ("fields", "1", "each key must be text and not empty")),
    "an empty key": ({"fields": {"": "a"}}, ("fields", "''", "each key must be text and not empty")),
    "NUL in a key": ({"fields": {"a\0": "a"}}, ("fields", "'a\\x00'", NO_NUL)),
    "bytes": ({"fields": {"a": b"b"}}, ("fields.a", "b'b'", "is a bytes, which has no JSON form")),
    "NaN": ({"fields": {"a": float("nan")}}, ("fields.a", "nan", "nan has no JSON form")),
    "a set inside": ({"fields": {"a": [{1}]}}, ("fields.a", "[{1}]", "is a set, which has no JSON form")),
    "a key inside": ({"fields": {"a": {1: 2}}}, ("fields.a", "{1: 2}", "has a key that is not a string")),
    "NUL inside": ({"fields": {"a": [{"b": ("c\0",)}]}}, ("fields.a", "'c\\x00'", NO_NUL)),
    "NUL in a key inside": ({"fields": {"a": {"b\0": 1}}}, ("fields.a", "'b\\x00'", NO_NUL)),
    "a whole number without end": (
        {"fields": {"a": 10**5000}},
        ("fields.a", "an int", "is a whole number of more than 1024 bits"),
    ),
    "lists without end": (
        {"fields": {"a": deep(200)}},
        ("fields.a", "[" * 59 + "…", "is nested deeper than 64 levels"),
    ),
    "what cannot show itself": (
        {"fields": {"a": Unshowable()}},
        ("fields.a", "an Unshowable", "is an Unshowable, which has no JSON form"),
    ),
}


@pytest.mark.parametrize(("values", "problem"), WRONG.values(), ids=WRONG)
def test_a_problem_names_field_value_and_rule(values: dict[str, Any], problem: tuple[str, str, str]) -> None:
    """And there is no other."""
    assert problems(**values) == [problem]


whatever = st.recursive(
    s.json_values | st.binary(max_size=2) | st.floats() | st.text(max_size=4) | st.builds(object) | st.just(b"\xff"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=2).map(tuple)
        | st.dictionaries(st.text(max_size=2) | st.integers(), inner, max_size=3)
        | st.dictionaries(st.text(max_size=2), inner, max_size=3).map(UserDict)
        | st.frozensets(st.text(max_size=2), max_size=2)
    ),
    max_leaves=6,
)


@given(
    title=s.texts | whatever,
    applicant=s.people | whatever,
    approvers=st.lists(s.people) | whatever,
    content=s.texts | whatever,
    fields=st.dictionaries(s.texts, s.json_values, max_size=3) | whatever,
)
def test_whatever_is_handed_in_becomes_a_storable_form_or_is_refused(**values: object) -> None:
    """Nothing else is raised, and a form that was taken comes back from any store."""
    try:
        form = make_form(**values)
    except InvalidForm as error:
        assert error.problems  # noqa: PT017 - either outcome is right
        return
    codec = Codec({})
    write, _ = codec.write(None, attrs.evolve(x.DRAFT, form=form), [], None, open_subject=None)

    again = codec.read(write.row).change.form
    assert again == form
    assert json.dumps(dict(again.fields)) == json.dumps(dict(form.fields))  # in the same order


@pytest.mark.parametrize(
    ("subject", "rule"),
    [
        (None, "must be text, not NoneType"),
        (42, "must be text, not int"),
        ("", "must not be empty"),
        ("x" * 201, "must have at most 200 characters"),
        ("a\0", NO_NUL),
        (" s1", "must not begin or end with white space"),
        ("s1 ", "must not begin or end with white space"),
        ("s1\n", "must not begin or end with white space"),
        ("s1\u3000", "must not begin or end with white space"),
        ("s\u200b1", "must not contain invisible characters, but contains U+200B"),
        ("s1\ufeff", "must not contain invisible characters, but contains U+FEFF"),
        ("\u202es1\u202c", "must not contain invisible characters, but contains U+202C, U+202E"),
        ("s\u00a01", "must not contain invisible characters, but contains U+00A0"),
        ("s\u00ad1", "must not contain invisible characters, but contains U+00AD"),
        ("s\t1", "must not contain invisible characters, but contains U+0009"),
        ("s\x1b[31m1", "must not contain invisible characters, but contains U+001B"),
        ("s\u3164", "must not contain invisible characters, but contains U+3164"),
        ("s1\ufe0f", "must not contain invisible characters, but contains U+FE0F"),
        ("s1\u034f", "must not contain invisible characters, but contains U+034F"),
        ("\U0001d15e" * 200, "must have at most 200 characters in Unicode normalization form NFC"),
    ],
)
def test_a_wrong_subject_is_told(subject: object, rule: str) -> None:
    """By field, value and rule, like all else."""
    assert check_subject(subject) == [("subject", shown(subject), rule)]


@pytest.mark.parametrize("subject", ["collector-42", "采集项 42", "x" * 200, "Collector", "é", "e\u0301"])
def test_a_right_subject_has_no_problem(subject: str) -> None:
    """Up to 200 characters, in any script."""
    assert check_subject(subject) == []


def test_a_subject_has_one_spelling() -> None:
    """Composed or decomposed; letter case stays."""
    assert {"caf\u00e9"} == {normal_subject("caf\u00e9"), normal_subject("cafe\u0301")}
    assert normal_subject("Caf\u00e9") == "Caf\u00e9"


@given(subject=st.text(st.characters(categories=["L", "M", "N", "P", "S"]), min_size=1, max_size=12))
def test_a_subject_that_is_taken_stays_as_it_is(subject: str) -> None:
    """Its spelling is spelt that way again, and is right."""
    assume(not check_subject(subject))

    once = normal_subject(subject)

    assert (once, []) == (normal_subject(once), check_subject(once))


def test_a_value_of_many_lines_is_shown_in_one() -> None:
    """A table would break the line of a log."""

    class Table:
        def __repr__(self) -> str:
            return "1 2\n3 4"

    assert shown(Table()) == "1 2 3 4"


def test_a_tuple_of_one_value_is_shown_as_a_tuple() -> None:
    """Without its comma it would be the value in brackets."""
    assert [shown(value) for value in ((), (1,), (1, 2), [1])] == ["()", "(1,)", "(1, 2)", "[1]"]


@given(value=whatever)
def test_a_value_is_shown_in_one_short_line(value: object) -> None:
    """Whatever it holds."""
    line = shown(value)

    assert len(line) <= 60
    assert line.splitlines() == [line]


BOUNDS: dict[str, tuple[dict[str, Any], tuple[str, str, str]]] = {
    "approvers": (
        {"approvers": [f"user{number}" for number in range(16_000)]},
        ("approvers", "<16000 names>", "must name at most 200 users"),
    ),
    "fields": (
        {"fields": {f"f{number}": 1 for number in range(501)}},
        ("fields", "<501 fields>", "must have at most 500 fields"),
    ),
    "the size of the fields": (
        {"fields": {"a": "x" * (1024 * 1024)}},
        ("fields", "<over 1048576 characters>", "must have at most 1048576 characters as JSON"),
    ),
}


@pytest.mark.parametrize(("given", "problem"), BOUNDS.values(), ids=BOUNDS)
def test_a_form_has_bounds(given: dict[str, Any], problem: tuple[str, str, str]) -> None:
    """Of names, of fields, and of their size."""
    with pytest.raises(InvalidForm) as caught:
        make_form(title="a", applicant="alice", **given)

    assert list(caught.value.problems) == [problem]


def shared(levels: int) -> object:
    """Return a list that stands in its own copy twice at each level, as an alias of YAML does."""
    value: object = ["x"]
    for _ in range(levels):
        value = [value, value]
    return value


@pytest.mark.parametrize("levels", [pytest.param(19, marks=pytest.mark.long), 60])
def test_what_stands_in_many_places_is_not_expanded_without_bounds(levels: int) -> None:
    """It is counted while it is expanded: 2 to the 60th values would never end."""
    found = problems(fields={"b": shared(levels), "a": float("nan")})
    assert found == [("fields", "<over 1048576 characters>", "must have at most 1048576 characters as JSON")]


@pytest.mark.parametrize("field", ["title", "applicant", "approvers", "content", "fields"])
def test_what_stands_in_many_places_is_shown_without_bounds_nowhere(field: str) -> None:
    """A message shows its beginning."""
    value = shared(60)
    wrong = {1: value} if field == "fields" else value
    assert all(len(shown) <= 60 for _, shown, _ in problems(**{field: wrong}))
    assert shown({"a": value, "b": (value, {"x"})}).startswith("{'a': [[[[")


class Who(str, enum.Enum):  # noqa: UP042 - the kind whose `str` is its name
    """People, as older code writes them."""

    ALICE = "alice"


class Masked(str):
    """A text that shows itself as another one, and compares as none."""

    __slots__ = ()

    def __str__(self) -> str:
        return "another\0text"

    def __format__(self, _spec: str) -> str:
        return "another text"

    def strip(self, _characters: str | None = None) -> str:
        """Lie."""
        return "fine"

    def __hash__(self) -> int:
        return 7

    def __eq__(self, other: object) -> bool:
        return self is other


def test_a_text_of_a_subclass_is_taken_by_its_own_value() -> None:
    """Not by what `str`, or a method of it, makes of it."""
    form = make_form(
        title=Masked("t"),
        applicant=Who.ALICE,
        approvers=[Who.ALICE, Masked("bob")],
        content=Masked("c"),
        fields={Masked("a"): [Masked("b"), Who.ALICE, {Masked("k"): Size.LARGE}]},
    )
    wanted = Form(
        title="t", applicant="alice", approvers=("alice", "bob"), content="c", fields={"a": ["b", "alice", {"k": 3}]}
    )
    assert form == wanted
    texts = [form.title, form.applicant, *form.approvers, form.content, *form.fields]
    assert {type(text) for text in texts} == {str}
    assert repr(form.fields) == repr(wanted.fields)
    assert normal_subject(Who.ALICE) == "alice"
    assert (normal_subject(Masked("s")), type(normal_subject(Masked("s")))) == ("s", str)
    assert check_subject(Masked(" ")) == [("subject", "' '", "must not be empty")]


class Size(enum.IntEnum):
    """A number that shows itself as a name."""

    LARGE = 3


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"a": 1, Masked("a"): 2}, ("fields", "'a'", "must have each key once")),
        ({"n": {"a": 1, Masked("a"): 2}}, ("fields.n", "{'a': 1, 'a': 2}", "names the key 'a' twice")),
    ],
)
def test_keys_that_are_one_text_are_refused(fields: dict[str, object], problem: tuple[str, str, str]) -> None:
    """Stored, the change could not be read again."""
    assert problems(fields=fields) == [problem]


@pytest.mark.parametrize("name", ["a\u200blice", "alice\u3164", "a\u00adlice", "al\nice", "x" * 201])
def test_a_person_is_named_by_what_can_be_seen(name: str) -> None:
    """Applicant, approver and actor alike."""
    assert [field for field, _, _ in problems(applicant=name, approvers=["bob", name])] == ["applicant", "approvers[1]"]
    assert [field for field, _, _ in check_person(name)] == ["actor"]


def test_a_form_at_its_bounds_is_right() -> None:
    """As many names and fields, and as large, as may be."""
    names = [f"user{number}" for number in range(200)]
    fields = {f"f{number:03}": "x" for number in range(499)} | {"rest": ""}
    fields["rest"] = "x" * (1024 * 1024 - sum(len(key) + len(value) + 2 for key, value in fields.items()))

    form = make_form(title="a", applicant="alice", approvers=names, fields=fields)

    assert (tuple(names), fields) == (form.approvers, form.fields)


@pytest.mark.parametrize("character", [*"\n\r\t\0\x1b\x7f\x9b\u061c\u200f\u2028\u202e\u2066\ud800"])
@pytest.mark.parametrize("field", ["actor", "reason", "override"])
def test_a_person_and_a_reason_are_one_plain_line(field: str, character: str) -> None:
    """What would break a line or steer a terminal is refused, by the field and the character."""
    text = f"a{character}b"
    problems = check_person(text) if field == "actor" else check_person("olga", text, field=field)

    assert [name for name, _, _ in problems] == [field]
    assert check_person("olga (值班)", "因为 – it is urgent 👩‍💻", field=field) == []


@pytest.mark.parametrize("text", ["\u200b", "\u2060\u00ad", "\u3164", " \u200b "])
def test_a_text_of_which_nothing_can_be_seen_is_empty(text: str) -> None:
    """It would stay in a history as the reason or the evidence of a decision, and show nothing."""
    [(field, _, rule)] = check_shown("evidence", text)
    assert (field, rule) == ("evidence", "must not be empty: none of its characters is visible")


@pytest.mark.parametrize("field", ["title", "content"])
def test_a_part_of_the_form_of_which_nothing_can_be_seen_is_empty(field: str) -> None:
    """An approver would see a ticket without it."""
    asked: dict[str, Any] = {"title": "t", "applicant": "alice", field: "\ufeff \u3164\n"}
    with pytest.raises(InvalidForm) as refused:
        make_form(**asked)
    assert [(name, rule) for name, _, rule in refused.value.problems] == [
        (field, "must not be empty: none of its characters is visible")
    ]
