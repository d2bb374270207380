"""What a customer is worth, and what a rating point adds to it."""
