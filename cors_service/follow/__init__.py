"""Follows a store of policies, in a process of its own: processes that decide import nothing that talks to a store.

* `store` says which store, and how closely it is followed; `events` has what is found out about it.
* `follower` asks the store, in a thread that may block; `followed` makes policies of what that finds, and serves a set
  only if its revision is the one that the store names.
* `starting` reads a store for a start; `python -m cors_service.follow` is the process.

Nothing here imports Twisted.
"""
