"""What a change of policies newly lets through, and what it no longer does: exact, each with a query that shows it.

A set of policies divides all origins into finitely many classes that it cannot tell apart: by the scheme, the tree of
labels, the free parts of globs, intervals of ports and of addresses, the states of expressions, what `match` binds;
and `null`, `file://`, what is malformed. One origin of each class of two sets together is decided by both, with each
method and header name that they can tell apart. So no difference is missed, and none is invented, since each comes
with a query that was decided.

* `_places` and `_labels` divide hosts, `_extents` ports, `_addresses` addresses, `_walk` all of them by expressions.
* `_questions` says which methods and headers to ask about, `_effects` what two decisions about a query differ in.
* `_authorities` divides the hosts and ports of URLs, `_paths` their paths; `_where` says which matter to an origin.
* `_policies` compares two policies, `_urls` which policy a URL finds, `_guards` what guards let pass.
* `neighbours` says which other matches the effect of a change depends on.

Where it would take too long to try all classes, the comparison says that it does not know, and never that nothing
differs: see `Unknown`.

Pure: nothing here imports Twisted, reads a clock, opens a file or logs.
"""

from cors_service.algebra._values import Comparison, Difference, Unknown
from cors_service.algebra.comparison import compare

__all__ = ["Comparison", "Difference", "Unknown", "compare"]
