"""Each gateway in front of an application that does CORS wrong, with the decision service beside it.

The scenarios are in scenarios.py, one level up: each is a function that asks a `Subject` and asserts what must be true.
The modules here make a subject of each gateway, and test_gateways.py runs every scenario against every gateway.

To add a gateway called NAME:

1. Write its configuration into `etc/NAME/`, in as many files as it takes. It must start unchanged, on the addresses
   that all of them use: the gateway listens on 127.0.0.1:8000, the application is at 127.0.0.1:3000, the decision
   service at 127.0.0.1:8080, and the policy is called `catalogue`. Relative paths are relative to that folder or to the
   current directory; nothing is written to the folder.
2. Add its programs to `PACKAGES` in requirements.py and to install-packages.sh (or to `WHEELS`, if it is on PyPI).
3. Write `gateways/NAME.py` with a `GATEWAY`. `gateway.Gateway` documents its fields: how to start the program in the
   foreground, with a copy of the folder in which free ports replace the others, and what the gateway can't do.
4. Add it to `GATEWAYS` in registry.py, and its section to docs/gateways.md. `python -m tests.e2e.gateways.matrix`
   writes the table into that document; a test compares the two.

`cannot` lists what a gateway can't do: the name of the scenario, what it does instead (a pattern that the scenario's
failed assertion must match, so the tests prove that it can't), and the workaround, for the document.
"""

import pytest

# Before anything imports them: their asserts are to say what differs.
pytest.register_assert_rewrite("tests.e2e.scenarios")
