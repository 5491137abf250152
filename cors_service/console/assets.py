"""The files that the browser loads beside a page: each has its hash in its name, and never changes."""

from __future__ import annotations

import hashlib
from importlib.resources import files
from pathlib import PurePosixPath
from typing import Final

from msgspec import Struct
from twisted.web.iweb import IRequest
from twisted.web.resource import Resource

from cors_service.admin.desk import Desk
from cors_service.admin.endpoint import DeskEndpoint, parameters
from cors_service.web.answer import Answer
from cors_service.web.endpoint import NotFound
from cors_service.web.request import AnyRequest

SEGMENT: Final = "static"
"""Where they are."""

_MEDIA_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_HEADERS: Final = {
    "Cache-Control": "public, max-age=31536000, immutable",
    "Cross-Origin-Resource-Policy": "same-origin",
    # An image can be opened as a page.
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
_DIGITS: Final = 16


class Asset(Struct, frozen=True):
    """A file.

    Attributes:
        name: With its hash.
        media_type: What it is.
        content: What is in it.
    """

    name: str
    media_type: str
    content: bytes

    @classmethod
    def read(cls, name: str) -> Asset:
        """Read a file of the package."""
        path, content = PurePosixPath(name), files("cors_service.console").joinpath("static", name).read_bytes()
        digest = hashlib.sha256(content).hexdigest()[:_DIGITS]
        return cls(f"{path.stem}.{digest}{path.suffix}", _MEDIA_TYPES[path.suffix], content)

    @property
    def url(self) -> str:
        """Where a page finds it."""
        return f"/{SEGMENT}/{self.name}"


ASSETS: Final = {
    name: Asset.read(name)
    for name in ("console.css", "htmx.min.js", "icon.svg", "live.js", "uplot.min.css", "uplot.min.js")
}
"""By the names that they have in the package."""
_BY_NAME: Final = {asset.name: asset for asset in ASSETS.values()}


class AssetsEndpoint(NotFound):
    """All of them."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk.ids)
        self._desk = desk

    def getChild(self, path: bytes, request: IRequest) -> Resource:
        """One of them by its name."""
        asset = _BY_NAME.get(path.decode("ascii", "replace"))
        return self.nothing() if asset is None or request.postpath else AssetEndpoint(self._desk, asset)


class AssetEndpoint(DeskEndpoint):
    """One of them; it is the same for everybody."""

    def __init__(self, desk: Desk, asset: Asset) -> None:
        super().__init__(desk)
        self._asset = asset

    def answer_GET(self, request: AnyRequest) -> Answer:
        """Give it."""
        parameters(request)
        return Answer(200, self._asset.media_type, self._asset.content, _HEADERS)
