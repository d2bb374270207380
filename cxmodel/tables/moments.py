"""Moments: observations reduced where they lie, to what a regression needs and no more.

Three reductions, each with the same bits for any order of rows and any number of threads:

- `count_cells`: one row for each combination of rating and categorical controls;
- `cross_products`: for continuous controls, with `robust_meat` as a second pass;
- `within_customers` and `clustered_meat`: by customer first.

`complete_rows` looks at the columns once, before all of them; `choose_route` says which to take,
and why. Quantiles, trees and bootstraps of rows need the rows and are not to be had from moments.
"""

from __future__ import annotations

from cxmodel.tables.reduction.by_customer import (
    CustomerCounts,
    WithinMoments,
    clustered_meat,
    count_customers,
    within_customers,
)
from cxmodel.tables.reduction.cells import (
    MAX_CELLS,
    Cells,
    OutcomeSums,
    PairSums,
    count_cells,
)
from cxmodel.tables.reduction.cross_products import (
    MAX_COLUMNS,
    CrossProducts,
    cross_products,
)
from cxmodel.tables.reduction.design import (
    Centred,
    Intercept,
    Level,
    Numeric,
    Product,
    Term,
    dummies,
    interacted_design,
)
from cxmodel.tables.reduction.route import Need, Route, choose_route
from cxmodel.tables.reduction.rows import CompleteRows, Range, complete_rows, levels_of
from cxmodel.tables.reduction.second_pass import Meat, Step, likelihood_step, robust_meat
from cxmodel.tables.reduction.solving import Solution, solve
from cxmodel.tables.reduction.standard import StandardDesign

__all__ = [
    "MAX_CELLS",
    "MAX_COLUMNS",
    "Cells",
    "Centred",
    "CompleteRows",
    "CrossProducts",
    "CustomerCounts",
    "Intercept",
    "Level",
    "Meat",
    "Need",
    "Numeric",
    "OutcomeSums",
    "PairSums",
    "Product",
    "Range",
    "Route",
    "Solution",
    "StandardDesign",
    "Step",
    "Term",
    "WithinMoments",
    "choose_route",
    "clustered_meat",
    "complete_rows",
    "count_cells",
    "count_customers",
    "cross_products",
    "dummies",
    "interacted_design",
    "levels_of",
    "likelihood_step",
    "robust_meat",
    "solve",
    "within_customers",
]
