"""Makes `cors-admin` known to twist and twistd. What it needs is imported when it is used."""

from twisted.application.service import ServiceMaker

corsAdmin = ServiceMaker(
    "cors-admin",
    "cors_service.tap_admin",
    "Changes the policies of a CORS policy service: over HTTP, with a ledger of all changes.",
    "cors-admin",
)
