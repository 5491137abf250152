"""Prometheus reads running services: each query of rules and dashboard gives what it should, and each alert fires when
somebody does to a service what it is about.

The rules that run here are those that are delivered, with each minute as half a second.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from http.client import HTTPException
from pathlib import Path
from threading import Event, Thread
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest

from cors_service.reader.good import GoodSet
from cors_service.reader.snapshot import Snapshot
from cors_service.reader.sources import read_policies
from tests.answering import free_port
from tests.e2e.daemons import ANY_PORT, DEADLINE, TWIST, Process, Service, ask, wait_for
from tests.e2e.load.client import Connection
from tests.e2e.requirements import need
from tests.e2e.stores.etcd.changes import FIRST, changed
from tests.e2e.stores.etcd.changes import WIDER as WIDER_SHOP
from tests.e2e.stores.etcd.members import Cluster

if sys.platform != "linux":
    pytest.skip("looks at processes as Linux shows them", allow_module_level=True)

ETC = Path(__file__).parents[2] / "etc"
RULES, DASHBOARD = ETC / "prometheus" / "rules.yml", ETC / "grafana" / "dashboard.json"
PAGE = "https://shop.example"
POLICIES = f"""
version = 1
[policies.shop]
origins = ["{PAGE}"]
methods = ["GET", "PUT"]
"""
WIDER = POLICIES.replace('"PUT"', '"PUT", "DELETE"')
MISTAKES = POLICIES.replace("methods", "method")


def get(origin: str = PAGE, policy: str = "shop") -> dict[str, Any]:
    """A query about a GET."""
    return {"policy": policy, "method": "GET", "origin": origin}


def preflight(method: str) -> dict[str, Any]:
    """A query about a preflight."""
    return {
        "policy": "shop",
        "method": "OPTIONS",
        "headers": {"Origin": PAGE, "Access-Control-Request-Method": method},
    }


HEALTHY = [*[get()] * 5, *[preflight("PUT")] * 3, preflight("DELETE"), get("https://evil.example")]
"""Ten queries: 4 are preflights, of which one is refused, as is one of the others."""
REFUSED = [*[get("https://new.example")] * 8, get(), get(policy="absent")]


class Fleet:
    """Services, and a Prometheus that reads them.

    Attributes:
        healthy: What nothing is done to.
        troubled: What much is done to.
        storeless: What can't reach its store.
        deceived: What follows a store whose ledger somebody has changed.
        fired: The alerts that fired until now, each with its job.
    """

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        [prometheus] = need("prometheus")
        self.fired: set[tuple[str, str]] = set()
        self._stack = stack
        self._directory = directory
        self._done = Event()
        self._asked: dict[int, list[dict[str, Any]]] = {}
        stack.callback(self._done.set)
        self.healthy = self._start("healthy", POLICIES, "--workers", "2", "--shadow", str(self._write("wider", WIDER)))
        # Nobody takes its lines.
        nobody = f"http://127.0.0.1:{free_port()}"
        reports = (
            "--report-to",
            nobody,
            "--report-spool",
            "spool",
            "--report-spool-size",
            "1",
            "--log-interval",
            "0.5",
        )
        self.troubled = self._start("troubled", POLICIES, "--max-connections", "8", *reports)
        self.other = self._start("other", WIDER)
        self.storeless = self._start_without_its_store()
        self.deceived = self._start_with_a_changed_ledger()
        self._port = free_port()
        stack.callback(Process(self._command(prometheus), directory).kill)
        self._in_thread(self._collect)

    def ask_for_ever(self, service: Service, queries: list[dict[str, Any]]) -> None:
        """Ask a service a batch of queries, time and again; in place of what it was asked before, if anything."""
        is_new = service.port not in self._asked
        self._asked[service.port] = queries
        if is_new:
            self._in_thread(lambda: self._ask(service.port))

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """Put a query to Prometheus; give the labels and the value of each result."""
        found = self._api("query", query=expression)["result"]
        return [(one["metric"], float(one["value"][1])) for one in found]

    def spoil(self, text: str) -> None:
        """Write something else into the document of the service that has trouble."""
        self._write("troubled", text)

    def _start(self, name: str, text: str, *options: str) -> Service:
        path = self._write(name, text)
        service = Service([*TWIST, "--policies", str(path), "--listen", ANY_PORT, *options], self._directory)
        self._stack.callback(service.kill)
        return service

    def _start_without_its_store(self) -> Service:
        """Start a service with a snapshot, since nobody listens where its store should be."""
        Snapshot(self._directory / "snapshot").save(
            GoodSet.of(read_policies(self._write("kept", POLICIES)), time.time())
        )
        store = f"etcd://127.0.0.1:{free_port()}/cors"
        options = ["--policies", store, "--snapshot", "snapshot", "--listen", ANY_PORT]
        service = Service([*TWIST, *options], self._directory)
        self._stack.callback(service.kill)
        return service

    def _start_with_a_changed_ledger(self) -> Service:
        """Start a service that follows a store in which somebody changes the newest entry of the ledger."""
        cluster = Cluster(self._directory / "etcd")
        self._stack.callback(cluster.stop)
        cluster.begin()
        url = cluster.url("/cors")
        first = changed(url, *FIRST)
        service = Service([*TWIST, "--policies", url, "--listen", ANY_PORT], self._directory)
        self._stack.callback(service.kill)
        wait_for(lambda: ask(service.port, "/v1/status").json["store"]["confirmed_at"], "the store's word")
        [reader] = Path(f"/proc/{service.pid}/task/{service.pid}/children").read_text().split()
        os.kill(int(reader), signal.SIGSTOP)
        changed(url, ("policy", "shop", WIDER_SHOP))
        place = f"/cors/ledger/{first.entry.seq + 1:016}"
        cluster.put(place, cluster.value(place).replace("because", "why"))
        os.kill(int(reader), signal.SIGCONT)
        return service

    def _write(self, name: str, text: str) -> Path:
        path = self._directory / f"{name}.toml"
        (new := path.with_suffix(".new")).write_text(text)
        new.replace(path)
        return path

    def _command(self, prometheus: str) -> list[str]:
        (self._directory / "rules.yml").write_text(quick(RULES.read_text(encoding="utf-8")))
        jobs = {
            # Nobody listens at the second.
            "cors-service": [self.healthy.port, free_port()],
            "trouble": [self.troubled.port, self.other.port],
            "quiet": [self.other.port],
            "stores": [self.storeless.port, self.deceived.port],
        }
        configuration = {
            "global": {"scrape_interval": "250ms", "scrape_timeout": "250ms", "evaluation_interval": "250ms"},
            "rule_files": ["rules.yml"],
            "scrape_configs": [
                {"job_name": job, "static_configs": [{"targets": [f"127.0.0.1:{port}" for port in ports]}]}
                for job, ports in jobs.items()
            ],
        }
        # JSON is YAML.
        (self._directory / "prometheus.yml").write_text(json.dumps(configuration))
        return [
            prometheus,
            f"--web.listen-address=127.0.0.1:{self._port}",
            "--config.file=prometheus.yml",
            "--storage.tsdb.path=data",
            "--log.level=warn",
        ]

    def _api(self, name: str, **parameters: str) -> Any:
        with urlopen(f"http://127.0.0.1:{self._port}/api/v1/{name}?{urlencode(parameters)}", timeout=DEADLINE) as told:
            return json.load(told)["data"]

    def _in_thread(self, work: Callable[[], object]) -> None:
        thread = Thread(target=work, daemon=True)
        thread.start()
        self._stack.callback(thread.join, DEADLINE)
        self._stack.callback(self._done.set)

    def _ask(self, port: int) -> None:
        while not self._done.is_set():
            # Workers are killed, and connections closed.
            with suppress(Exception), Connection(port) as connection:
                while not self._done.wait(0.05):
                    connection.post("/v1/decisions", {"queries": self._asked[port]})

    def _collect(self) -> None:
        while not self._done.wait(0.1):
            with suppress(OSError):
                for alert in self._api("alerts")["alerts"]:
                    if alert["state"] == "firing":
                        assert alert["annotations"]["summary"]
                        assert alert["annotations"]["description"]
                        self.fired.add((alert["labels"]["alertname"], alert["labels"].get("job", "")))


def quick(rules: str) -> str:
    """Have each minute be half a second."""
    units = {"m": 500, "h": 30_000}
    return re.sub(r"(?<=[\[ ])(\d+)([mh])(?=\]|\n|\))", lambda found: f"{int(found[1]) * units[found[2]]}ms", rules)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Give services that were asked for a while, and are well but for a replica that differs and one that is gone."""
    with ExitStack() as stack:
        fleet = Fleet(tmp_path_factory.mktemp("fleet"), stack)
        for service in (fleet.healthy, fleet.troubled, fleet.other):
            fleet.ask_for_ever(service, HEALTHY if service is fleet.healthy else [get(), preflight("PUT")])
        in_time = 'min(count_over_time(policy:cors_decisions:rate5m{job=~"cors-service|trouble"}[1m])) > 20'
        wait_for(lambda: answered(fleet, in_time), "samples")
        yield fleet


def answered(fleet: Fleet, expression: str) -> list[tuple[dict[str, str], float]]:
    """Put a query; nothing while Prometheus starts."""
    try:
        return fleet.query(expression)
    except OSError:
        return []


# The files.


@pytest.mark.parametrize(
    "words", ["check rules rules.yml", "check config prometheus.yml", "test rules rules.test.yml"], ids=str
)
def test_promtool(words: str) -> None:
    """What is delivered is right by promtool, and the rules do what their tests say."""
    [promtool] = need("promtool")
    done = subprocess.run(
        [promtool, *words.split()], cwd=RULES.parent, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_test_and_a_paragraph() -> None:
    """Each alert is in the unit tests of the rules, on the page about metrics, and in the table below."""
    alerts = set(re.findall(r"- alert: (\w+)", RULES.read_text(encoding="utf-8")))
    tested = set(re.findall(r"alertname: (\w+)", RULES.with_name("rules.test.yml").read_text(encoding="utf-8")))
    page = (ETC.parent / "docs" / "metrics.md").read_text(encoding="utf-8")
    assert alerts == tested == set(re.findall(r"^\| `(Cors\w+)` \|", page, re.MULTILINE)) == set(ALERTS)


# The dashboard.

Results = list[tuple[dict[str, str], float]]


def values(results: Results, *labels: str) -> dict[tuple[str, ...], float]:
    """Give the results by some of their labels."""
    return {tuple(found.get(label, "") for label in labels): round(value, 6) for found, value in results}


ENDPOINT = ("endpoint", "status")
KINDS = {("actual", "true"): 5, ("actual", "false"): 1, ("preflight", "true"): 3, ("preflight", "false"): 1}
# What each panel shows of the healthy service, which is asked HEALTHY time and again.
PANELS: dict[str, Callable[[Results], bool]] = {
    "Decisions a second": lambda found: found[0][1] > 10,
    "Refused": lambda found: values(found) == {(): 0.2},
    "Policies": lambda found: values(found) == {(): 1},
    "Revisions": lambda found: values(found) == {(): 1},
    "Stale replicas": lambda found: values(found) == {(): 0},
    "Workers": lambda found: values(found) == {(): 2},
    "Decisions by kind and outcome": lambda found: is_in_proportion(values(found, "kind", "allowed"), KINDS),
    "Refusals by policy and reason": lambda found: is_in_proportion(
        values(found, "policy", "reason"), {("shop", "origin-not-allowed"): 1, ("shop", "method-not-allowed"): 1}
    ),
    "Share of refusals by policy": lambda found: values(found, "policy") == {("shop",): 0.2},
    "Share of preflights by policy": lambda found: values(found, "policy") == {("shop",): 0.4},
    # Nothing of it.
    "What can't be decided": lambda found: not found,
    # A remembered decision is compared once.
    "What the shadow would change": lambda found: set(values(found, "policy", "direction")) == {("shop", "wider")},
    "Remembered decisions": lambda found: 0.9 < found[0][1] <= 1,
    "Requests by endpoint and status": lambda found: (
        {("/v1/decisions", "200"), ("/metrics", "200")}
        <= {key for key, rate in values(found, *ENDPOINT).items() if rate}
    ),
    "Seconds to an answer": lambda found: 0 < found[0][1] < 10,
    "Reloads": lambda found: set(values(found, "result")) == {("changed",), ("unchanged",), ("failed",)},
    # There was none: no seconds by no reloads.
    "Seconds of a reload": lambda found: str(found[0][1]) == "nan",
    "Age of the policies": lambda found: 0 < found[0][1] < 1000,
    "Connections": lambda found: [count >= 1 for count in values(found).values()] == [True],
    "Connections closed for others": lambda found: (
        values(found, "why") == {("crowded",): 0, ("peer",): 0, ("held",): 0, ("unread",): 0}
    ),
    # Of the service that has a log.
    "Lines of the decision log": lambda found: set(values(found, "log")) == {("reports",)},
    # Of one service that has its store, and one that has not.
    "Seconds since the store confirmed the policies": lambda found: (
        sorted(age > 1000 for _, age in found) == [False, True]
    ),
    "Problems with the store": lambda found: (
        values(found, "code") == {("store-ledger-broken",): 1, ("store-unreachable",): 1}
    ),
    "Workers replaced": lambda found: [count for _, count in found] == [0],
    "Processors": lambda found: found[0][1] > 0,
    "Memory": lambda found: found[0][1] > 2**24,
    "Versions and revisions": lambda found: [count for _, count in found] == [1],
}
# The panels that are about other services than the healthy one.
JOBS = {
    "Lines of the decision log": "trouble",
    "Seconds since the store confirmed the policies": "stores",
    "Problems with the store": "stores",
}
TARGETS = [
    (panel["title"], target["expr"])
    for panel in json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    for target in panel["targets"]
]


def is_in_proportion(rates: dict[tuple[str, ...], float], expected: dict[tuple[str, str], int]) -> bool:
    """Whether rates are as many times each other as what was asked."""
    if set(rates) != set(expected):
        return False
    return len({round(rate / expected[key], 3) for key, rate in rates.items()}) == 1  # type: ignore[index]


def test_every_panel_is_looked_at() -> None:
    """There is an expectation for each panel."""
    assert {title for title, _ in TARGETS} == set(PANELS)


@pytest.mark.parametrize(("title", "expression"), TARGETS, ids=[title for title, _ in TARGETS])
def test_dashboard(fleet: Fleet, title: str, expression: str) -> None:
    """Each query of the dashboard gives what the panel says."""
    job = JOBS.get(title, "cors-service")
    here = expression.replace("$job", job).replace("$__rate_interval", "3s")
    shown: list[Results] = []

    def is_right() -> bool:
        shown.append(fleet.query(here))
        with suppress(IndexError):
            return PANELS[title](shown[-1])
        return False

    try:
        wait_for(is_right, title)
    except AssertionError as error:
        error.add_note(f"{here}: {shown[-1]}")
        raise


def test_what_is_recorded(fleet: Fleet) -> None:
    """Each rule that records gives a line for each policy, with the rates of the decisions that were made."""
    names = re.findall(r"- record: (\S+)", RULES.read_text(encoding="utf-8"))
    assert names == [
        "policy:cors_decisions:rate5m",
        "policy:cors_refused:rate5m",
        "policy:cors_refused:ratio_rate5m",
        "policy:cors_refused:ratio_avg6h",
    ]

    def is_right() -> bool:
        made, refused, ratio, usual = (fleet.query(f'{name}{{job="cors-service"}}') for name in names)
        if not (made and refused and ratio and usual):
            return False
        shares = values(ratio, "policy"), values(usual, "policy")
        return (*shares, made[0][1] > refused[0][1] > 0) == ({("shop",): 0.2}, {("shop",): 0.2}, True)

    wait_for(is_right, "the rates")


# The alerts.


def test_nothing_fires_without_a_reason(fleet: Fleet) -> None:
    """As long as nothing is done to them, only what is wrong from the beginning fires."""
    fired = {
        ("CorsServiceDown", "cors-service"),
        ("CorsReplicasDiffer", "trouble"),
        ("CorsLogLinesWait", "trouble"),
        ("CorsStoreUnconfirmed", "stores"),
        ("CorsPoliciesStale", "stores"),
        ("CorsLedgerBroken", "stores"),
        ("CorsReplicasDiffer", "stores"),
    }
    wait_for(lambda: fired <= fleet.fired, "what is wrong from the beginning")
    assert fleet.fired == fired


def spoil(fleet: Fleet) -> None:
    """Make a mistake in a document."""
    fleet.spoil(MISTAKES)


def ask_from_a_new_origin(fleet: Fleet) -> None:
    """Ask from where nobody may read, and about a policy that does not exist."""
    fleet.ask_for_ever(fleet.troubled, REFUSED)


def ask_no_more(fleet: Fleet) -> None:
    """Ask about nothing."""
    fleet.ask_for_ever(fleet.other, [])


def kill_workers(fleet: Fleet) -> None:
    """Kill one of two workers, and whoever takes its place, until that is noticed."""

    def is_noticed() -> bool:
        pid = ask(fleet.healthy.port, "/v1/status").json["workers"][0]["pid"]
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return ("CorsWorkersDie", "cors-service") in fleet.fired

    # The worker that is killed may be the one that was asked.
    wait_for(lambda: suppressed(is_noticed), "an alert")


def suppressed(condition: Callable[[], bool]) -> bool:
    """Whether something holds; not if that can't be found out."""
    with suppress(OSError, ValueError, HTTPException):
        return condition()
    return False


def crowd(fleet: Fleet) -> None:
    """Open more connections than there may be, until that is noticed."""

    def is_noticed() -> bool:
        with ExitStack() as held:
            for _ in range(20):
                held.enter_context(socket.create_connection(("127.0.0.1", fleet.troubled.port), timeout=DEADLINE))
            time.sleep(0.1)
        return ("CorsConnectionsClosed", "trouble") in fleet.fired

    wait_for(is_noticed, "an alert")


def ask_from_many_origins(fleet: Fleet) -> None:
    """Ask from so many origins that no collector takes the lines about them, and no spool keeps them."""
    numbers = itertools.count()

    def is_noticed() -> bool:
        with Connection(fleet.troubled.port) as connection:
            for _ in range(5):
                origins = [f"https://{number}.example" for number in itertools.islice(numbers, 100)]
                connection.post("/v1/decisions", {"queries": [get(origin) for origin in origins]})
        return ("CorsLogLinesDropped", "trouble") in fleet.fired

    wait_for(is_noticed, "an alert")


def nothing(_: Fleet) -> None:
    """It is wrong from the beginning."""


# What makes an alert fire, and of which job; what takes long comes first.
ALERTS: dict[str, tuple[str, Callable[[Fleet], object]]] = {
    "CorsNobodyAsks": ("quiet", ask_no_more),
    "CorsServiceDown": ("cors-service", nothing),
    "CorsReplicasDiffer": ("trouble", nothing),
    "CorsLogLinesWait": ("trouble", nothing),
    "CorsStoreUnconfirmed": ("stores", nothing),
    "CorsLedgerBroken": ("stores", nothing),
    "CorsLogLinesDropped": ("trouble", ask_from_many_origins),
    "CorsRefusalsJump": ("trouble", ask_from_a_new_origin),
    "CorsUndecided": ("trouble", ask_from_a_new_origin),
    "CorsPoliciesStale": ("trouble", spoil),
    "CorsWorkersDie": ("cors-service", kill_workers),
    "CorsConnectionsClosed": ("trouble", crowd),
}


@pytest.fixture(scope="module")
def harmed(fleet: Fleet) -> Fleet:
    """Give the services with all that is done to them."""
    for provoke in dict.fromkeys(provoke for _, provoke in ALERTS.values()):
        provoke(fleet)
    return fleet


@pytest.mark.parametrize("alert", ALERTS)
def test_alerts(harmed: Fleet, alert: str) -> None:
    """Each alert fires, of the job that it is about, when what it is about is done to a service."""
    job, _ = ALERTS[alert]
    wait_for(lambda: (alert, job) in harmed.fired, alert)
