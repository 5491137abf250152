"""From sources of policies to changes, in a process of its own and without Twisted."""
