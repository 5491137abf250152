"""What came of suites, as JUnit's XML, which pipelines show."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final
from xml.etree import ElementTree as ET

from cors_service.suites.report import failures_in_words
from cors_service.suites.running import Outcome, Run

# What XML 1.0 can't say, not even escaped (section 2.2).
_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_junit(runs: Sequence[tuple[Run, str]], broken: Sequence[tuple[str, str]] = ()) -> bytes:
    """Write what came of suites.

    Args:
        runs: What came of each, and the path of its policies.
        broken: The names of suites and policies with mistakes, and these.
    """
    root = ET.Element("testsuites", name="cors-service")
    for run, source in runs:
        failed = sum(bool(outcome.failures) for outcome in run.outcomes)
        suite = _suite(root, run.suite.name, tests=len(run.outcomes), failures=failed)
        for outcome in run.outcomes:
            _add_case(suite, run, outcome, source)
    for name, mistakes in broken:
        suite = _suite(root, name, tests=1, errors=1)
        case = ET.SubElement(suite, "testcase", classname=_xml(name), name="no mistakes", file=_xml(name))
        ET.SubElement(case, "error", message=_xml(mistakes.rpartition("\n")[2])).text = _xml(mistakes)
    ET.indent(root)
    written: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return written + b"\n"


def _suite(root: ET.Element, name: str, *, tests: int, failures: int = 0, errors: int = 0) -> ET.Element:
    suite = ET.SubElement(root, "testsuite", name=_xml(name), tests=str(tests))
    for key, count in (("failures", failures), ("errors", errors), ("skipped", 0)):
        suite.set(key, str(count))
    return suite


def _add_case(suite: ET.Element, run: Run, outcome: Outcome, source: str) -> None:
    name = _xml(run.suite.name)
    case = ET.SubElement(suite, "testcase", classname=name, name=_xml(outcome.case.name), file=name)
    if outcome.case.line is not None:
        case.set("line", str(outcome.case.line))
    if outcome.failures:
        text = _xml(failures_in_words(outcome, run.policy_set, source))
        ET.SubElement(case, "failure", message=_xml(outcome.failures[0].problems[0])).text = text


def _xml(text: str) -> str:
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
