"""From results to a report that a board can read."""
