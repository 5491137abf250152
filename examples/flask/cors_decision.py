"""CORS as the decision service decides it, for Flask and any other WSGI application.

app.wsgi_app = CorsDecision(app.wsgi_app, "http://127.0.0.1:8080", policy="catalogue")
"""

import json
import logging
import re
import time
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from threading import Lock, local
from urllib.parse import urlsplit

NAMES = ["Origin", "Access-Control-Request-Method", "Access-Control-Request-Headers"]
KEYS = {name: "HTTP_" + name.upper().replace("-", "_") for name in NAMES}
TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"
# All headers that a decision can have, as lines.
LINE = re.compile(
    "Access-Control-Allow-Origin: [!-~]+|Access-Control-Allow-Credentials: true|Timing-Allow-Origin: [!-~]+(, [!-~]+)*"
    f"|(Access-Control-(Allow-Methods|Allow-Headers|Expose-Headers)|Vary): {TOKEN}(, ?{TOKEN})*"
    "|Access-Control-Max-Age: [0-9]{1,5}|Cross-Origin-Resource-Policy: (same-site|same-origin|cross-origin)"
)
# The possible decisions about each kind of request: allowed or not, and the status.
VERDICT = re.compile("preflight (True 20[04]|False 403)|actual (True|False) None|no-origin None None")
ORIGIN = re.compile("null|[a-z][a-z0-9+.-]*://[^/, ]*")
LONGEST = 3600  # seconds


class CorsDecision:
    """Answers preflights in place of an application, and puts the decided headers on all its answers."""

    def __init__(self, app, service, policy, timeout=0.2, size=1000, connections=16):
        self.app, self.service, self.policy, self.timeout, self.size = app, urlsplit(service), policy, timeout, size
        self.kept, self.revision, self.lock, self.silent = {}, None, Lock(), False
        # These ask, and requests wait for them: so one timeout covers all, from the host's name to the last byte.
        self.threads, self.own = ThreadPoolExecutor(connections, "cors-decision", self.connect), local()

    def __call__(self, environ, start_response):
        asked = {name: environ[key] for name, key in KEYS.items() if key in environ}
        method = environ["REQUEST_METHOD"]
        preflight = method == "OPTIONS" and asked.keys() >= set(NAMES[:2])
        question = json.dumps({"policy": self.policy, "method": method, "headers": asked})
        try:
            status, headers = self.decide(question, asked.get("Origin"), preflight)
        except Exception as error:  # no decision: no access, and never no site
            if not self.silent:
                logging.getLogger(__name__).error("The decision service can't be asked: %r", error)
            self.silent = True
            status, headers = (403, {"Vary": ", ".join(NAMES)}) if preflight else (None, {"Vary": "Origin"})
        if status is not None:
            start_response(f"{status} {HTTPStatus(status).phrase}", list(headers.items()))
            return [b""]
        return self.app(environ, lambda status, own, *rest: start_response(status, decorated(own, headers), *rest))

    def decide(self, question, origin, preflight):
        now = time.monotonic()
        until, decision = self.kept.get(question, (now, None))
        if now < until:
            return decision
        asking = self.threads.submit(self.ask, question)
        try:
            answer = asking.result(self.timeout)
        finally:
            asking.cancel()
        decision = checked(answer, self.policy, origin, preflight)
        revision, ttl = answer["revision"], answer["ttl"]
        with self.lock:
            if revision != self.revision:  # the policies have changed
                self.revision, self.kept = revision, {}
            self.kept.pop(question, None)
            if len(self.kept) >= self.size:
                del self.kept[next(iter(self.kept))]  # the oldest
            if len(question) < 1000:
                self.kept[question] = now + ttl, decision
        self.silent = False
        return decision

    def connect(self):
        kind = HTTPSConnection if self.service.scheme == "https" else HTTPConnection
        self.own.connection = kind(self.service.hostname, self.service.port, timeout=self.timeout)

    def ask(self, question, again=True):
        connection = self.own.connection
        try:
            connection.request("POST", "/v1/decision", question, {"Content-Type": "application/json"})
            response = connection.getresponse()
            answer = json.loads(response.read(2**20))
            if response.status != HTTPStatus.OK:
                raise ValueError(answer["detail"])
            return answer
        except Exception as error:
            connection.close()  # the next request opens it again
            if again and isinstance(error, (ConnectionError, HTTPException)):
                return self.ask(question, again=False)  # it was kept alive, and may have died meanwhile
            raise


def checked(answer, policy, origin, preflight):
    """Give the status and headers if they can be the service's: nothing that answers in its place may grant more."""
    kind = "preflight" if preflight else "no-origin" if origin is None else "actual"
    lines = [(name, value) for name, value in answer["headers"]]
    headers = dict(lines)
    # Credentials need a named origin.
    named = {origin} - {None} if "Access-Control-Allow-Credentials" in headers else {origin, "*", None}
    allows, timing = headers.get("Access-Control-Allow-Origin"), headers.get("Timing-Allow-Origin", "null")
    # A static policy names its own origin to everybody: the answer does not depend on who asks.
    static = (
        allows not in {origin, "null"} and ORIGIN.fullmatch(str(allows)) and "Origin" not in headers.get("Vary", "")
    )
    fits = [
        (answer["policy"], answer["kind"]) == (policy, kind),
        VERDICT.fullmatch(f"{kind} {answer['allowed']!r} {answer['status']!r}"),
        isinstance(answer["revision"], str) and type(answer["ttl"]) is int and 0 <= answer["ttl"] <= LONGEST,
        len(headers) == len(lines) and all(LINE.fullmatch(name + ": " + value) for name, value in lines),
        allows in named or (static and answer["allowed"] is not True),
        (timing in named and answer["allowed"] is not False) or all(map(ORIGIN.fullmatch, timing.split(", "))),
        answer["allowed"] is not False or static or not any(name.startswith("Access-Control-") for name in headers),
    ]
    if not all(fits):
        raise ValueError("the answer is not a decision about this request")
    return answer["status"], headers


def decorated(own, decided):
    """Replace an application's own headers by the decided ones, and add to its Vary what these depend on."""
    gone = {"vary", *(name.lower() for name in decided)}
    kept = [line for line in own if line[0].lower() not in gone and not line[0].lower().startswith("access-control-")]
    varies = ",".join(value for name, value in [*own, *decided.items()] if name.lower() == "vary")
    names = {name.strip().lower(): name.strip() for name in varies.split(",") if name.strip()}
    vary = {"Vary": "*" if "*" in names else ", ".join(names.values())} if names else {}
    return [*kept, *{**decided, **vary}.items()]
