"""One service that says which web origins may call which services, and the exact CORS headers to emit.

`cors_service.policy` reads policy documents, `cors_service.decision` decides, `cors_service.store` keeps the
active policies, `cors_service.web` answers over HTTP. The first two need no Twisted.
"""

__version__ = "0.1.0"
