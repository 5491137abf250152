"""What this project is tested with, for whoever tests an integration of it.

* :mod:`cors_service.testing.strategies` has hypothesis strategies: documents, requests of pages that a document
  barely allows or barely refuses, the queries they make, origin patterns, and origins close to a pattern. It
  needs the extra ``testing``.
* :mod:`cors_service.testing.client` has a double of the client, which decides by a document in memory, remembers what
  it was asked, and can be told to be down.
* The rest needs nothing else. What is drawn is a function of a ``random.Random``, so a run is repeated by its
  seed: :func:`draw_document`, and :class:`Neighbourhood`, which draws an :class:`Exchange`.

To run a policy of your own against your own integration::

    near = Neighbourhood(tomllib.loads(text), "catalogue", "https://api.example.com/catalogue/7")
    exchange = near.draw_exchange(Random(seed))
"""

from cors_service.testing._exchanges import Exchange, Neighbourhood
from cors_service.testing.documents import draw_document

__all__ = ["Exchange", "Neighbourhood", "draw_document"]
