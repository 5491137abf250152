"""Each framework's example, in an application that does CORS wrong, and the decision service beside it.

The scenarios are those of scenarios.py, one level up, without those that make sense for gateways alone, and those of
further.py, which are about what an application that asks by itself keeps. test_frameworks.py runs every scenario
against every framework.

To add a framework called NAME:

1. Write its example to `examples/NAME/`: a file of some 40 lines that a team copies, a small application that uses
   it, the versions it was tested with, and a README.md that says how to start it. The application listens on
   127.0.0.1 at the port in the variable PORT (3000 by default), asks the service at the URL in CORS_SERVICE
   (`http://127.0.0.1:8080` by default), and names the policy `catalogue`.
2. Write the application of the tests to `frameworks/applications/NAME/`. Its files are laid over a copy of the
   example, so it has the same dependencies and uses the same file. It takes the same two variables and behaves as
   gateways/application.py says (`/abort` aside), with `Cross-Origin-Resource-Policy: cross-origin` among its headers,
   and in these ways besides:
   `.../status/NUMBER` is answered as the framework does it itself, as far as it can: 404 by its page for what it does
   not find, 500 by its page for what a handler raises. `.../streamed` is answered in several pieces, the first of
   which leaves before the last is made; their bytes are the same JSON. `.../raw` is answered by the lowest means that
   the framework gives to an application (`writeHead` of Node, `write` of WSGI), headers included.
3. Add its programs to `PACKAGES` in requirements.py and to install-packages.sh.
4. Write `frameworks/NAME.py` with a `FRAMEWORK`; see `framework.Framework` for what it says: how the copy is built
   with the system's own tools, and how the two applications are started in the foreground. The build is kept below
   build/frameworks/ until a file of the example or of the application changes.
5. Add it to `FRAMEWORKS` in registry.py, and its section (`## TITLE`, with a link to `../examples/NAME/`) to
   docs/frameworks.md. `python -m tests.e2e.frameworks.matrix` writes the table into that document; a test
   holds the two against each other.

What a framework can't do stands in its `cannot`, as with gateways. Nothing but the name in `registry.py` and the
section of the document is to be changed in files that frameworks share.
"""

import pytest

# Before anything imports them: their asserts are to say what differs.
pytest.register_assert_rewrite("scenarios", "frameworks.further")
