"""Observations reduced where they lie: exact sums, cells, cross-products, sums by customer."""
