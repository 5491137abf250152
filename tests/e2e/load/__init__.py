"""The service as its own process under load: while policies change, while it is killed, while it stops."""
