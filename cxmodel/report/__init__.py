"""From results to a report that a board can read."""

from __future__ import annotations

from cxmodel.report.figures import write_figures
from cxmodel.report.render import render_report
from cxmodel.report.tables_csv import write_tables

__all__ = ["render_report", "write_figures", "write_tables"]
