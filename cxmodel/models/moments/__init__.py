"""Regressions on reduced tables: cells, cross-products and sums by customer in place of rows."""
