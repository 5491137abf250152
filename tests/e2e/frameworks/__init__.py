"""Each framework's example, in an application that does CORS wrong, with the decision service beside it.

The scenarios are those of scenarios.py, one level up, without those for gateways alone, and those of further.py, which
are about the decisions that an application remembers. test_frameworks.py runs every scenario against every framework.

To add a framework called NAME:

1. Write its example into `examples/NAME/`: a file of at most 100 lines that a team copies, a small application that
   uses it, the versions that it was tested with, and a README.md that says how to start it. The application listens on
   127.0.0.1 at the port in the variable PORT (3000 by default), asks the service at the URL in CORS_SERVICE
   (`http://127.0.0.1:8080` by default), and names the policy `catalogue`.
2. Write the tests' application into `frameworks/applications/NAME/`. Its files are laid over a copy of the example, so
   it has the same dependencies and uses the same file. It takes the same two variables and behaves as
   gateways/application.py says (except `/abort`), with `Cross-Origin-Resource-Policy: cross-origin` among its headers.
   Besides, the framework itself answers `.../status/NUMBER` as far as it can: 404 with its page for what it does not
   find, 500 with its page for an exception from a handler. `.../streamed` is answered in several pieces, and the first
   leaves before the last is made; together they are the same JSON. `.../raw` is answered by the lowest means that the
   framework offers (`writeHead` in Node, `write` in WSGI), headers included.
3. Add its programs to `PACKAGES` in requirements.py and to install-packages.sh.
4. Write `frameworks/NAME.py` with a `FRAMEWORK`. `framework.Framework` documents its fields: how to build the copy with
   the system's own tools, and how to start the two applications in the foreground. The build is kept below
   build/frameworks/ until a file of the example or of the application changes.
5. Add it to `FRAMEWORKS` in registry.py, and its section (`## TITLE`, with a link to `../examples/NAME/`) to
   docs/frameworks.md. `python -m tests.e2e.frameworks.matrix` writes the table into that document; a test compares the
   two.

`cannot` lists what a framework can't do, as for gateways. In files that frameworks share, only the name in
`registry.py` and the section of the document change.
"""

import pytest

# Before anything imports them: their asserts are to say what differs.
pytest.register_assert_rewrite("tests.e2e.scenarios", "tests.e2e.frameworks.further")
