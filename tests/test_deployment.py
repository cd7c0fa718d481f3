"""What is deployed with: the image's recipe, lock files, compose files, manifests, dashboards and alerts."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from service.metrics import Metrics
from service.settings import Settings

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
VERSION = "1.31"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
_PINNED = re.compile(r"^([\w.-]+)==([^\s;]+)(.*?)\\?$", re.MULTILINE)


# Lock files


def _locked(name: str) -> dict[str, Version]:
    text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
    return {canonicalize_name(package): Version(version) for package, version, _ in _PINNED.findall(text)}


def _wanted(kind: str) -> list[Requirement]:
    wanted = PROJECT["dependencies"] + PROJECT["optional-dependencies"]["tracing"]
    if kind == "gpu.txt":
        given = [
            line for line in (ROOT / "requirements" / "gpu.in").read_text().splitlines() if line[0] != "#"
        ]
        wanted = [*(one for one in wanted if not one.startswith("onnxruntime>")), *given]
    return [Requirement(one) for one in wanted]


@pytest.mark.parametrize("kind", ["cpu.txt", "gpu.txt"])
def test_a_lock_file_is_what_the_project_asks_for(kind: str) -> None:
    locked = _locked(kind)
    for requirement in _wanted(kind):
        name = canonicalize_name(requirement.name)
        assert requirement.specifier.contains(locked[name]), f"{requirement}, {locked[name]}: make lock"
    assert ("onnxruntime" in locked) == (kind == "cpu.txt")
    assert not {"torch", "lightning", "ray", "pytest"} & set(locked)


def test_the_tool_that_makes_the_wheel_is_locked_as_well() -> None:
    [needed] = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    assert Requirement(needed).specifier.contains(_locked("build.txt")["setuptools"])


@pytest.mark.parametrize("kind", ["cpu.txt", "gpu.txt", "build.txt"])
def test_a_lock_file_has_hashes_and_says_nothing_of_where_it_was_made(kind: str) -> None:
    text = (ROOT / "requirements" / kind).read_text(encoding="utf-8")
    for block in re.split(r"^(?=[a-z])", text, flags=re.MULTILINE)[1:]:
        assert "--hash=sha256:" in block, block
    assert "://" not in text
    assert not re.search(r"^-|index|find-links", text, re.MULTILINE)


# The image


def _instructions() -> list[tuple[str, str]]:
    text = re.sub(
        r"\\\n", " ", re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    )
    found = (line.split(maxsplit=1) for line in text.splitlines() if line.strip())
    return [(word, rest) for word, rest in found]


def test_both_images_run_without_root_or_a_shell_and_are_told_to_stop() -> None:
    instructions = _instructions()
    stages = [rest for word, rest in instructions if word == "FROM"]
    assert [stage.split()[-1] for stage in stages][-3:] == ["service", "gpu", "cpu"]
    assert stages[-1].startswith("service ")
    assert stages[-2].startswith("service ")
    said = dict(instructions)
    assert said["USER"] == "10001:10001"
    assert said["STOPSIGNAL"] == "SIGTERM"
    assert json.loads(said["ENTRYPOINT"]) == ["glyphery"]
    assert json.loads(said["CMD"]) == ["serve"]
    check = json.loads(re.search(r"CMD (\[.*\])", re.sub(r"\s+", " ", said["HEALTHCHECK"]))[1])  # type: ignore[index]
    compile(check[-1], "health check", "exec")


def test_packages_come_from_lock_files_alone() -> None:
    installing = [
        rest for word, rest in _instructions() if word == "RUN" and "install" in rest and "pip" in rest
    ]
    for command in installing:
        if "apt-get" not in command:
            assert "--require-hashes" in command or "--no-index" in command, command


def test_what_goes_into_the_image_is_listed() -> None:
    lines = (ROOT / ".dockerignore").read_text().split("\n")
    assert next(line for line in lines if not line.startswith("#")) == "*"
    packages = {package.partition(".")[0] for package in _packages()}
    allowed = {line[1:].rstrip("/") for line in lines if line.startswith("!")}
    assert packages | {"LICENSE", "LICENSES", "README.md", "pyproject.toml", "requirements/*.txt"} == allowed


def _packages() -> list[str]:
    found: list[str] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    return found


def test_a_linter_finds_nothing_in_the_dockerfile() -> None:
    program = shutil.which("hadolint", path=Path(sys.executable).parent) or shutil.which("hadolint")
    if not program:
        pytest.skip("hadolint is not installed")
    done = subprocess.run([program, ROOT / "Dockerfile"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("script", sorted((ROOT / "scripts").glob("*.sh")), ids=lambda path: path.name)
def test_scripts_are_programs_that_bash_can_read(script: Path) -> None:
    assert script.stat().st_mode & 0o111
    subprocess.run(["bash", "-n", script], check=True)


# Compose


def _compose(name: str) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))
    return document


def test_compose_files_are_what_compose_reads() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run(
        [*command, "compose.yaml", "compose.gpu.yaml"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_what_compose_mounts_is_in_the_repository() -> None:
    for name in ("compose.yaml", "compose.gpu.yaml"):
        for service in _compose(name)["services"].values():
            for volume in service.get("volumes", ()):
                source = re.sub(r"\$\{\w+:-(.*?)\}", r"\1", volume).split(":")[0]
                assert (ROOT / source).exists() or source in _compose("compose.yaml")["volumes"], volume


def test_compose_publishes_nothing_beyond_this_machine_and_sets_only_settings() -> None:
    for name in ("compose.yaml", "compose.gpu.yaml"):
        for service in _compose(name)["services"].values():
            assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
        environment = _compose(name)["services"]["glyphery"]["environment"]
        assert {key.removeprefix("GLYPHERY_").lower() for key in environment} <= set(Settings.model_fields)


# Prometheus and Grafana


@pytest.fixture(scope="module")
def families() -> dict[str, set[str]]:
    """What /metrics can hold: by the name of a sample, its labels."""
    registry = Metrics()._scraped
    found = {
        name: set(getattr(collector, "_labelnames", ()))
        for collector, names in registry._collector_to_names.items()
        for name in names
    }
    of_jobs = ("jobs", "jobs_finished_total", "fonts_scored_total", "glyphs_scored_total")
    return found | {f"glyphery_{name}": {"status"} for name in of_jobs}


_ADDED = {"instance", "job", "hardware", "le", "namespace", "pod"}  # by Prometheus, or by its histograms


def _check_query(query: str, families: dict[str, set[str]]) -> None:
    used = re.findall(r"(glyphery_\w+)(?:\{(.*?)\})?", query)
    for name, selector in used:
        assert name in families, name
        labels = set(re.findall(r"(\w+) *(?:=~|!~|!=|=)", selector))
        assert labels <= families[name] | _ADDED, (name, labels)


def test_every_panel_asks_for_numbers_that_there_are(families: dict[str, set[str]]) -> None:
    board = json.loads((DEPLOY / "grafana" / "dashboards" / "glyphery.json").read_text(encoding="utf-8"))
    queries = [target["expr"] for panel in board["panels"] for target in panel.get("targets", ())]
    for query in queries:
        assert "glyphery_" in query or "DCGM_" in query
        _check_query(query, families)
    for subject in (
        "glyphery_request_seconds_bucket", "glyphery_batch_glyphs_bucket", "glyphery_glyphs_waiting",
        "glyphery_fonts_in_flight", "glyphery_documents_in_flight", "glyphery_problems_total",
        "glyphery_jobs", "glyphery_model_info", "DCGM_FI_DEV_GPU_UTIL",
    ):  # fmt: skip
        assert any(subject in query for query in queries), subject
    numbers = [panel["id"] for panel in board["panels"]]
    assert len(numbers) == len(set(numbers))
    sources = DEPLOY / "grafana" / "provisioning" / "datasources" / "prometheus.yaml"
    [source] = yaml.safe_load(sources.read_text())["datasources"]
    assert {panel["datasource"]["uid"] for panel in board["panels"] if "datasource" in panel} == {
        source["uid"]
    }


def test_every_alert_asks_for_numbers_that_there_are_and_is_documented(families: dict[str, set[str]]) -> None:
    rules = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yaml").read_text())["groups"][0]["rules"]
    documented = (ROOT / "docs" / "DEPLOYMENT.md").read_text(encoding="utf-8")
    for rule in rules:
        _check_query(rule["expr"], families)
        assert f"`{rule['alert']}`" in documented, rule["alert"]


def test_problems_that_are_watched_are_counted_from_nought() -> None:
    """Prometheus sees no increase in a series that begins with the first problem."""
    asking = [DEPLOY / "prometheus" / "alerts.yaml", KUBERNETES / "prometheus-adapter.yaml"]
    watched = {
        problem
        for path in asking
        for problems in re.findall(r'\btype=~?"(.+?)"', path.read_text())
        for problem in problems.split("|")
    }
    assert {"internal-error", "overloaded"} <= watched
    registry = Metrics()._scraped
    for problem in watched:
        assert registry.get_sample_value("glyphery_problems_total", {"type": problem}) == 0, problem


def test_alerts_fire_when_they_should() -> None:
    if not shutil.which("promtool"):
        pytest.skip("promtool is not installed")
    subprocess.run(["promtool", "check", "rules", "alerts.yaml"], cwd=DEPLOY / "prometheus", check=True)
    subprocess.run(["promtool", "test", "rules", "alerts_test.yaml"], cwd=DEPLOY / "prometheus", check=True)


# Kubernetes


def _documents(path: Path) -> Iterator[dict[str, Any]]:
    yield from (document for document in yaml.safe_load_all(path.read_text(encoding="utf-8")) if document)


def _key(document: dict[str, Any]) -> tuple[str, str]:
    return document["kind"], document["metadata"]["name"]


def _resources(folder: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """What a kustomization is of, before its patches."""
    [kustomization] = _documents(folder / "kustomization.yaml")
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for name in kustomization["resources"]:
        path = folder / name
        assert path.exists(), path
        if path.is_dir():
            found |= _resources(path.resolve())
        else:
            found |= {_key(document): document for document in _documents(path)}
    return found


FOLDERS = [KUBERNETES / "base", KUBERNETES / "overlays" / "gpu", KUBERNETES / "overlays" / "jobs"]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_manifests_are_what_kubernetes_reads(folder: Path) -> None:
    for document in _resources(folder).values():
        kubernetes_validate.validate(document, VERSION, strict=True)


def test_patches_change_what_is_there_and_are_manifests_too() -> None:
    folder = KUBERNETES / "overlays" / "gpu"
    [kustomization] = _documents(folder / "kustomization.yaml")
    resources = _resources(folder)
    assert kustomization["patches"]
    for patch in kustomization["patches"]:
        for document in _documents(folder / patch["path"]):
            target = resources[_key(document)]
            assert document["apiVersion"] == target["apiVersion"]
            if document["kind"] == "Deployment":
                changed = {one["name"] for one in document["spec"]["template"]["spec"]["containers"]}
                assert changed <= {one["name"] for one in target["spec"]["template"]["spec"]["containers"]}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_kustomize_builds_what_kubernetes_reads(folder: Path) -> None:
    if not shutil.which("kubectl"):
        pytest.skip("kubectl is not installed")
    built = subprocess.run(["kubectl", "kustomize", folder], capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    documents = [document for document in yaml.safe_load_all(built.stdout) if document]
    for document in documents:
        kubernetes_validate.validate(document, VERSION, strict=True)
        assert document["metadata"]["namespace"] == "glyphery"
    if folder.name == "gpu":
        [deployment] = [document for document in documents if document["kind"] == "Deployment"]
        [container] = deployment["spec"]["template"]["spec"]["containers"]
        assert container["image"] == "glyphery:gpu"
        assert container["resources"]["limits"]["nvidia.com/gpu"] == "1"
        assert {"name": "GLYPHERY_KEYS", "value": "/run/glyphery/keys.txt"} in container["env"]


def test_manifests_refer_to_what_is_there() -> None:
    resources = _resources(KUBERNETES / "overlays" / "jobs")
    pods = [
        one["spec"]["template"]
        for (kind, _), one in resources.items()
        if kind in {"Deployment", "StatefulSet"}
    ]
    labels = [pod["metadata"]["labels"] for pod in pods]
    for (kind, name), document in resources.items():
        spec = document["spec"]
        if kind == "Service":
            assert any(spec["selector"].items() <= one.items() for one in labels), name
            ports = {port["name"] for pod in pods for port in pod["spec"]["containers"][0]["ports"]}
            assert {port["targetPort"] for port in spec["ports"]} <= ports
        elif kind == "HorizontalPodAutoscaler":
            assert (spec["scaleTargetRef"]["kind"], spec["scaleTargetRef"]["name"]) in resources
        elif kind in {"Deployment", "StatefulSet", "PodDisruptionBudget"}:
            assert any(spec["selector"]["matchLabels"].items() <= one.items() for one in labels), name
    [adapter] = _documents(KUBERNETES / "prometheus-adapter.yaml")
    offered = {rule["name"]["as"] for rule in adapter["rules"]["custom"]}
    metrics = resources["HorizontalPodAutoscaler", "glyphery"]["spec"]["metrics"]
    assert {metric["pods"]["metric"]["name"] for metric in metrics if "pods" in metric} == offered


def test_numbers_that_the_autoscaler_asks_for_are_measured(families: dict[str, set[str]]) -> None:
    [adapter] = _documents(KUBERNETES / "prometheus-adapter.yaml")
    for rule in adapter["rules"]["custom"]:
        _check_query(rule["seriesQuery"], families)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_pods_have_no_rights_they_do_not_need(folder: Path) -> None:
    for (kind, _), document in _resources(folder).items():
        if kind not in {"Deployment", "StatefulSet"}:
            continue
        pod = document["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not pod["automountServiceAccountToken"]
        assert not pod["enableServiceLinks"]
        [container] = pod["containers"]
        rights = container["securityContext"]
        assert rights["readOnlyRootFilesystem"]
        assert not rights["allowPrivilegeEscalation"]
        assert rights["capabilities"] == {"drop": ["ALL"]}
        assert {"startupProbe", "readinessProbe", "livenessProbe"} <= set(container)
        assert {"requests", "limits"} <= set(container["resources"])
        mounts = {mount["name"] for mount in container["volumeMounts"]}
        claims = {claim["metadata"]["name"] for claim in document["spec"].get("volumeClaimTemplates", ())}
        assert mounts == {volume["name"] for volume in pod["volumes"]} | claims
        names = {one["name"].removeprefix("GLYPHERY_").lower() for one in container["env"]}
        assert names <= set(Settings.model_fields)


# The release


def test_the_wheel_holds_the_program_the_bundle_and_the_licences(tmp_path: Path) -> None:
    """Built from what an image would be built from, so that both lists are right."""
    if importlib.util.find_spec("setuptools") is None:
        pytest.skip("setuptools is not installed")
    source = tmp_path / "source"
    source.mkdir()
    for name in ("LICENSE", "README.md", "pyproject.toml"):
        shutil.copy(ROOT / name, source)
    for name in {package.partition(".")[0] for package in _packages()} | {"LICENSES"}:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "*.onnx"))
    for model in (ROOT / "bundles" / "levit_128s").glob("*.onnx"):
        (source / "bundles" / "levit_128s" / model.name).write_bytes(b"large, and not needed here")
    subprocess.run(
        [sys.executable, "-c", "from setuptools import build_meta as b; b.build_wheel('.')"],
        cwd=source, check=True, capture_output=True,
    )  # fmt: skip
    [wheel] = source.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        [metadata] = [name for name in names if name.endswith("METADATA")]
        about = archive.read(metadata).decode()
    inside = {path.name for path in (ROOT / "bundles" / "levit_128s").iterdir()}
    assert {f"bundles/levit_128s/{name}" for name in inside} <= names
    for package in _packages():
        folder = ROOT / package.replace(".", "/")
        for file in folder.glob("*.py"):
            assert f"{package.replace('.', '/')}/{file.name}" in names
    assert f"Version: {PROJECT['version']}" in about
    assert "License-File: LICENSES/fonts.tsv" in about
    assert not any(name.startswith(("tests/", "runs/", "benchmarks/")) for name in names)


def test_every_package_of_fonts_has_its_licence_told() -> None:
    packages = (ROOT / "glyphs" / "data" / "debian-font-packages.txt").read_text().splitlines()
    rows = (ROOT / "LICENSES" / "fonts.tsv").read_text().splitlines()
    told = [row.split("\t") for row in rows if not row.startswith("#")][1:]
    assert [name for name, _, _ in told] == [name for name in packages if name and not name.startswith("#")]
    assert all(version and licences for _, version, licences in told)
