"""Every response and all the money accounted for."""
