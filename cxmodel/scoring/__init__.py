"""Probabilities for jobs: stored models, files larger than memory, engines, and drift."""
