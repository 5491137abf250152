"""What every page is made of: who looks at it, what it answers, how errors look."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import ClassVar, Final, cast
from urllib.parse import parse_qsl, quote

import htpy as h
from twisted.web.iweb import IRequest

from cors_service.access.callers import Caller
from cors_service.admin.endpoint import AdminEndpoint
from cors_service.console.console import Console
from cors_service.console.layout import HEADERS, MEDIA_TYPE, Frame, document, fragment_of
from cors_service.console.parts import notice
from cors_service.console.sign_in_form import SIGN_IN, sign_in_form
from cors_service.console.viewers import callers_of, has_session
from cors_service.web.answer import Answer
from cors_service.web.endpoint import Endpoint, NotFound
from cors_service.web.later import Later
from cors_service.web.problem import Problem
from cors_service.web.request import AnyRequest

HTMX: Final = b"hx-request"
"""The header of a request for a part of a page."""

_FORM: Final = b"application/x-www-form-urlencoded"
_MOST_FIELDS: Final = 200
MOST_KEPT: Final = 2 * 1024 * 1024
"""Bytes of a form that are kept for somebody who has to sign in again."""
_CROSS_SITE: Final = [b"cross-site"]
# A path of this process: two slashes or a backslash would lead elsewhere.
_PATH: Final = re.compile(r"/(?![/\\])[!-~]*")
_TITLES: Final = {
    403: "Not allowed",
    404: "Not found",
    409: "Not possible now",
    412: "Changed meanwhile",
    413: "Too large",
    429: "Too many attempts",
    503: "Not available",
}


class Page(AdminEndpoint):
    """A page for people who are signed in.

    Sub-classes define `answer_GET` and `answer_POST` as those of `AdminEndpoint` do, and answer with `draw`,
    `draw_part` or `see_other`, or raise `Problem`.

    Attributes:
        section: The path of the link that leads there.
        scripts: The names of the files that it needs beside what every page has.
        styles: The same of style sheets.
        console: What it has in common with the others.
    """

    section: ClassVar[str] = ""
    scripts: ClassVar[tuple[str, ...]] = ()
    styles: ClassVar[tuple[str, ...]] = ()

    def __init__(self, console: Console) -> None:
        """Make one.

        Args:
            console: What it has in common with the others.
        """
        super().__init__(console.desk)
        self.console = console

    def known(self, request: AnyRequest) -> list[Caller]:
        """Who looks at it."""
        return callers_of(self.console, request)

    def check_sender(self, request: AnyRequest) -> None:
        """Take what is sent from pages of this process alone.

        Raises:
            Problem: Another page sent it, or something that does not say where it comes from, as browsers do.
        """
        super().check_sender(request)
        headers = request.requestHeaders
        if not (headers.hasHeader(b"origin") or headers.hasHeader(b"sec-fetch-site")):
            raise Problem(403, "cross-site", "Only a page of this console may send this; programs use /admin/v1.")

    def draw(
        self, request: AnyRequest, title: str, *content: h.Node, status: int = 200, then: str | None = None
    ) -> Answer:
        """Answer with a page.

        Args:
            request: What is answered.
            title: That of the page.
            content: What is on it.
            status: The status of the answer.
            then: Where to go at once; None to stay.
        """
        known = callers_of(self.console, request, is_use=False)
        frame = Frame(
            title=title,
            sections=self.console.sections if known else (),
            section=self.section,
            viewer=known[0].name if known else None,
            can_sign_out=has_session(self.console, request),
            scripts=self.scripts,
            styles=self.styles,
            then=then,
        )
        return Answer(status, MEDIA_TYPE, document(frame, *content), dict(HEADERS))

    def draw_part(self, *content: h.Node, status: int = 200) -> Answer:
        """Answer with a part of a page, which replaces another."""
        return Answer(status, MEDIA_TYPE, fragment_of(*content), dict(HEADERS))

    def draw_sign_in(self, request: AnyRequest, *, then: str, kept: str = "", wrong: bool = False) -> Answer:
        """Ask for a token.

        Args:
            request: What is answered.
            then: Where to go after it.
            kept: The form that somebody sent after the end of a session, as its body; empty for none.
            wrong: Whether a token was shown that nobody has.
        """
        content = sign_in_form(own_path(then), kept, wrong=wrong)
        return self.draw(request, "Sign in", content, status=401 if kept or wrong else 200)

    def _refusal(self, request: AnyRequest | IRequest, error: Exception) -> Answer:
        problem, asked = self._problem(request, error), cast(AnyRequest, request)
        if problem.status == 401:
            return self._signed_out(asked)
        answer = self.draw_problem(asked, problem)
        answer.headers |= problem.headers
        return answer

    def draw_problem(self, request: AnyRequest, problem: Problem) -> Answer:
        """Answer with what is wrong."""
        said = notice("bad", problem.detail, role="alert")
        if is_part(request):
            return self.draw_part(said, status=problem.status)
        title = _TITLES.get(problem.status, "That did not work")
        return self.draw(request, title, said, h.p[h.a(href="/")["To the overview"]], status=problem.status)

    def _signed_out(self, request: AnyRequest) -> Answer:
        """Have somebody sign in, and come back."""
        if is_part(request):
            return self.draw_part(
                notice("bad", "Your session has ended. ", h.a(href=SIGN_IN)["Sign in"], " again."), status=401
            )
        if request.method not in {b"GET", b"HEAD"}:
            return self._keep(request)
        uri = request.uri.decode("ascii", "replace")
        there = f"{SIGN_IN}?next={quote(uri, safe='/')}"
        if request.requestHeaders.getRawHeaders(b"sec-fetch-site") == _CROSS_SITE:
            # A link from elsewhere comes without the cookie, which is there nevertheless. From this page it is sent.
            return self.draw(request, "One moment", h.p[h.a(href=there)["Go on"]], then=there)
        return see_other(there)

    def _keep(self, request: AnyRequest) -> Answer:
        """Ask for a sign-in, and keep what was typed until it is done."""
        try:
            kept = form_body(request, MOST_KEPT)
        except Problem as problem:
            return self.draw_problem(request, problem)
        return self.draw_sign_in(request, then=request.uri.decode("ascii", "replace"), kept=kept)

    def nothing(self) -> NotFound:
        """Give what answers where no page is."""
        return NowherePage(self.console)


class OpenPage(Page):
    """A page for people who need not be signed in; its methods take a request alone."""

    def _method_for(self, method: str) -> Callable[[AnyRequest], Answer | Later]:
        return Endpoint._method_for(self, method)


class NowherePage(NotFound):
    """Answers where no page is: people with a page, and programs as the API does."""

    def __init__(self, console: Console) -> None:
        super().__init__(console.desk.ids)
        self._page = Page(console)

    def getChild(self, path: bytes, request: IRequest) -> NowherePage:
        """Beneath it, there is nothing either."""
        return self

    def answer(self, request: AnyRequest) -> Answer:
        """Answer any method with 404."""
        answer = super().answer(request)
        if not any(b"text/html" in line for line in request.requestHeaders.getRawHeaders(b"accept") or ()):
            return answer
        return self._page.draw_problem(request, Problem(answer.status, "not-found", "There is nothing at this path."))


def see_other(path: str, **headers: str) -> Answer:
    """Answer with the address of another page.

    Args:
        path: A path of this process.
        headers: Further ones; underscores in their names stand for hyphens.
    """
    found = {**HEADERS, "Location": path, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return Answer(303, "", b"", found)


def is_part(request: AnyRequest) -> bool:
    """Whether a request is for a part of a page."""
    return request.requestHeaders.hasHeader(HTMX)


def own_path(text: str) -> str:
    """Give a text if it is a path of this process, and the path of the overview if it is not."""
    return text if _PATH.fullmatch(text) else "/"


def form_body(request: AnyRequest, most: int) -> str:
    """Give the body of a form as it was sent.

    Raises:
        Problem: It is too large, or something else than a form.
    """
    body = request.content.read(most + 1)
    if len(body) > most:
        raise Problem(413, "body-too-large", f"The form is larger than {most} bytes.")
    media_types = request.requestHeaders.getRawHeaders(b"content-type") or ()
    if len(media_types) != 1 or media_types[0].partition(b";")[0].strip().lower() != _FORM:
        raise Problem(415, "not-a-form", "The body must be a form.")
    return body.decode("ascii", "replace")


def fields_of(body: str) -> dict[str, str]:
    """Read the fields of a form; of a name that stands there twice, the last.

    Raises:
        Problem: It can't be read.
    """
    try:
        return dict(parse_qsl(body, keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS))
    except ValueError:
        raise Problem(400, "form-malformed", "The form can't be read.") from None


def fields(request: AnyRequest, most: int) -> dict[str, str]:
    """Read the fields of the form that was sent, with line ends as documents have them.

    Args:
        request: The request.
        most: Bytes that it may have.

    Raises:
        Problem: It can't be read.
    """
    return {name: value.replace("\r\n", "\n") for name, value in fields_of(form_body(request, most)).items()}
