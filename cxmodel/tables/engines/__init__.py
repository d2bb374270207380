"""Where tables live: the embedded engine, a server, a cluster."""
