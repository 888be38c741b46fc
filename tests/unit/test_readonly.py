"""A dictionary that refuses to be changed."""

from __future__ import annotations

import copy
import json
import pickle
from typing import TYPE_CHECKING, Any

import pytest

from itsm_workflow.readonly import ReadOnlyDict

if TYPE_CHECKING:
    from collections.abc import Callable


def _add(it: Any) -> None:  # noqa: ANN401 - a type checker refuses it
    it["b"] = 2


def _remove(it: Any) -> None:  # noqa: ANN401 - as above
    del it["a"]


def _merge(it: Any) -> None:  # noqa: ANN401 - as above
    it |= {"b": 2}


@pytest.mark.parametrize(
    "change",
    [
        _add,
        _remove,
        _merge,
        lambda it: it.update(b=2),
        lambda it: it.setdefault("b", 2),
        lambda it: it.pop("a"),
        lambda it: it.popitem(),
        lambda it: it.clear(),
    ],
)
def test_every_change_is_refused(change: Callable[[Any], object]) -> None:
    """It stays as it is."""
    it = ReadOnlyDict({"a": [1]})
    with pytest.raises(TypeError, match="read-only dictionary cannot be changed"):
        change(it)
    assert it == {"a": [1]}


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))])  # noqa: S301 - our own
def test_a_copy_is_equal_and_read_only(copied: Callable[[Any], Any]) -> None:
    """Copies of both depths, and by a pickle."""
    it = ReadOnlyDict({"a": [1]})
    made = copied(it)
    assert made == it
    with pytest.raises(TypeError):
        made["b"] = 2


def test_a_deep_copy_shares_nothing() -> None:
    """A list in it can be changed."""
    it = ReadOnlyDict({"a": [1]})
    copy.deepcopy(it)["a"].append(2)
    assert it == {"a": [1]}


def test_it_is_a_dict_for_other_libraries() -> None:
    """JSON writes it, and a copy of it can be changed."""
    it = ReadOnlyDict({"a": [1]})
    assert json.dumps(it) == '{"a": [1]}'
    assert dict(it) | {"b": 2} == it | {"b": 2} == {"a": [1], "b": 2}
