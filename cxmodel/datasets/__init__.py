"""Simulated companies whose truth is known."""

from cxmodel.datasets.comparison import compare_with_truth
from cxmodel.datasets.purchase_business import PurchaseBusiness, simulate_purchases
from cxmodel.datasets.simulation import Simulation, simulate
from cxmodel.datasets.worlds import WORLDS, World

__all__ = [
    "WORLDS",
    "PurchaseBusiness",
    "Simulation",
    "World",
    "compare_with_truth",
    "simulate",
    "simulate_purchases",
]
