"""The sections of the board report: each function takes results and gives blocks."""

from cxmodel.report.sections.checks import checks_section
from cxmodel.report.sections.churn import churn_section
from cxmodel.report.sections.cltv import cltv_section
from cxmodel.report.sections.data import data_section
from cxmodel.report.sections.kpis import kpi_section, service_section
from cxmodel.report.sections.lift import lift_section
from cxmodel.report.sections.method import method_section, reproducibility_section
from cxmodel.report.sections.missing import missing_section
from cxmodel.report.sections.programmes import programme_section
from cxmodel.report.sections.retention import retention_section
from cxmodel.report.sections.summary import cover, summary_section

__all__ = [
    "checks_section",
    "churn_section",
    "cltv_section",
    "cover",
    "data_section",
    "kpi_section",
    "lift_section",
    "method_section",
    "missing_section",
    "programme_section",
    "reproducibility_section",
    "retention_section",
    "service_section",
    "summary_section",
]
