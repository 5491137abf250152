"""The manifests and the chart are what Kubernetes takes, keep what the image promises, and start the service."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from hashlib import sha256
from pathlib import Path
from typing import Any

import jsonschema_rs
import kubernetes_validate
import pytest
import yaml

import cors_service
from cors_service.policy.schema import SCHEMA
from cors_service.reader.sources import read_policies
from cors_service.tap import Options
from cors_service.tap_admin import Options as AdminOptions
from tests.daemon.options import parse

ROOT = Path(__file__).parents[1]
MANIFESTS = ROOT / "etc" / "kubernetes" / "cors-service.yaml"
CHART = ROOT / "etc" / "kubernetes" / "chart"
OLDEST = "1.30"
"""The oldest Kubernetes that Chart.yaml admits."""
HELM = os.environ.get("HELM") or shutil.which("helm")

needs_helm = pytest.mark.skipif(HELM is None, reason="needs helm, on the PATH or named by $HELM")
VERSIONS = pytest.mark.parametrize("version", [OLDEST, kubernetes_validate.latest_version()])

Objects = dict[str, dict[str, Any]]


def objects_of(text: str) -> Objects:
    """Parse manifests; each object by its kind."""
    parsed = [one for one in yaml.safe_load_all(text) if one]
    found = {one["kind"]: one for one in parsed}
    assert len(found) == len(parsed)
    return found


def values() -> dict[str, Any]:
    """The values of the chart."""
    parsed = yaml.safe_load((CHART / "values.yaml").read_text())
    assert isinstance(parsed, dict)
    return parsed


def pod(objects: Objects) -> dict[str, Any]:
    """What the Deployment makes."""
    spec: dict[str, Any] = objects["Deployment"]["spec"]["template"]["spec"]
    return spec


def render(*sets: str, check: bool = True) -> str:
    """Have helm render the chart with other values."""
    assert HELM is not None
    words = [HELM, "template", "cors-service", str(CHART), "--kube-version", OLDEST]
    options = [word for one in sets for word in ("--set", one)]
    done = subprocess.run([*words, *options], capture_output=True, text=True, check=False)
    assert (done.returncode == 0) == check, done.stderr
    return done.stdout if check else done.stderr


@pytest.fixture(scope="module")
def objects() -> Objects:
    """Give the objects of the manifests."""
    return objects_of(MANIFESTS.read_text())


def valid(objects: Objects, version: str) -> None:
    """Hold objects against the schemas of a version, which have no other keys."""
    for one in objects.values():
        kubernetes_validate.validate(one, version, strict=True)


@VERSIONS
def test_valid(objects: Objects, version: str) -> None:
    """The manifests fit the schemas of the oldest Kubernetes that they are for, and of the newest."""
    valid(objects, version)
    expected = {"ConfigMap", "Deployment", "NetworkPolicy", "PodDisruptionBudget", "Service", "ServiceAccount"}
    assert objects.keys() == expected


def test_selectors(objects: Objects) -> None:
    """All that selects Pods selects those of the Deployment, by labels that stay the same in a newer version."""
    labels = objects["Deployment"]["spec"]["template"]["metadata"]["labels"]
    selectors = [
        objects["Deployment"]["spec"]["selector"]["matchLabels"],
        objects["Service"]["spec"]["selector"],
        objects["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
        objects["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"],
        pod(objects)["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"],
    ]
    assert all(selector.items() <= labels.items() for selector in selectors)
    assert not any("version" in key for selector in selectors for key in selector)


def test_one_goes_another_stays(objects: Objects) -> None:
    """There are two Pods, an update or a drained node takes one at a time, and it may end its requests first."""
    deployment, budget = objects["Deployment"]["spec"], objects["PodDisruptionBudget"]["spec"]
    assert (deployment["replicas"], deployment["strategy"]["rollingUpdate"]["maxUnavailable"]) == (2, 0)
    assert budget["maxUnavailable"] == 1
    [container] = pod(objects)["containers"]
    drain = parse_arguments(container["args"], "/absent").get("drain-timeout", "10")
    assert pod(objects)["terminationGracePeriodSeconds"] > container["lifecycle"]["preStop"]["sleep"]["seconds"] + int(
        drain
    )
    probes = {name: container[name]["httpGet"]["path"] for name in container if name.endswith("Probe")}
    assert probes == {"startupProbe": "/livez", "readinessProbe": "/readyz", "livenessProbe": "/livez"}


def test_confined(objects: Objects) -> None:
    """A Pod runs as the image does: as nobody, on a root that can't be written, without capabilities or a token."""
    spec = pod(objects)
    [container] = spec["containers"]
    containerfile = (ROOT / "etc" / "Containerfile").read_text()
    assert f"USER {spec['securityContext']['runAsUser']}:{spec['securityContext']['runAsGroup']}" in containerfile
    assert (spec["securityContext"]["runAsNonRoot"], spec["automountServiceAccountToken"]) == (True, False)
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert "memory" in container["resources"]["limits"]
    network = objects["NetworkPolicy"]["spec"]
    assert (sorted(network["policyTypes"]), network["egress"]) == (["Egress", "Ingress"], [])
    assert [port["port"] for rule in network["ingress"] for port in rule["ports"]] == ["http", "metrics"]


def parse_arguments(arguments: list[str], policies: str) -> dict[str, str]:
    """The options of a container by their names, the last of each."""
    return dict(word.removeprefix("--").partition("=")[::2] for word in [*arguments, f"--policies={policies}"])


def test_starts(objects: Objects, tmp_path: Path) -> None:
    """The command of the image with the arguments of the Pod and the documents of the ConfigMap is a start."""
    for name, text in objects["ConfigMap"]["data"].items():
        (tmp_path / name).write_text(text)
    [entry] = re.findall(r"^ENTRYPOINT (.*)$", (ROOT / "etc" / "Containerfile").read_text(), re.MULTILINE)
    words = json.loads(entry)
    [container] = pod(objects)["containers"]
    arguments = [word.replace("$(NAMESPACE)", "here") for word in container["args"]]
    snapshot = next(word for word in arguments if word.startswith("--snapshot="))
    places = {"--policies=/etc/cors-service": f"--policies={tmp_path}", snapshot: f"--snapshot={tmp_path / 'kept'}"}
    given = [*words[words.index("cors") + 1 :], *arguments]
    settings = parse(*(places.get(word, word) for word in given)).prepared.settings
    assert settings.listen == ("tcp:8080",)
    assert container["ports"] == [
        {"name": "http", "containerPort": 8080},
        {"name": "metrics", "containerPort": 9090},
    ]
    assert settings.metrics_listen == ("tcp:9090",)
    annotations = objects["Deployment"]["spec"]["template"]["metadata"]["annotations"]
    assert annotations == {"prometheus.io/scrape": "true", "prometheus.io/port": "9090"}
    assert settings.host == tuple(
        f"cors-service{rest}" for rest in ("", ".here", ".here.svc", ".here.svc.cluster.local")
    )
    assert settings.operator_listen == ("tcp:8081:interface=127.0.0.1",)
    mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert {"/etc/cors-service", str(Path(snapshot.partition("=")[2]).parent)} <= mounts


def test_versions(objects: Objects) -> None:
    """The chart, the image and the labels have the version of the service."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    image = pod(objects)["containers"][0]["image"]
    found = {chart["version"], chart["appVersion"], image.rpartition(":")[2]}
    found |= {one["metadata"]["labels"]["app.kubernetes.io/version"] for one in objects.values()}
    assert found == {cors_service.__version__}
    assert chart["kubeVersion"] == f">={OLDEST}.0-0"


def test_values() -> None:
    """Each value is used by a template and is in the schema, each that is used exists, and the defaults fit."""
    templates = "".join(path.read_text() for path in (CHART / "templates").iterdir())
    used = {name.partition(".")[0] for name in re.findall(r"\.Values\.([A-Za-z.]+)", templates)}
    schema = json.loads((CHART / "values.schema.json").read_text())
    assert used == values().keys() == schema["properties"].keys() - {"global"}
    assert jsonschema_rs.validator_for(schema).is_valid(values())


def test_policies_of_the_values(tmp_path: Path) -> None:
    """The policies that a newcomer finds there have no mistakes, and lead editors to the schema."""
    for name, text in values()["policies"].items():
        assert text.startswith(f"#:schema {SCHEMA['$id']}\n")
        (tmp_path / name).write_text(text)
    assert read_policies(tmp_path).policies


def test_made_of_this_chart() -> None:
    """The manifests were made of the chart as it is, which can be told without helm."""
    files = sorted((path for path in CHART.rglob("*") if path.is_file()), key=str)
    digest = sha256(b"".join(path.read_bytes() for path in files)).hexdigest()
    assert MANIFESTS.read_text().splitlines()[1] == f"# sha256 of the chart: {digest}", "make manifests"


@needs_helm
def test_rendered(objects: Objects) -> None:
    """The manifests are what the chart gives: `make manifests` was run."""
    assert objects_of(render()) == objects


@needs_helm
@VERSIONS
def test_rendered_with_other_values(version: str) -> None:
    """Whatever the values are, what comes of them is valid, and has them."""
    digest = f"sha256:{'0' * 64}"
    others = objects_of(
        render(
            f"image.digest={digest}",
            "replicas=1",
            "existingConfigMap=theirs",
            "authSecret=tokens",
            "options={--decision-ttl=30,--workers=2}",
            "networkPolicy.enabled=false",
            "metrics.enabled=false",
        )
    )
    valid(others, version)
    assert others.keys() == {"Deployment", "Service", "ServiceAccount"}
    [container] = pod(others)["containers"]
    assert container["image"].endswith(f"@{digest}")
    assert [port["name"] for port in container["ports"]] == ["http"]
    assert container["args"][-3:] == ["--auth=/etc/cors-service-auth/auth.toml", "--decision-ttl=30", "--workers=2"]
    volumes = {volume["name"]: volume for volume in pod(others)["volumes"]}
    assert volumes["policies"]["configMap"]["name"] == "theirs"
    assert volumes["auth"]["secret"]["secretName"] == "tokens"


KEY = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\n-----END PUBLIC KEY-----"


@needs_helm
@VERSIONS
def test_rendered_with_a_store(version: str) -> None:
    """With a store there are no documents; what the store asks for is in a Secret, and the Pods may connect to it."""
    store, reporting = "storeSecret=ours", ("reportTo=https://cors-admin:8081", "reportSecret=token")
    others = objects_of(render("store=postgresql://db/cors?sslmode=require", store, *reporting))
    valid(others, version)
    assert "ConfigMap" not in others
    [container] = pod(others)["containers"]
    arguments = parse_arguments(container["args"], "/absent")
    given = [word for word in container["args"] if word.startswith("--policies=")]
    file = "/etc/cors-service-store/store.toml"
    assert given == [f"--policies=postgresql://db/cors?sslmode=require&credentials={file}"]
    assert arguments["report-token"] == "/etc/cors-service-report/token"
    assert arguments.keys() <= {name.rstrip("=") for name in Options().longOpt}
    secrets = {one["secret"]["secretName"]: one["name"] for one in pod(others)["volumes"] if "secret" in one}
    assert secrets.keys() == {"ours", "token"}
    places = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert places[secrets["ours"]] == str(Path(file).parent)
    ports = {port["port"] for rule in others["NetworkPolicy"]["spec"]["egress"] for port in rule["ports"]}
    assert {53, 443, 2379, 5432, 8081} == ports


@needs_helm
def test_rendered_with_a_bundle() -> None:
    """Each key of a bundle is a file of a ConfigMap, which the service is told of."""
    others = objects_of(
        render("store=https://config.example/policies.json", f"bundleKeys.release\\.pub={KEY}", "bundleKeyThreshold=1")
    )
    valid(others, OLDEST)
    assert others["ConfigMap"]["data"] == {"release.pub": f"{KEY}\n"}
    [container] = pod(others)["containers"]
    assert "--policies-key=/etc/cors-service-keys/release.pub" in container["args"]
    assert "--policies=https://config.example/policies.json" in container["args"]


@needs_helm
@VERSIONS
def test_rendered_with_the_admin_process(version: str) -> None:
    """The admin process has a Deployment, a Service and a volume of its own, confined as a Pod of the service is; no
    query comes to it, and the other Pods report to it.
    """
    values = ("store=etcds://etcd:2379/cors", "admin.enabled=true", "admin.authSecret=who", "admin.storeSecret=writer")
    parsed = [one for one in yaml.safe_load_all(render(*values)) if one]
    for one in parsed:
        kubernetes_validate.validate(one, version, strict=True)
    named = {(one["kind"], one["metadata"]["name"]): one for one in parsed}
    kinds = ("Deployment", "Service", "NetworkPolicy", "PersistentVolumeClaim")
    deployment, service, network, claim = (named[kind, "cors-service-admin"] for kind in kinds)
    spec, other = pod({"Deployment": deployment}), pod({"Deployment": named["Deployment", "cors-service"]})
    [container], [service_container] = spec["containers"], other["containers"]
    assert container["securityContext"] == service_container["securityContext"]
    assert spec["securityContext"] == other["securityContext"]
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"].items() <= labels.items()
    assert network["spec"]["podSelector"]["matchLabels"].items() <= labels.items()
    assert not named["Service", "cors-service"]["spec"]["selector"].items() <= labels.items()
    [port] = service["spec"]["ports"]
    reports_to = parse_arguments(service_container["args"], "/absent")["report-to"]
    assert reports_to == f"http://{service['metadata']['name']}:{port['port']}"
    assert f"--host={service['metadata']['name']}" in container["args"]
    arguments = parse_arguments(container["args"], "/absent")
    assert arguments.keys() - {"policies"} <= {name.rstrip("=") for name in AdminOptions().longOpt}
    [entry] = re.findall(r"^ENTRYPOINT (.*)$", (ROOT / "etc" / "Containerfile").read_text(), re.MULTILINE)
    assert container["command"][0] == json.loads(entry)[0]
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert Path(arguments["data"]).parent == Path(mounts["data"])
    assert Path(arguments["auth"]).parent == Path(mounts["auth"])
    assert arguments["store"].endswith(f"?credentials={mounts['store']}/store.toml")
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    assert volumes["data"]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    assert {volumes["auth"]["secret"]["secretName"], volumes["store"]["secret"]["secretName"]} == {"who", "writer"}


@needs_helm
@pytest.mark.parametrize(
    "value",
    [
        "store=nats://db",
        "store=postgresql://u:p@db/cors",
        "admin.enabled=true",
        "replica=3",
        "replicas=0",
        "policies.a\\.yaml=b",
        "image.digest=latest",
    ],
)
def test_wrong_values(value: str) -> None:
    """A value that has no effect or can't work is refused."""
    assert "values don't meet the specifications of the schema" in render(value, check=False)
