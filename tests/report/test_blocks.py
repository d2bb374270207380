"""Blocks, and how Markdown becomes blocks."""

import json

import pytest

from cxmodel.report import blocks
from cxmodel.report.markdown import blocks_of_markdown


def test_a_block_shows_itself_as_data_html_and_text():
    shown = blocks.Text(words=["NPS is ", blocks.strong("<41>")])._repr_mimebundle_()
    assert set(shown) == {blocks.MIME, "text/html", "text/plain"}
    assert shown["text/plain"] == "NPS is <41>"
    assert "<strong>&lt;41&gt;</strong>" in shown["text/html"]
    assert json.dumps(shown[blocks.MIME])


def test_every_kind_of_block_can_be_laid_out():
    every = [
        blocks.Cover(title="T", facts=[("Seed", "1")]),
        blocks.Heading(text="H", topic="t"),
        blocks.Bullets(items=["a", [blocks.emphasis("b")]]),
        blocks.Callout(title="c", words="w", tone="warn"),
        blocks.Cards(cards=[blocks.Card(label="l", value="1", detail="d", note="n")]),
        blocks.Table(
            caption="t",
            columns=[blocks.Column(key="a", label="A")],
            rows=[{"a": "x", "_tone": "bad"}],
            marked="a",
        ),
        blocks.Picture(headline="p", svg_text="<svg/>", svg_path="<svg/>", caption="c", alt="a"),
        blocks.Preformatted(text="x  y"),
    ]
    for block in every:
        shown = block._repr_mimebundle_()
        assert shown["text/html"]
        assert shown["text/plain"]


def test_cells_become_text_and_unknown_keys_stay_out():
    table = blocks.Table(
        caption="c",
        columns=[blocks.Column(key="n", label="n"), blocks.Column(key="m", label="m")],
        rows=[{"n": 1, "customer_id": "C1"}],
    )
    assert table.to_dict()["rows"][0]["cells"] == ["1", ""]


def test_markdown_becomes_blocks_without_links_or_html():
    source = (
        "# Why\n\nA **b** *c* `d` [words](https://example.org) <b>raw</b>\n\n"
        "- one\n- two\n\n```\ncode\n```\n\n### deep"
    )
    found = blocks_of_markdown(source)
    assert [b["kind"] for b in found] == ["heading", "text", "bullets", "preformatted", "heading"]
    assert blocks.text_of(found[1]["runs"]) == "A b c d words <b>raw</b>"
    assert [run["style"] for run in found[1]["runs"] if run["text"] in "bcd"] == [
        "strong",
        "emphasis",
        "code",
    ]
    assert len(found[2]["items"]) == 2
    assert found[4]["level"] == 2


def test_a_figure_without_alternative_text_is_refused():
    with pytest.raises(ValueError, match=r"needs alt"):
        blocks.Picture(headline="h", svg_text="", svg_path="", caption="c", alt=" ")
