"""Customers without a contract: whether they are still there, and what they will buy."""
