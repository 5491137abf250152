"""The workflows are valid, run only what is pinned, may do no more than they need, and call make targets that exist."""

from __future__ import annotations

import configparser
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.test_locks import PYTHONS

ROOT = Path(__file__).parents[1]
GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
FORMS = sorted(path for path in (GITHUB / "ISSUE_TEMPLATE").glob("*.yml") if path.stem != "config")
# What a job may write, and why.
MAY_WRITE = {
    ("documentation", "publish"): {"pages", "id-token"},  # the site
    ("release", "attest"): {"id-token", "attestations"},  # who built the files
    ("release", "pypi"): {"id-token"},  # PyPI trusts the workflow, and there is no token
    ("release", "image"): {"packages", "id-token", "attestations"},  # the image, and who built it
    ("release", "page"): {"contents"},  # the page of the release
}


class Unique(yaml.SafeLoader):
    """A loader that refuses a key that stands twice, of which YAML libraries take the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Make the mapping."""
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        assert len(keys) == len(set(keys)), f"a key stands twice{node.start_mark}"
        return dict(super().construct_mapping(node, deep))


def load(path: Path) -> dict[str, Any]:
    """Parse a file; `on` is a key, and no truth value as in YAML 1.1."""
    parsed = yaml.load(path.read_text(encoding="utf-8"), Unique)
    assert isinstance(parsed, dict)
    return {"on" if key is True else key: value for key, value in parsed.items()}


def jobs() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Give all jobs, each with the names of its workflow and of itself."""
    for path in WORKFLOWS:
        for name, job in load(path)["jobs"].items():
            yield path.stem, name, job


def steps() -> Iterator[dict[str, Any]]:
    """Give the steps of all jobs."""
    for _, _, job in jobs():
        yield from job["steps"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflow(path: Path) -> None:
    """A workflow has a name, says when it runs, and by itself may do nothing; each of its jobs ends in time."""
    workflow = load(path)
    assert {"name", "on", "permissions", "concurrency", "jobs"} == workflow.keys()
    assert workflow["permissions"] == {}
    assert "pull_request_target" not in workflow["on"]
    for job in workflow["jobs"].values():
        assert 0 < job["timeout-minutes"] <= 90
        assert not job["runs-on"].endswith("latest")
        assert set(job.get("needs", "").split()) <= workflow["jobs"].keys()


def test_permissions() -> None:
    """A job may read the project, and write only what is its purpose; what runs code of the project writes nothing."""
    writes = {}
    for workflow, name, job in jobs():
        given = job["permissions"]
        assert set(given.values()) <= {"read", "write"}
        assert {key for key, value in given.items() if value == "read"} <= {"contents"}
        written = {key for key, value in given.items() if value == "write"}
        if written:
            writes[workflow, name] = written
            assert not any("make " in step.get("run", "") and "make image" not in step["run"] for step in job["steps"])
    assert writes == MAY_WRITE


def test_pins() -> None:
    """Each action is a commit, with its version for people; and what it may be is the same everywhere."""
    text = "".join(path.read_text(encoding="utf-8") for path in WORKFLOWS)
    lines = re.findall(r"uses: (.*)$", text, re.MULTILINE)
    assert len(lines) == sum("uses" in step for step in steps())
    found = {re.fullmatch(r"([a-z-]+/[a-z-]+)@([0-9a-f]{40}) # (v\d+\.\d+\.\d+)", line) for line in lines}
    assert None not in found
    assert len({match.groups() for match in found if match}) == len({match[1] for match in found if match})


def test_no_word_of_a_stranger_is_run() -> None:
    """Nothing is put into a script but by its environment, and no later step finds a token in the checkout."""
    for step in steps():
        assert "${{" not in step.get("run", "")
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"] == {"persist-credentials": False}


def test_targets() -> None:
    """Each make target that a workflow calls exists."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    called = {
        word
        for step in steps()
        for words in re.findall(r"\bmake ([a-z ]+)", step.get("run", ""))
        for word in words.split()
    }
    assert {"locked", "check", "test", "docs", "dist", "sbom", "image"} <= called <= targets


def test_pythons() -> None:
    """The checks run on each Python that the locks are for, which are those of the classifiers and the next."""
    [check] = [job for workflow, name, job in jobs() if (workflow, name) == ("checks", "check")]
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg", encoding="utf-8")
    classified = re.findall(r":: (3\.\d+)$", settings["metadata"]["classifiers"], re.MULTILINE)
    assert tuple(check["strategy"]["matrix"]["python"]) == PYTHONS
    assert set(classified) <= set(PYTHONS)


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_form(path: Path) -> None:
    """A form has a name and a description, and each of its questions a label and a name of its own."""
    form = load(path)
    assert {"name", "description", "labels", "body"} == form.keys()
    questions = [part for part in form["body"] if part["type"] != "markdown"]
    assert all(part["attributes"]["label"] for part in questions)
    assert len({part["id"] for part in questions}) == len(questions)
    assert any(part.get("validations", {}).get("required") for part in questions)


def test_others() -> None:
    """Actions are renewed each week; holes are reported in private; what CODEOWNERS names is there."""
    renewed = load(GITHUB / "dependabot.yml")
    assert renewed["version"] == 2
    assert "github-actions" in {update["package-ecosystem"] for update in renewed["updates"]}
    links = load(GITHUB / "ISSUE_TEMPLATE" / "config.yml")["contact_links"]
    assert any(link["url"].endswith("/security/advisories/new") for link in links)
    owned = re.findall(r"^(/\S+)", (GITHUB / "CODEOWNERS").read_text(encoding="utf-8"), re.MULTILINE)
    assert owned
    assert [path for path in owned if not (ROOT / path[1:]).exists()] == []
