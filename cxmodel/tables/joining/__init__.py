"""What each response is joined to: the parts of the observation table."""
