"""The form with the eight fields of a collector."""

from __future__ import annotations

from typing import Any

import pytest

from itsm_workflow.integrations.django.forms import CollectorRequestForm
from itsm_workflow.integrations.log_platform.routes import FIELDS
from tests.unit.integrations.django.test_views import FIELDS as SOUND


def submitted(**changed: Any) -> CollectorRequestForm:
    """Return the form as a browser submits it: all texts."""
    return CollectorRequestForm({name: str(value) for name, value in {**SOUND, **changed}.items()})


def test_a_sound_form_gives_the_fields_of_an_application() -> None:
    """With numbers as numbers, and the day as its text."""
    form = submitted()
    assert form.is_valid()
    assert form.cleaned_data["fields"] == SOUND
    assert tuple(form.base_fields) == FIELDS == tuple(SOUND)


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"hot_data_days": 9}, "hot_data_days"),
        ({"log_keep_days": 0}, "log_keep_days"),
        ({"single_host_log_volume": -1}, "single_host_log_volume"),
        ({"single_log_size": "many"}, "single_log_size"),
        ({"expect_access_data": "soon"}, "expect_access_data"),
        ({"apply_reason": ""}, "apply_reason"),
    ],
)
def test_a_problem_is_shown_at_its_field(changed: dict[str, Any], field: str) -> None:
    """By the rules of the library, and of Django for what is not a number or a day."""
    form = submitted(**changed)
    assert not form.is_valid()
    assert list(form.errors) == [field]


def test_the_labels_are_those_of_the_library() -> None:
    """One set of words."""
    from itsm_workflow.integrations.log_platform.form import _LABELS  # noqa: PLC0415 - only for the comparison

    assert {name: field.label for name, field in CollectorRequestForm.base_fields.items()} == {
        name: label for name, (label, _) in _LABELS.items()
    }
    units = {name: unit.strip() for name, (_, unit) in _LABELS.items()}
    assert {name: field.help_text for name, field in CollectorRequestForm.base_fields.items()} == units
