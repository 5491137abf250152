"""The site is made of the pages without a warning, and of the documents of the service."""

from __future__ import annotations

import doctest
import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import cors_service
from cors_service.decision.decision import REASONS
from docs.extensions import contents, docstrings, links_out, openapi, public_names, rows

ROOT = Path(cors_service.__file__).parents[1]
OPENAPI = ROOT / "cors_service" / "web" / "openapi.json"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, as `make docs` makes it."""
    target = tmp_path_factory.mktemp("site")
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-W",
        "-n",
        "--keep-going",
        "-q",
        "-b",
        "html",
        "docs",
        str(target / "html"),
    ]
    done = subprocess.run(
        [*command, "-d", str(target / "trees")], cwd=ROOT, capture_output=True, text=True, timeout=280, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return target / "html"


@pytest.mark.slow
def test_the_site_is_made_without_a_warning(site: Path) -> None:
    """Every reference of a page, a docstring or an annotation leads somewhere, and the site can be searched."""
    assert {"index.html", "search.html", "searchindex.js"} <= {path.name for path in site.iterdir()}


@pytest.mark.slow
def test_rows_can_be_linked_to(site: Path) -> None:
    """Each reason, each mistake and each key has an anchor."""
    decisions = (site / "decisions.html").read_text(encoding="utf-8")
    assert {f"code-{code}" for code in REASONS} <= set(re.findall(r'id="([^"]+)"', decisions))
    document = set(re.findall(r'id="([^"]+)"', (site / "document.html").read_text(encoding="utf-8")))
    assert {"key-credentials", "code-unknown-key", "pattern-https-any-example-com", "name-null-origin"} <= document


@pytest.mark.slow
def test_public_names_are_described(site: Path) -> None:
    """Each public name is in the reference."""
    page = (site / "reference" / "python.html").read_text(encoding="utf-8")
    names = set(public_names.public_objects()) - {"cors_service.protect.asgi.ServiceClient"}
    assert [name for name in names if f'id="{name}"' not in page] == []


@pytest.mark.slow
def test_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    """No page loads a script, a style, a font or a picture from another host."""
    loads = re.compile(r'<(?:script|img|link)[^>]+(?:src|href)="(?:https?:)?//[^"]+"')
    assert [(page.name, found[0]) for page in site.rglob("*.html") if (found := loads.search(page.read_text()))] == []


def test_each_operation_is_described() -> None:
    """Each operation, schema and status of the OpenAPI document is on its page."""
    document = json.loads(OPENAPI.read_text(encoding="utf-8"))
    page = openapi.page(document)
    for path, item in document["paths"].items():
        for method in openapi.METHODS:
            if method in item:
                section = page.partition(f"### `{method.upper()} {path}`\n")[2].partition("\n### ")[0]
                assert [status for status in item[method]["responses"] if f"| `{status}` |" not in section] == []
    assert [name for name in document["components"]["schemas"] if f"### `{name}`\n" not in page] == []


def test_the_contents_are_those_of_the_first_page() -> None:
    """Each part has the pages that it links to, in this order, and pages that no part names are at the end of "Do"."""
    text = "# Home\n\n[x](x.md)\n\n## Learn\n\n[a](a.md)\n\n## Do\n\n* [c](c.md), [b](b.md), [a](a.md#part)\n"
    parts = [part.split("\n")[4:-1] for part in contents.contents(text, {"index", "x", "a", "b", "c"})]
    assert parts == [["a"], ["c", "b", "x"], [], []]


def test_links_out_lead_to_the_repository() -> None:
    """A link to a file that is not a page leads to the repository, and a link to a page stays."""
    text = "[a](../etc/policies.toml) [b](api.md) [c](../api.md#errors) ![d](../x.svg)"
    assert links_out.leading_out(text, "python").count(links_out.REPOSITORY) == 3
    assert links_out.leading_out(text, "reference/python") == text


@pytest.mark.parametrize("module", [docstrings, rows], ids=lambda module: module.__name__)
def test_examples_of_the_extensions(module: ModuleType) -> None:
    """The examples in the docstrings of the extensions hold."""
    assert doctest.testmod(module).failed == 0
