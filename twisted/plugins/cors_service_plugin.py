"""Makes `cors` known to twist and twistd. Nothing is imported before it is run."""

from twisted.application.service import ServiceMaker

corsService = ServiceMaker(
    "cors-service",
    "cors_service.tap",
    "A CORS policy service: says which web origins may call which services, and the headers to emit.",
    "cors",
)
