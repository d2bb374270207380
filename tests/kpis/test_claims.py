"""Readings of published claims: kpis.md B, R7 to R10, R13 and R14."""

from __future__ import annotations

import pytest

from cxmodel.kpis.claims import (
    compare_shares,
    constant_retention_years,
    implied_base,
    ratio_of_percent_more,
    renewal_readings,
    retention_for_years,
)

# -- worked by hand ------------------------------------------------------------------------------


def test_fifty_percent_more_often_is_a_ratio():
    # R7: 60% against 40% is a relative risk of 1.5 and 20 points, not 50
    contrast = compare_shares(0.6, 0.4)
    assert contrast.relative_risk == pytest.approx(ratio_of_percent_more(50))
    assert contrast.difference_points == pytest.approx(20)


def test_percent_more_as_ratios():
    # R8: 20% more is 1.20; R13: 140% more is 2.40
    assert (ratio_of_percent_more(20), ratio_of_percent_more(140)) == pytest.approx((1.2, 2.4))


def test_members_after_a_year():
    # R14: 74% against 43%: 31 points, RR 1.7209, OR 3.7728; 3.85 and 1.75 years; six years .8333
    contrast = compare_shares(0.74, 0.43)
    assert contrast.difference_points == pytest.approx(31)
    assert contrast.relative_risk == pytest.approx(1.7209, abs=5e-5)
    assert contrast.odds_ratio == pytest.approx(3.7728, abs=5e-5)
    years = constant_retention_years(0.74), constant_retention_years(0.43)
    assert years == pytest.approx((3.85, 1.75), abs=5e-3)
    assert retention_for_years(6) == pytest.approx(0.8333, abs=5e-5)


def test_five_points_of_csat_and_two_percent_of_renewal():
    # R9: +15 is +6 points; relative to 70%: +4.2 points added, x 1.02^3 = +6.1208% compounded
    readings = renewal_readings(15, step_points=5, percent_per_step=2, base_percent=70)
    assert readings.points == pytest.approx(6)
    assert readings.relative_added_points == pytest.approx(4.2)
    assert readings.relative_compounded_percent == pytest.approx(6.1208, abs=5e-7)


def test_what_3_2_million_implies():
    # R10: $53.33M as points, $76.19M relative to 70%, $74.69M compounded; per CSAT point $213,333,
    # per renewal point $533,333
    readings = renewal_readings(15, step_points=5, percent_per_step=2, base_percent=70)
    gained = (readings.points, readings.relative_added_points, readings.compounded_points(70))
    bases = [implied_base(3.2e6, renewal_points=points) / 1e6 for points in gained]
    assert bases == pytest.approx([53.33, 76.19, 74.69], abs=5e-3)
    per_point = 3.2e6 / 15
    assert per_point == pytest.approx(213_333, abs=0.5)
    assert implied_base(3.2e6, renewal_points=6) / 100 == pytest.approx(533_333, abs=0.5)


# -- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: compare_shares(0.5, 1.0), "strictly between"),
        (lambda: implied_base(1, renewal_points=0), "must not be 0"),
        (lambda: constant_retention_years(1), r"\[0, 1\)"),
        (lambda: retention_for_years(0.5), "1 or more"),
        (
            lambda: renewal_readings(1, step_points=0, percent_per_step=1, base_percent=1),
            "must not be 0",
        ),
    ],
)
def test_impossible_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()
