"""One listening socket served by several processes: a supervisor, and what a worker needs."""
