"""What pipelines run: the hooks for pre-commit, and the workflow for pull requests, on a small repository."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
HOOKS = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
WORKFLOW = yaml.safe_load((ROOT / "etc" / "ci" / "cors-policies.yml").read_text())

POLICIES = 'version = 1\n[policies.app]\norigins = ["https://a.example"]\n'
SUITE = 'version = 1\n[[cases]]\npolicy = "app"\norigins = ["https://b.example"]\nexpect = "blocked"\n'
WIDER = POLICIES.replace('"https://a.example"', '"https://a.example", "https://b.example"')

Done = subprocess.CompletedProcess[str]


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a repository of policies on a branch, with what is on main as `origin/main`, in which the test runs."""
    programs = tmp_path / "bin"
    programs.mkdir()
    # The client of GitHub keeps what it was to say.
    said = f'"{tmp_path}/said"'
    (programs / "gh").write_text(
        f'#!/bin/sh\necho "$@" >> {said}\nif [ "$1" = pr ]; then cat comment.md >> {said}; fi\n'
    )
    (programs / "gh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}")
    directory = tmp_path / "repository"
    (directory / "policies").mkdir(parents=True)
    monkeypatch.chdir(directory)
    (directory / "policies" / "app.toml").write_text(POLICIES)
    (directory / "policies" / "app.test.toml").write_text(SUITE)
    git("init", "--initial-branch=main")
    git("add", ".")
    git("commit", "-m", "first")
    git("update-ref", "refs/remotes/origin/main", "main")
    git("switch", "-c", "change")
    return directory


def git(*arguments: str) -> str:
    """Run git."""
    who = ("-c", "user.name=a", "-c", "user.email=a@a.example")
    return subprocess.run(["git", *who, *arguments], check=True, capture_output=True, text=True).stdout


def hook(name: str) -> Done | None:
    """Run a hook as pre-commit does on what is staged; None if none of its files is."""
    [found] = [one for one in HOOKS if one["id"] == name]
    staged = git("diff", "--cached", "--name-only").splitlines()
    if not any(re.search(found["files"], path) for path in staged):
        return None
    assert not found["pass_filenames"]
    # A repository says in `args` where its policies are.
    command = [*shlex.split(found["entry"]), "policies"]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def steps(*, wider: str) -> dict[str, Done]:
    """Run the steps of the workflow as GitHub does: all that have to run, whatever went wrong before."""
    given = {"BASE": "origin/main", "PULL_REQUEST": "7", "WIDER": wider, "GITHUB_REPOSITORY": "example/shop"}
    environment = {**os.environ, **WORKFLOW["env"], **given}
    done: dict[str, Done] = {}
    for step in WORKFLOW["jobs"]["review"]["steps"]:
        if "run" not in step or step["name"] == "Install" or not runs(step, done, wider):
            continue
        command = ["bash", "-e", "-o", "pipefail", "-c", step["run"]]
        done[step["name"]] = subprocess.run(command, check=False, env=environment, capture_output=True, text=True)
    return done


def runs(step: dict[str, Any], done: dict[str, Done], wider: str) -> bool:
    """Say whether a step runs behind others."""
    condition = step.get("if", "success()")
    if condition == "success()":
        return all(one.returncode == 0 for one in done.values())
    if condition == "env.WIDER == 'outdated'":
        return wider == "outdated"
    parts = condition.split(" && ")
    assert set(parts) <= {"always()", "env.WIDER != 'seen'"}
    return len(parts) == 1 or wider != "seen"


def standing(event: dict[str, Any]) -> str:
    """Evaluate WIDER as GitHub does: its `&&` and `||` give one of their sides, as those of Python do."""
    expression = WORKFLOW["jobs"]["review"]["env"]["WIDER"].removeprefix("${{").removesuffix("}}").strip()
    facts = {
        "github.event.pull_request.labels.*.name": event.get("labels", ["other"]),
        "github.event.action": event["action"],
        "github.event.changes.base": event.get("changes", {}).get("base"),
    }
    for name, fact in facts.items():
        expression = expression.replace(name, repr(fact))
    expression = expression.replace("&&", " and ").replace("||", " or ").replace("!contains", "not contains")
    found = eval(expression, {"contains": lambda names, name: name in names})
    assert isinstance(found, str)
    return found


def statuses(done: dict[str, Done]) -> list[int]:
    """The exit statuses of steps."""
    return [one.returncode for one in done.values()]


def test_hooks_exist() -> None:
    """Each hook is a command that there is, and has what pre-commit needs to install and to choose it."""
    assert [one["id"] for one in HOOKS] == ["cors-service-check", "cors-service-test"]
    for one in HOOKS:
        assert {"name", "description", "entry", "language", "files", "pass_filenames"} <= one.keys()
        assert one["language"] == "python"


def test_hooks_pass(repository: Path) -> None:
    """A change without mistakes passes the hooks; one of other files does not start them."""
    (repository / "README.md").write_text("")
    git("add", ".")
    assert hook("cors-service-check") is None
    (repository / "policies" / "app.toml").write_text(f"{POLICIES}max_age = 60\n")
    git("add", ".")
    for one in HOOKS:
        done = hook(one["id"])
        assert done is not None
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("text", "name", "words"),
    [
        (
            'version = 1\n[policies.app]\norigins = ["https://a.example/"]\n',
            "cors-service-check",
            "origin-trailing-slash",
        ),
        (WIDER, "cors-service-test", "expected blocked, and the page is readable"),
    ],
)
def test_hooks_fail(repository: Path, text: str, name: str, words: str) -> None:
    """A change with a mistake, and one that fails a test, fail the hook, which says why."""
    (repository / "policies" / "app.toml").write_text(text)
    git("add", ".")
    done = hook(name)
    assert done is not None
    assert done.returncode == 1
    assert words in done.stdout + done.stderr


def test_workflow_of_a_change_that_is_not_wider(repository: Path) -> None:
    """A change that widens nothing passes, and gets a comment that says what changes."""
    (repository / "policies" / "app.toml").write_text(f'{POLICIES}methods = ["GET"]\n')
    done = steps(wider="unseen")
    assert statuses(done) == [0, 0, 0, 0], done
    said = (repository.parent / "said").read_text()
    assert said.startswith("pr comment 7 --body-file comment.md --edit-last --create-if-none\n## CORS policies: ")
    assert "### \N{LOCK} Narrower" in said


@pytest.mark.slow
def test_workflow_of_a_wider_change(repository: Path) -> None:
    """A change that widens something fails, until somebody has seen it and says so by a label."""
    (repository / "policies" / "app.toml").write_text(WIDER)
    (repository / "policies" / "app.test.toml").write_text(SUITE.replace("blocked", "readable"))
    assert statuses(steps(wider="unseen")) == [0, 0, 0, 2]
    assert statuses(steps(wider="seen")) == [0, 0, 0]
    said = (repository.parent / "said").read_text()
    assert "### \N{WARNING SIGN} Wider" in said
    assert "https://b.example" in said


def test_workflow_of_the_first_policies(repository: Path) -> None:
    """The change that adds the policies to a repository widens it: nothing was let through before."""
    git("switch", "--orphan", "empty")
    git("commit", "--allow-empty", "-m", "nothing")
    git("update-ref", "refs/remotes/origin/main", "empty")
    git("switch", "change")
    done = steps(wider="unseen")
    assert statuses(done) == [0, 0, 0, 2], done
    assert "There is nothing at 'origin/main:policies' yet, so all policies are new." in [*done.values()][-1].stderr
    said = (repository.parent / "said").read_text()
    assert "### \N{WARNING SIGN} Wider" in said
    assert "https://a.example" in said


def test_workflow_of_a_mistake(repository: Path) -> None:
    """A mistake fails, and no step says that nothing changes."""
    (repository / "policies" / "app.toml").write_text("version = 2")
    done = steps(wider="unseen")
    assert statuses(done) == [1, 1, 1]
    assert not (repository.parent / "said").exists()


def test_workflow_of_a_failing_test(repository: Path) -> None:
    """A test that fails does not keep the comment back, which says why."""
    (repository / "policies" / "app.toml").write_text(WIDER)
    assert statuses(steps(wider="seen")) == [0, 1, 0]
    assert "https://b.example" in (repository.parent / "said").read_text()


LABELLED: dict[str, Any] = {"labels": ["other", "cors-wider"]}
EDITED: dict[str, Any] = {"action": "edited", "changes": {"title": {"from": "a"}}}


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({"action": "opened"}, "unseen"),
        ({"action": "synchronize"}, "unseen"),
        ({"action": "unlabeled"}, "unseen"),
        ({"action": "labeled", **LABELLED}, "seen"),
        ({**EDITED, **LABELLED}, "seen"),
        ({"action": "synchronize", **LABELLED}, "outdated"),
        # While a pull request is closed, GitHub does not report what is pushed to it.
        ({"action": "reopened", **LABELLED}, "outdated"),
        ({"action": "edited", "changes": {"base": {"ref": {"from": "next"}}}, **LABELLED}, "outdated"),
    ],
    ids=str,
)
def test_what_a_label_stands_for(event: dict[str, Any], expected: str) -> None:
    """The label stands for what the pull request was when it was given, and for nothing that came later."""
    assert event["action"] in WORKFLOW[True]["pull_request"]["types"]
    assert standing(event) == expected


@pytest.mark.slow
def test_workflow_of_an_outdated_label(repository: Path) -> None:
    """What is pushed after the label was given takes it off, fails where it is wider, and gets a comment of its own."""
    (repository / "policies" / "app.toml").write_text(WIDER)
    (repository / "policies" / "app.test.toml").write_text(SUITE.replace("blocked", "readable"))
    assert statuses(steps(wider="outdated")) == [0, 0, 0, 0, 2]
    first, second, *_ = (repository.parent / "said").read_text().splitlines()
    assert first == "api --method DELETE --silent repos/example/shop/issues/7/labels/cors-wider"
    assert second == "pr comment 7 --body-file comment.md"
