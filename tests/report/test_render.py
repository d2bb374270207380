"""The files: HTML, PDF and the executed notebook, the same on every run, safe with any text."""

import base64
import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
import zlib

import pytest

from cxmodel.errors import CxModelWarning, ReportError
from cxmodel.report import fonts, render_report, sections
from cxmodel.report.blocks import Table, Text
from cxmodel.report.html import render_html
from cxmodel.report.notebook import inject, load_notebook
from cxmodel.report.pdf import render_pdf

from .test_sections import all_blocks


@pytest.fixture(scope="module")
def rendered(full_values, tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    (folder / "results.json").write_text(json.dumps(full_values), encoding="utf-8")
    return folder, [render_report(folder, folder / name) for name in ("first", "second")]


def data(blocks):
    return [block.to_dict() for block in blocks]


def words_of(pdf):
    """Text of the outline and of alternative texts; page text is encoded by font."""
    streams = re.findall(rb"stream\r?\n(.*?)endstream", pdf, re.DOTALL)
    plain = b""
    for stream in streams:
        try:
            plain += zlib.decompress(stream.strip())
        except zlib.error:
            continue
    return plain + pdf


def test_three_files_are_written(rendered):
    _, (first, _) = rendered
    assert [path.name for path in first] == ["report.html", "report.ipynb", "report.pdf"]


def test_two_runs_give_the_same_bytes(rendered):
    _, (first, second) = rendered
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes(), one.name


def test_nothing_points_to_this_machine_or_to_the_network(rendered):
    folder, (first, _) = rendered
    for path in first[:2]:
        text = path.read_text(encoding="utf-8")
        assert str(folder) not in text
        assert sys.prefix not in text
        without_fonts = re.sub(r"base64,[A-Za-z0-9+/=]+", "", text)
        assert not re.findall(r"(?:src|href)=\"(?!data:|#)[^\"]*", without_fonts)
        assert "<script" not in without_fonts


def test_the_page_is_one_small_file_under_a_strict_policy(rendered):
    _, (first, _) = rendered
    html = first[0].read_text(encoding="utf-8")
    assert "default-src &#39;none&#39;" in html or "default-src 'none'" in html
    assert "script-src" not in html
    assert len(html) < 1_500_000
    assert html.count("<h1") == 1
    assert '<html lang="en">' in html


def test_the_executed_notebook_has_no_times_and_stable_ids(rendered):
    _, (first, _) = rendered
    book = json.loads(first[1].read_text(encoding="utf-8"))
    assert [cell["id"] for cell in book["cells"]] == [
        f"cell-{place:03d}" for place in range(len(book["cells"]))
    ]
    assert "language_info" not in book["metadata"]
    assert all("execution" not in cell["metadata"] for cell in book["cells"])
    assert sum(len(cell.get("outputs", [])) for cell in book["cells"]) > 30


def test_the_pdf_is_accessible(rendered):
    _, (first, _) = rendered
    pdf = first[2].read_bytes()
    assert pdf.startswith(b"%PDF-")
    text = words_of(pdf)
    assert b"pdfuaid" in text
    assert b"/Outlines" in text
    assert b"/Lang" in text
    assert b"Dots with intervals" in text


def test_hostile_text_comes_out_as_text(values, helpers, quick_pictures):
    for text in helpers.HOSTILE:
        blocks = data(all_blocks(helpers.hostile(values, text)))
        html = render_html(blocks, title=text)
        body = re.sub(r"base64,[A-Za-z0-9+/=]+", "", html)
        assert "<script" not in body
        assert "<b>amp" not in body
        assert 'href="javascript' not in body
        assert "49" not in re.findall(r"<title>(.*?)</title>", body, re.DOTALL)[0]


@pytest.mark.parametrize("place", range(9))
def test_hostile_text_goes_through_the_pdf(values, helpers, place):
    text = helpers.HOSTILE[place]
    blocks = data(
        [
            *sections.cover(helpers.hostile(values, text)),
            Text(words=text),
            *sections.missing_section(helpers.hostile(values, text)),
        ]
    )
    assert render_pdf(blocks, title=text).startswith(b"%PDF-")


def test_characters_without_a_glyph_are_named_and_do_not_fail(values, helpers):
    blocks = data(sections.cover(helpers.hostile(values, "日本 😀")))
    with pytest.warns(CxModelWarning, match=r"U\+65E5, U\+672C, U\+1F600"):
        pdf = render_pdf(blocks, title="日本 😀")
    assert b"pdfuaid" not in words_of(pdf)
    assert "日本 😀" in render_html(blocks, title="日本 😀")


def test_control_characters_are_taken_out():
    html = render_html([Text(words="a\x00b\x07c").to_dict()], title="t\x00")
    assert "\x00" not in html
    assert "\x07" not in html


def test_a_long_table_repeats_its_header():
    rows = [{"n": str(place)} for place in range(120)]
    from cxmodel.report.blocks import Column

    table = Table(caption="Long", columns=[Column(key="n", label="Number")], rows=rows)
    assert render_pdf([table.to_dict()], title="t").startswith(b"%PDF-")


def test_the_web_font_is_the_font_in_another_container():
    font = fonts.font_file("Regular").read_bytes()
    packed = fonts.web_font("Regular")
    assert packed[:4] == b"wOFF"
    assert len(packed) < 0.7 * len(font)
    fonttools = pytest.importorskip("fontTools.ttLib")
    import io

    before = fonttools.TTFont(io.BytesIO(font))
    after = fonttools.TTFont(io.BytesIO(packed))
    assert {tag: before.reader[tag] for tag in before.reader.keys()} == {  # noqa: SIM118
        tag: after.reader[tag]
        for tag in after.reader.keys()  # noqa: SIM118
    }
    assert set(before.getBestCmap()) >= set(fonts.characters())
    assert ord("−") in fonts.characters()


def test_pictures_are_well_formed(values):
    for block in all_blocks(values):
        if block.kind == "figure":
            assert ET.fromstring(block.svg_path).tag.endswith("svg")  # noqa: S314 (our own)
            assert "<text" in block.svg_text
            assert "<text" not in block.svg_path


def test_our_notebook_takes_parameters(rendered, tmp_path):
    folder, _ = rendered
    written = render_report(
        folder, tmp_path, formats=(), parameters={"title": "Another <title>", "footer": "Foot"}
    )
    assert [path.name for path in written] == ["report.ipynb"]
    assert "Another <title>" in written[0].read_text(encoding="utf-8")


def test_a_notebook_of_the_users_own(rendered, tmp_path):
    folder, _ = rendered
    own = tmp_path / "mine.py"
    own.write_text(
        '# %% [markdown]\n# # Our words\n# with *stress*\n\n# %% tags=["parameters"]\nn = 1\n\n'
        "# %%\nfrom cxmodel.report.blocks import Text, show\nshow(Text(words=f'n is {n}'))\n\n"
        "# %%\n{'a': n}\n",
        encoding="utf-8",
    )
    written = render_report(folder, tmp_path / "out", notebook=own, parameters={"n": 7})
    assert [path.name for path in written] == ["mine.html", "mine.ipynb", "mine.pdf"]
    html = written[0].read_text(encoding="utf-8")
    assert "Our words" in html
    assert "<em>stress</em>" in html
    assert "n is 7" in html
    assert "{&#39;a&#39;: 7}" in html


# Errors


def test_a_failing_cell_writes_nothing(rendered, tmp_path):
    folder, _ = rendered
    bad = tmp_path / "bad.py"
    bad.write_text("# %%\n1 / 0\n", encoding="utf-8")
    out = tmp_path / "out"
    with pytest.raises(ReportError, match=r"Cell 1 .* ZeroDivisionError: division by zero"):
        render_report(folder, out, notebook=bad)
    assert not out.exists()


def test_an_unknown_parameter_is_an_error(rendered, tmp_path):
    folder, _ = rendered
    with pytest.raises(ReportError, match=r"no parameter 'titel'. Did you mean 'title'\?"):
        render_report(folder, tmp_path, parameters={"titel": "x"})


def test_a_parameter_that_is_no_plain_value_is_an_error():
    with pytest.raises(ReportError, match=r"'title' is a object"):
        inject(load_notebook(), {"title": object()})


def test_an_unknown_notebook_is_named_with_the_nearest():
    with pytest.raises(ReportError, match=r"Did you mean 'board_report'\?"):
        load_notebook("board_reprot")


def test_results_that_are_missing_or_broken_are_refused(tmp_path):
    with pytest.raises(ReportError, match=r"results.json is not in the folder"):
        render_report(tmp_path, tmp_path)
    (tmp_path / "results.json").write_text("{", encoding="utf-8")
    with pytest.raises(ReportError, match=r"cannot be read"):
        render_report(tmp_path, tmp_path)
    (tmp_path / "results.json").write_text("[]", encoding="utf-8")
    with pytest.raises(ReportError, match=r"no results file"):
        render_report(tmp_path, tmp_path)


def test_an_unknown_format_is_refused(rendered, tmp_path):
    folder, _ = rendered
    with pytest.raises(ValueError, match=r"Unknown format 'docx'"):
        render_report(folder, tmp_path, formats=("docx",))


def test_reports_load_nothing_heavy_until_asked():
    code = (
        "import sys, cxmodel.report; "
        "print([m for m in ('pandas','matplotlib','typst','nbclient','sklearn','ibis') "
        "if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_font_goes_into_the_page_whole():
    html = render_html([Text(words="x").to_dict()], title="t")
    packed = base64.b64encode(fonts.web_font("Semibold")).decode()
    assert packed in html
