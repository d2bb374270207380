"""Times as text, in zones, and as days of a calendar."""
