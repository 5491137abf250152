"""Each gateway in front of an application that does CORS wrong, and the decision service beside it.

The scenarios are in scenarios.py, one level up: each is a function that asks a `Subject` and asserts what must be so.
Here is what makes a gateway a subject, and test_gateways.py runs every scenario against every gateway.

To add a gateway called NAME:

1. Write its configuration to `etc/NAME/`, as many files as it takes. It starts as it is, on the addresses that are
   written in all of them: the gateway listens on 127.0.0.1:8000, the application is at 127.0.0.1:3000, the decision
   service at 127.0.0.1:8080, and the policy is called `catalogue`. Relative paths are relative to that folder, or to
   the directory that is the current one; nothing is written to the folder.
2. Add its programs to `PACKAGES` in requirements.py and to install-packages.sh (or to `WHEELS`, if it is on PyPI).
3. Write `gateways/NAME.py` with a `GATEWAY`; see `gateway.Gateway` for what it says: how the program is started in the
   foreground with a copy of the folder, in which ports were replaced by free ones, and what it can't do.
4. Add it to `GATEWAYS` in registry.py, and its section to docs/gateways.md. `python -m tests.e2e.gateways.matrix`
   writes the table into that document; a test holds the two against each other.

What a gateway can't do stands in its `cannot`: the name of the scenario, what it does instead (a pattern that the
failed assertion of the scenario must match, so it is tested that it can't), and the way round it, for the document.
"""

import pytest

# Before anything imports them: their asserts are to say what differs.
pytest.register_assert_rewrite("scenarios")
