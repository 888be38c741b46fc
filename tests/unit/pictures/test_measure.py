"""The width of texts in pictures, and the lines into which they are broken."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from itsm_workflow.pictures.measure import SIZE, lines_of, visible, width_of

TEXTS = st.text(st.characters(codec="utf-8"), max_size=80) | st.text("abc WM.iI，磁盘 ", max_size=80)


def test_a_chinese_character_is_a_full_square() -> None:
    """Two Latin letters can be wider or narrower than it, so that they are measured one by one."""
    assert width_of("磁盘") == 2 * SIZE
    assert width_of("，") == SIZE
    assert width_of("il") < width_of("磁") < width_of("MW")
    assert width_of("e\u0301") == width_of("e")


@given(text=TEXTS, room=st.integers(30, 300))
def test_no_line_is_wider_than_its_room_and_no_word_is_lost(text: str, room: int) -> None:
    """With as many lines as it takes, only white space is left out."""
    lines = lines_of(text, room, most=1000)
    assert all(width_of(line) <= room for line in lines)
    assert "".join("".join(lines).split()) == "".join(visible(text).split())


@pytest.mark.parametrize("room", range(40, 200, 7))
@pytest.mark.parametrize("mark", ["”", "，", "。", "）", "：”"])
def test_no_line_begins_with_a_closing_mark(mark: str, room: int) -> None:
    """After a Chinese character, a word, and a word that is wider than the line."""
    text = (
        f"未发出：磁盘{mark}"
        + f"容量{mark}word{mark}" * 5
        + f"{'create_ticket_of_host' * 3}{mark}"
        + f"{'x' * 60}{mark}"
    )
    lines = lines_of(text, room, most=1000)
    assert [line for line in lines if line[0] in mark] == []
    assert "".join(lines) == text


@given(text=TEXTS, most=st.integers(1, 3))
def test_what_is_left_out_is_marked_within_the_room(text: str, most: int) -> None:
    """The last line ends in an ellipsis."""
    whole, lines = lines_of(text, 60, most=1000), lines_of(text, 60, most=most)
    assert all(width_of(line) <= 60 for line in lines)
    assert lines == whole if len(whole) <= most else (len(lines), lines[-1][-1]) == (most, "…")


@pytest.mark.parametrize(
    ("given_text", "shown"),
    [
        ("a\nb\tc", "a b c"),
        ("a\0b\x1bc", "a b c"),
        ("a\u202eb\ud800c", "a b c"),
        ("  磁\u200b盘 ", "磁盘"),
    ],
)
def test_a_text_is_one_line_that_xml_can_hold(given_text: str, shown: str) -> None:
    """Without controls, directions, lone surrogates and letters that are not drawn."""
    assert visible(given_text) == shown
