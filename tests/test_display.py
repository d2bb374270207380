"""Tables as text and as HTML."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxmodel.display import clean, escape, format_cell, to_html, to_text

FRAME = pd.DataFrame(
    {"term": ["rating", "<b>"], "estimate": [4.25, float("nan")], "n_obs": [1200, 7]}
)


def test_a_table_in_text_aligns_numbers_right():
    assert to_text(FRAME, title="Lift") == (
        "Lift\nterm    estimate  n_obs\nrating      4.25  1,200\n<b>                   7"
    )


def test_a_table_in_html_escapes_names_and_cells():
    html = to_html(FRAME.rename(columns={"term": "<i>"}), title="a & b")
    assert "<b>" not in html
    assert "<i>" not in html
    assert "&lt;b&gt;" in html
    assert "a &amp; b" in html
    assert html.count("<tr>") == 3


def test_rows_that_lack_keys_leave_cells_blank():
    assert to_text([{"a": 1}, {"b": "x"}]) == "a  b\n1\n   x"


def test_an_empty_table_is_empty():
    assert to_text([]) == ""
    assert "<table" in to_html([])


def test_the_input_is_not_changed():
    before = FRAME.copy()
    to_text(FRAME)
    to_html(FRAME)
    pd.testing.assert_frame_equal(FRAME, before)


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (None, ""),
        (True, "yes"),
        (12_345, "12,345"),
        (0.000012, "1.200e-05"),
        (float("inf"), "infinite"),
        ({"segment": "A"}, "segment = A"),
        (pd.NaT, ""),
        (0.0, "0"),
    ],
)
def test_a_cell_is_written(value, cell):
    assert format_cell(value) == cell


@given(st.text())
def test_nothing_escaped_can_open_a_tag_or_end_an_attribute(text):
    safe = escape(text)
    assert not set(safe) & set("<>\"'")


@given(st.text())
def test_cleaned_text_can_be_written_to_a_file(text):
    assert clean(text).encode("utf-8").count(b"\x00") == 0
