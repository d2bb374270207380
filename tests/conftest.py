"""What every test may use: where the real data lie, and a small company."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from company import Company, make_company  # noqa: E402


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of the real data sets; the test is skipped where there is none."""
    folder = Path(os.environ.get("CXMODEL_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(
            "no real data: set CXMODEL_DATA to the folder that holds olist, ravenstack, ..."
        )
    return folder.resolve()


@pytest.fixture(scope="session")
def company_tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pd.DataFrame]:
    """The tables of the small company, made once."""
    return make_company(tmp_path_factory.mktemp("company")).tables


@pytest.fixture
def company(tmp_path: Path, company_tables: dict[str, pd.DataFrame]) -> Company:
    """A small company whose tables a test may change before it writes them."""
    return Company(tmp_path, {name: table.copy() for name, table in company_tables.items()})
