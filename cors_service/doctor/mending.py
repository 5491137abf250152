"""What mends a finding, and how the server that answered is told so."""

from __future__ import annotations

from typing import Final

from cors_service.doctor.codes import Code
from cors_service.doctor.exchanges import Answer
from cors_service.doctor.layers import Layer, layers_of

_MENDS: Final = {
    Code.ACAO_MISSING: (
        "If the page is to read this, answer it with Access-Control-Allow-Origin and the page's origin, on preflights"
        " and on all other answers."
    ),
    Code.ACAO_REPEATED: "Two layers write Access-Control-Allow-Origin: let one do so, and remove it in the other.",
    Code.ACAO_LIST: "Write one origin, the one that asked, if it is on your list. Browsers know no list here.",
    Code.ACAO_OTHER: (
        "The answer is for another origin: compare the Origin of each request with your list, and answer with it."
    ),
    Code.ACAO_NOT_SERIALISED: (
        "Write the origin exactly as location.origin prints it: lower case, no slash or path after it, no default"
        " port, no wildcard within it."
    ),
    Code.ANY_ORIGIN_WITH_CREDENTIALS: (
        "Browsers refuse `*` for requests with cookies: name the origins that may send them, or remove"
        " Access-Control-Allow-Credentials."
    ),
    Code.ORIGIN_REFLECTED: (
        "Every page on the web can act as your user: compare the Origin with a list before you answer with it, or"
        " remove Access-Control-Allow-Credentials."
    ),
    Code.NEAR_MISS_ALLOWED: (
        "Compare the whole origin, not its beginning or end: in an expression write ^, $ and \\. for a dot. If these"
        " origins are meant, name the policy that allows them: --policy NAME --service URL."
    ),
    Code.NULL_ALLOWED: (
        "Every page on the web can make a sandboxed frame, whose origin is null: take null off the list."
    ),
    Code.ACAC_NOT_TRUE: (
        "Browsers know only the value `true`, in lower case, once: Access-Control-Allow-Credentials: true."
    ),
    Code.VARY_MISSING: (
        "The answer depends on the Origin and does not say so: add Vary: Origin to every answer, including"
        " refusals and answers to requests without an Origin."
    ),
    Code.CACHE_MIXES_ORIGINS: (
        "A cache gives one origin what was made for another: send Vary: Origin from behind it, have it heed Vary, or"
        " add the Origin to its key; then purge it."
    ),
    Code.PREFLIGHT_STATUS: (
        "Answer OPTIONS with 204, or another status from 200 to 299, before anything looks at the route."
    ),
    Code.PREFLIGHT_REDIRECT: (
        "Browsers follow no redirect of a preflight: have the page use the URL that it leads to, and redirect no"
        " OPTIONS."
    ),
    Code.PREFLIGHT_AUTHENTICATED: (
        "A preflight has no credentials, by the standard: let OPTIONS pass without them, and answer preflights"
        " before authentication."
    ),
    Code.METHOD_MISSING: (
        "Add the method to Access-Control-Allow-Methods, in upper case. Where cookies are sent, `*` is an ordinary"
        " name."
    ),
    Code.HEADER_MISSING: (
        "Add the header to Access-Control-Allow-Headers. Where cookies are sent, `*` is an ordinary name."
    ),
    Code.LIST_MALFORMED: "Write names with commas between them, without quotes, brackets or semicolons.",
    Code.AUTHORIZATION_BY_WILDCARD: (
        "Write Authorization by its name: `*` does not cover it in the standard, and browsers that still let it pass"
        " print a warning."
    ),
    Code.MAX_AGE_MALFORMED: "Write one whole number of seconds; otherwise browsers keep the answer for 5 seconds.",
    Code.ERROR_WITHOUT_HEADERS: (
        "Send the same CORS headers with errors: without them the page can't tell an error from a broken network."
    ),
    Code.HEADERS_ON_REFUSAL: (
        "A refused origin still learns which methods and headers you grant: send no Access-Control header to it."
    ),
    Code.UNREACHABLE: "Look at the name, the port, the certificate and the network first.",
    Code.UNANSWERED: "Ask again later, or from an address whose requests the site does not limit.",
    Code.HEALTHY: "",
}

_IN: Final = {
    Code.ACAO_MISSING: {
        Layer.NGINX: "nginx: a map of $http_origin, and `add_header Access-Control-Allow-Origin $allowed always;`",
        Layer.APACHE: "httpd: SetEnvIf, and `Header always set Access-Control-Allow-Origin %{ALLOWED}e env=ALLOWED`.",
        Layer.EXPRESS: "Express: `app.use(cors({ origin: [...] }))` before the routes.",
        Layer.FLASK: "Flask: `CORS(app, origins=[...])` of Flask-CORS.",
    },
    Code.ACAO_REPEATED: {
        Layer.NGINX: "nginx: `proxy_hide_header Access-Control-Allow-Origin;` drops the line of the application.",
        Layer.APACHE: (
            "httpd: `Header always unset` and `Header set` work on two tables; `Header onsuccess unset"
            " Access-Control-Allow-Origin` drops the line of the application."
        ),
        Layer.EXPRESS: "Express: res.append() adds a line, res.set() replaces it.",
        Layer.FLASK: "Flask: response.headers.add() adds a line, response.headers[...] = ... replaces it.",
    },
    Code.VARY_MISSING: {
        Layer.NGINX: "nginx: `add_header Vary Origin always;`, outside of `if`.",
        Layer.APACHE: "httpd: `Header always merge Vary Origin`, without env=.",
        Layer.EXPRESS: 'Express: `res.vary("Origin")` for each answer.',
        Layer.FLASK: 'Flask: `response.vary.add("Origin")` in after_request.',
    },
    Code.PREFLIGHT_STATUS: {
        Layer.NGINX: "nginx: `if ($request_method = OPTIONS) { return 204; }`; an add_header in it hides all others.",
        Layer.APACHE: "httpd: `RewriteCond %{REQUEST_METHOD} =OPTIONS` and `RewriteRule ^ - [R=204,L]`.",
        Layer.EXPRESS: "Express: `app.use(cors(...))` answers OPTIONS; it must come before the routes.",
        Layer.FLASK: "Flask: a route with its own OPTIONS, or before_request, must answer it with a 2xx.",
    },
    Code.PREFLIGHT_AUTHENTICATED: {
        Layer.NGINX: "nginx: `limit_except OPTIONS { auth_basic ...; }` in place of auth_basic in the location.",
        Layer.APACHE: "httpd: `<LimitExcept OPTIONS> Require valid-user </LimitExcept>`.",
        Layer.EXPRESS: "Express: `app.use(cors(...))` before the middleware that authenticates.",
        Layer.FLASK: 'Flask: in before_request, let `request.method == "OPTIONS"` pass.',
    },
    Code.PREFLIGHT_REDIRECT: {
        Layer.NGINX: "nginx: often `return 301 https://...` or a directory without its slash.",
        Layer.APACHE: "httpd: often mod_dir's slash (`DirectorySlash Off`) or `Redirect`.",
        Layer.FLASK: "Flask: often a route with a slash at its end (`strict_slashes=False`).",
    },
    Code.ERROR_WITHOUT_HEADERS: {
        Layer.NGINX: "nginx: `add_header ... always;`, or errors have no header of yours.",
        Layer.APACHE: "httpd: `Header always set ...`, or errors have no header of yours.",
        Layer.EXPRESS: "Express: set the headers before next(), so that the error handler keeps them.",
        Layer.FLASK: "Flask: set them in after_request, which errors pass, too.",
    },
    Code.NEAR_MISS_ALLOWED: {
        Layer.NGINX: 'nginx: `"~^https://app\\.example\\.com$" $http_origin;` in the map, or a plain string.',
        Layer.APACHE: 'httpd: `SetEnvIf Origin "^https://app\\.example\\.com$" ALLOWED=$0`.',
        Layer.EXPRESS: "Express: strings in `origin: [...]`, or expressions with ^ and $; not includes().",
        Layer.FLASK: "Flask: Flask-CORS matches an expression at the beginning only, so write $ at its end.",
    },
    Code.METHOD_MISSING: {
        Layer.NGINX: 'nginx: `add_header Access-Control-Allow-Methods "GET, PUT" always;`.',
        Layer.APACHE: 'httpd: `Header always set Access-Control-Allow-Methods "GET, PUT"`.',
        Layer.EXPRESS: 'Express: `cors({ methods: ["GET", "PUT"] })`.',
        Layer.FLASK: 'Flask: `CORS(app, methods=["GET", "PUT"])`.',
    },
    Code.HEADER_MISSING: {
        Layer.NGINX: 'nginx: `add_header Access-Control-Allow-Headers "Content-Type" always;`.',
        Layer.APACHE: 'httpd: `Header always set Access-Control-Allow-Headers "Content-Type"`.',
        Layer.EXPRESS: 'Express: `cors({ allowedHeaders: ["Content-Type"] })`.',
        Layer.FLASK: 'Flask: `CORS(app, allow_headers=["Content-Type"])`.',
    },
    Code.CACHE_MIXES_ORIGINS: {
        Layer.NGINX: "nginx: no `proxy_ignore_headers Vary`, or $http_origin in proxy_cache_key.",
    },
    Code.ORIGIN_REFLECTED: {
        Layer.NGINX: "nginx: not $http_origin itself, but a map of it.",
        Layer.APACHE: "httpd: not %{HTTP_ORIGIN}e, but what SetEnvIf Origin sets for an expression with ^ and $.",
        Layer.EXPRESS: "Express: not `origin: true`, but `origin: [...]`.",
        Layer.FLASK: "Flask: not `CORS(app, supports_credentials=True)` alone, but with `origins=[...]`.",
    },
}


def mend(code: Code, answer: Answer | None = None, usual: Answer | None = None) -> str:
    """Say what mends a finding.

    Args:
        code: What was found.
        answer: Where it was found.
        usual: The answer to the page's request itself, which may show more layers.
    """
    known = _IN.get(code, {})
    layers = () if answer is None else layers_of(answer)
    if code is Code.ACAO_REPEATED and usual is not None:
        layers = tuple(dict.fromkeys((*layers, *layers_of(usual))))
    elif layers:
        # The innermost wrote it, or should have done.
        layers = layers[-1:]
    return " ".join([_MENDS[code], *(known[layer] for layer in layers if layer in known)])
