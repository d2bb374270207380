"""How long customers stay: observed curves, hazards, and models that go on beyond the data."""
