"""What the tests of scoring share."""

from __future__ import annotations

import pytest
from stored_models import by_hand, fitted

from cxmodel.models.churn.result import ChurnResult
from cxmodel.models.churn.stored import StoredChurnModel
from cxmodel.tables.observation_table import Observations


@pytest.fixture(scope="session")
def hand_model() -> StoredChurnModel:
    return by_hand()


@pytest.fixture(scope="session", params=["logistic", "gradient_boosting"])
def fit(request: pytest.FixtureRequest) -> tuple[Observations, ChurnResult, StoredChurnModel]:
    return fitted(request.param)


@pytest.fixture(scope="session")
def linear_fit() -> tuple[Observations, ChurnResult, StoredChurnModel]:
    return fitted("logistic")
