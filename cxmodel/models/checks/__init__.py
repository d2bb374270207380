"""Attempts to prove the lift wrong, one file each."""
