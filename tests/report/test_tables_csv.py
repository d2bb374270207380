"""Tables as CSV: safe in a spreadsheet, numbers still numbers."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxmodel.errors import OutputError
from cxmodel.report import write_figures, write_tables
from cxmodel.report.tables_csv import safe_cell, tables, to_csv


def read(path):
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_every_table_of_the_results_is_written(values, tmp_path):
    names = {path.stem for path in write_tables(values, tmp_path)}
    assert names >= {
        "kpis",
        "lift_revenue",
        "lift_retention",
        "lift_revenue_by_rating",
        "checks",
        "churn_metrics",
        "churn_leaks",
        "retention_curve",
        "cltv_by_band",
        "programmes",
        "programmes_cash_flow",
        "audit_dropped",
        "audit_not_used",
        "inputs",
        "not_run",
    }
    lift = read(tmp_path / "lift_revenue.csv")
    head = next(row for row in lift if row["term"] == "per_rating_point")
    assert float(head["estimate"]) == values["lift"]["revenue"]["per_rating_point"]["estimate"]
    assert head["unit"] == "USD per rating point per customer per 180 days"


def test_formulas_become_text_and_numbers_stay(values, helpers, tmp_path):
    write_tables(helpers.hostile(values, "=cmd()|'/c calc'!A1"), tmp_path)
    programme = read(tmp_path / "programmes.csv")[0]
    assert programme["name"] == "'=cmd()|'/c calc'!A1"
    loss = read(tmp_path / "programmes.csv")[2]
    assert float(loss["npv"]) == -88_000.0
    group = read(tmp_path / "lift_revenue_by_group.csv")[0]["group"]
    assert group.startswith("'=")


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\r"])
def test_each_sign_that_begins_a_formula_is_held_off(sign):
    assert safe_cell(f"{sign}1+1").startswith("'")
    assert safe_cell(f" {sign}=1+1").startswith("'")
    assert "\r" not in safe_cell(f"a{sign}b")


def test_parts_that_were_not_run_have_no_table(values, helpers, tmp_path):
    changed = helpers.without(values, lift="no customers", churn="no customers")
    names = {path.stem for path in write_tables(changed, tmp_path)}
    assert "lift_revenue" not in names
    assert "churn_metrics" not in names
    assert {"what": "lift", "reason": "no customers"} in read(tmp_path / "not_run.csv")


def test_the_same_results_give_the_same_figures(values, tmp_path):
    first = write_figures(values, tmp_path / "a")
    second = write_figures(values, tmp_path / "b")
    assert [path.name for path in first] == [path.name for path in second]
    assert len(first) >= 12
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()
        assert b"<dc:date>" not in one.read_bytes()


def test_suppressed_rows_hold_no_number(values):
    hidden = [row for row in tables(values)["kpis"] if row["suppressed"]]
    assert hidden
    assert all(row["estimate"] is None and row["n_obs"] is None for row in hidden)


CELLS = st.one_of(st.text(max_size=20), st.floats(), st.integers())


@given(st.lists(st.dictionaries(st.text(max_size=12), CELLS, max_size=4), max_size=5))
def test_no_cell_of_text_begins_a_formula(rows):
    for line in csv.reader(io.StringIO(to_csv(rows), newline="")):
        for cell in line:
            try:
                float(cell)
            except ValueError:
                assert not cell.lstrip().startswith(("=", "+", "-", "@"))


def test_a_folder_that_cannot_be_written_is_refused(values, tmp_path):
    (tmp_path / "file").write_text("x", encoding="utf-8")
    for write in (write_tables, write_figures):
        with pytest.raises(OutputError, match=r"cannot be written"):
            write(values, tmp_path / "file")
