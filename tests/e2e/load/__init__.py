"""The service as a process of its own, under load: while policies change, while it is killed, while it stops."""
