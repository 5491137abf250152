"""How Sphinx makes the site of these pages: `make docs`."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from cors_service import __version__  # noqa: E402 - it is found only now

project = "cors-service"
author = "The cors-service project"
project_copyright = f"the authors of {project}"
version = release = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.intersphinx",
    "docs.extensions.contents",
    "docs.extensions.docstrings",
    "docs.extensions.links_out",
    "docs.extensions.openapi",
    "docs.extensions.public_names",
    "docs.extensions.rows",
]
exclude_patterns = ["extensions", "inventories"]
# Imported for types alone, from a module that the documentation does not cover.
nitpick_ignore = [("py:class", "WSGIApplication")]

html_theme = "furo"
html_title = "cors-service"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
# What the `$id` of the schema names.
html_extra_path = ["../cors_service/policy/schema.json"]

myst_enable_extensions = ["colon_fence"]
# As GitHub does it, so that a link works there and here.
myst_heading_anchors = 4

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_format = "short"
# The arguments of a class are described where they are taken.
autoclass_content = "both"
autodoc_typehints = "signature"
autodoc_member_order = "bysource"

# Small inventories that are kept here: the build asks no network, and is the same everywhere.
intersphinx_mapping = {
    "python": ("https://docs.python.org/3/", "inventories/python.inv"),
    "twisted": ("https://docs.twisted.org/en/stable/api/", "inventories/twisted.inv"),
    "treq": ("https://treq.readthedocs.io/en/latest/", "inventories/treq.inv"),
    "hypothesis": ("https://hypothesis.readthedocs.io/en/latest/", "inventories/hypothesis.inv"),
    "zope.interface": ("https://zopeinterface.readthedocs.io/en/latest/", "inventories/zope.interface.inv"),
}
