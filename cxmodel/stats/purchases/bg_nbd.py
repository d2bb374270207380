"""Poisson purchases, and after every repeat purchase a chance to leave: the BG/NBD model.

Fader, Hardie & Lee (2005), "Counting your customers" the easy way, Marketing Science 24(2).
"""

from __future__ import annotations

from functools import partial

from cxmodel.stats.purchases import beta_geometric as shared
from cxmodel.stats.purchases.family import Family

FIRST_TOSS = 0

FAMILY = Family(
    name="bg_nbd",
    title="BG/NBD",
    parameters=shared.PARAMETERS,
    purchase_scale=("alpha", -1.0),
    dropout_scales=(("a", 1.0), ("b", 1.0)),
    start=shared.start,
    log_likelihood=partial(shared.log_likelihood, first_toss=FIRST_TOSS),
    prob_alive=partial(shared.prob_alive, first_toss=FIRST_TOSS),
    expected=partial(shared.expected, first_toss=FIRST_TOSS),
    conditional=partial(shared.conditional, first_toss=FIRST_TOSS),
    residual=partial(shared.residual, first_toss=FIRST_TOSS),
    count_probability=partial(shared.count_probability, first_toss=FIRST_TOSS),
)
