"""The tools that this project is tested with, for tests of your own integration.

* :mod:`cors_service.testing.strategies` has hypothesis strategies: documents, requests from pages that a document
  barely allows or barely refuses, their queries, origin patterns, and origins close to a pattern. It needs the extra
  ``testing``.
* :mod:`cors_service.testing.client` has a double of the client, which decides by a document in memory, records its
  queries, and can simulate an outage.
* The rest needs nothing else: :func:`draw_document`, and :class:`Neighbourhood`, which draws an :class:`Exchange`.
  Both take a ``random.Random``, so the same seed repeats a run.

To try your own policy with your own integration::

    near = Neighbourhood(tomllib.loads(text), "catalogue", "https://api.example.com/catalogue/7")
    exchange = near.draw_exchange(Random(seed))
"""

from cors_service.testing._exchanges import Exchange, Neighbourhood
from cors_service.testing.documents import draw_document

__all__ = ["Exchange", "Neighbourhood", "draw_document"]
