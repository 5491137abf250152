"""A bundle: all policies of a moment in one file, which any web server can serve, and a signature beside it.

* `form` is the file: the head of a change, and the definitions that it led to.
* `envelope` is the signature: who vouches for which file, from when until when. Both are pure.
* `keys` makes and checks signatures. Nothing else imports `cryptography`.
* `web` asks a web server; `source` follows a bundle there, for replicas.

Nothing here imports Twisted.
"""

from cors_service.bundle.source import BundleSource as BundleSource
