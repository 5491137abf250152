"""Python's own integrations around applications that do CORS wrong, each embedded and with the service beside it.

The scenarios are those of scenarios.py, one level up, without those that make sense for gateways alone, and those of
frameworks/further.py. What an integration embeds its policies in has no service: what is about one does not apply.

The programs in applications/ are given `embedded FILE` or `remote URL`, listen on a port that is free, say which, and
behave as frameworks/__init__.py tells.
"""

import pytest

# Before anything imports them: their asserts are to say what differs.
pytest.register_assert_rewrite("scenarios", "frameworks.further")
