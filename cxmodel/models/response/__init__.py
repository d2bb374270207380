"""Non-response: who answered, weights for those who did not, and how far to believe them."""
