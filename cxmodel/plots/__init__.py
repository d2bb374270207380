"""Figures from plain frames; the only folder that imports matplotlib."""
