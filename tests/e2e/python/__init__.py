"""Python's own integrations around applications that do CORS wrong, each embedded and with the service beside it.

The scenarios are those of scenarios.py, one level up, without those for gateways alone, and those of
frameworks/further.py. An integration that embeds its policies has no service, so scenarios about one do not apply.

The programs in applications/ take `embedded FILE` or `remote URL`, listen on a free port, print it, and behave as
frameworks/__init__.py describes.
"""

import pytest

# Before anything imports them: their asserts are to say what differs.
pytest.register_assert_rewrite("tests.e2e.scenarios", "tests.e2e.frameworks.further")
