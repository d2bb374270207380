"""Reasons to doubt a lift, each tried: one file a check."""
