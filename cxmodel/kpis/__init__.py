"""The headline figures of surveys, service and customers, with their intervals."""
