"""Arrays in, numbers out. Nothing here knows what a customer is."""
