"""Files: CSV read as text by a header of our own reading, Parquet, Excel; every trouble named."""

from __future__ import annotations

import datetime as dt
import gzip
from collections.abc import Iterator
from pathlib import Path

import openpyxl
import pandas as pd
import pytest

from cxmodel.errors import SchemaError, SourceError
from cxmodel.scales import CSAT5
from cxmodel.tables.engines.engine import Session, connect
from cxmodel.tables.sources import Source, open_sources
from cxmodel.tables.specs import RatingSpec, SourceSpec

RATINGS = {"csat": RatingSpec("score", CSAT5)}


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with connect() as opened:
        yield opened


@pytest.fixture
def read(session: Session, tmp_path: Path):
    def open_one(name: str, content: bytes | None = None, **options) -> Source:
        if content is not None:
            (tmp_path / name).write_bytes(content)
        spec = SourceSpec(kind="surveys", data=name, ratings=RATINGS, **options)
        return open_sources([spec], session, base_dir=tmp_path).by_kind["surveys"]

    return open_one


def rows(source: Source) -> list[tuple]:
    frame = source.to_frame().sort_values("row_number")
    return list(zip(frame.customer_id, frame.rating_csat, strict=True))


# -- by hand ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        b"customer_id,score\na,5\nb,1\n",
        b"\xef\xbb\xbfcustomer_id,score\r\na,5\r\nb,1",
        b"customer_id;score\na;5\nb;1\n",
        b"score\tcustomer_id\n5\ta\n1\tb\n",
        b'"customer_id","score"\n"a","5"\n"b","1"\n\n',
    ],
)
def test_csv_of_every_make(read, content):
    assert rows(read("answers.csv", content)) == [("a", 5.0), ("b", 1.0)]


def test_ids_stay_exactly_as_they_stand(read):
    content = 'customer_id,score\n007,5\n"1e5",4\n 12 ,3\n12.0,3\n12345678901234567890,1\nÄ😀,2\n'
    found = rows(read("ids.csv", content.encode()))
    assert [key for key, _ in found] == [
        "007",
        "1e5",
        " 12 ",
        "12.0",
        "12345678901234567890",
        "Ä😀",
    ]


def test_texts_may_hold_line_breaks_quotes_and_delimiters(read):
    content = b'customer_id,score,comment\na,5,"so\n""good"", really"\nb,1,=cmd()\n'
    source = read("texts.csv", content)
    assert source.to_frame().comment.tolist() == ['so\n"good", really', "=cmd()"]


def test_columns_may_have_any_name(read):
    content = 'select,"a\'b ""c"" 😀;--",score,ID,id,\n1,<script>,5,x,y,\n'.encode()
    source = read(
        "names.csv",
        content,
        columns={"customer_id": "select"},
        attributes=('a\'b "c" 😀;--', "id"),
    )
    frame = source.to_frame()
    assert frame['a\'b "c" 😀;--'].tolist() == ["<script>"]
    assert (frame.customer_id.tolist(), frame.id.tolist()) == (["1"], ["y"])


def test_a_glob_takes_its_files_in_order_of_name(read, tmp_path):
    (tmp_path / "part_2.csv").write_text("customer_id,score\nb,1\n")
    (tmp_path / "part_1.csv").write_text("customer_id,score\na,5\n")
    assert rows(read("part_*.csv")) == [("a", 5.0), ("b", 1.0)]


def test_compressed_csv_and_parquet(read, tmp_path):
    frame = pd.DataFrame({"customer_id": ["a", "b"], "score": [5, 1]})
    frame.to_parquet(tmp_path / "answers [1].parquet")
    assert rows(read("answers [1].parquet")) == [("a", 5.0), ("b", 1.0)]
    zipped = gzip.compress(b"customer_id,score\na,5\n")
    assert rows(read("answers.csv.gz", zipped)) == [("a", 5.0)]


def make_excel(path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.title = "Notes"
    book.active.append(["read", "me"])
    book.active.append(["a", "b"])
    sheet = book.create_sheet("Answers")
    sheet.append([None, None])
    sheet.append(["customer_id", "score", "responded_at", "mixed"])
    sheet.append([7, 5, dt.datetime(2026, 1, 5, 8, 30), dt.datetime(2026, 1, 5)])
    sheet.append([8, None, dt.date(2026, 1, 6), 3.0])
    book.save(path)


def test_excel_by_sheet(read, tmp_path):
    make_excel(tmp_path / "book.xlsx")
    frame = read("book.xlsx", sheet="Answers", attributes=("mixed",)).to_frame()
    assert frame.customer_id.tolist() == ["7", "8"]
    assert [str(at) for at in frame.responded_at] == ["2026-01-05 08:30:00", "2026-01-06 00:00:00"]
    assert frame.mixed.tolist() == ["2026-01-05 00:00:00", "3"]
    assert frame.rating_csat.isna().tolist() == [False, True]


# -- errors ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.csv", b"", r"^x\.csv is empty \(0 bytes\)"),
        ("x.csv", b"customer_id,score\n", r"sources\.surveys \(x\.csv\) has no rows"),
        ("x.csv", b"\n", r"x\.csv has no header in its first line"),
        ("x.csv", b"score,score\n1,1\n", r"has the column 'score' 2 times"),
        ("x.csv", b"\x00\x01binary", r"x\.csv is not text, so no CSV file"),
        ("x.csv", "customer_id,score\n".encode("utf-16"), r"is UTF-16 text\. Save it as UTF-8"),
        ("x.csv", "customer_id,score\nä,5\n".encode("latin-1"), r"not UTF-8 text \(line 2\)"),
        (
            "x.csv",
            b"customer_id,score,n\na,5,1\nb,",
            r"\(x\.csv\), line 3, has 2 columns where the header has 3\. The file looks cut off",
        ),
        ("x.csv", b"customer_id,score\na,5\nb,1,2\n", r"Quote texts that hold the delimiter"),
        ("x.csv", b'customer_id,score\na,5\n"b,1\n', r"quotation mark that is never closed"),
        ("x.parquet", b"PAR1 and no more of it", r"x\.parquet cannot be read: .*cut off"),
        ("x.xlsx", b"PK no book", r"x\.xlsx is not a readable Excel file"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(read, name, content, message):
    with pytest.raises(SourceError, match=message):
        read(name, content)


def test_bytes_that_are_no_text_are_found_wherever_they_stand(read):
    content = b"customer_id,score\n" + b"a,5\n" * 40_000 + b"\xe9,1\n"
    with pytest.raises(SourceError, match=r"not UTF-8 text \(line 40,?00[12]\)"):
        read("late.csv", content)


def test_missing_files_name_the_nearest(read, tmp_path):
    (tmp_path / "survey.csv").write_text("customer_id,score\na,5\n")
    with pytest.raises(
        SourceError, match=r"^surveys\.csv does not exist\. Did you mean 'survey\.csv'"
    ):
        read("surveys.csv")
    with pytest.raises(SourceError, match=r"^no/x\.csv does not exist, nor does its folder"):
        read("no/x.csv")
    with pytest.raises(SourceError, match=r"^No file matches none\*\.csv"):
        read("none*.csv")
    (tmp_path / "folder").mkdir()
    with pytest.raises(SourceError, match=r"^folder is a folder"):
        read("folder")


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_files_of_a_glob_must_be_alike(read, tmp_path, suffix):
    for name, column in (("p1", "score"), ("p2", "stars")):
        frame = pd.DataFrame({"customer_id": ["a"], column: [5]})
        path = tmp_path / f"{name}.{suffix}"
        frame.to_csv(path, index=False) if suffix == "csv" else frame.to_parquet(path)
    with pytest.raises(
        SourceError, match=r"p2\.\w+ does not have the columns of p1.*lacks 'score'"
    ):
        read(f"p*.{suffix}")


def test_sheets_are_named(read, tmp_path):
    make_excel(tmp_path / "book.xlsx")
    with pytest.raises(
        SourceError, match=r"no sheet 'Answer', but 'Notes', 'Answers'\. Did you mean"
    ):
        read("book.xlsx", sheet="Answer")
    with pytest.raises(SchemaError, match=r"no column 'score'.*Other sheets: 'Answers'"):
        read("book.xlsx")
    with pytest.raises(SourceError, match=r"no Excel file, so it has no sheet"):
        read("x.csv", b"customer_id,score\na,1\n", sheet="Answers")
