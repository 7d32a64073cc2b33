"""The Kubernetes manifests: valid by Kubernetes' own schemas, restricted, and running what compose runs."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import kubernetes_validate
import pytest
import yaml
from container_files import ROOT, SECRETS, containers, filled, manifests, parses_as_surco, services

from services.settings import Settings

KUBERNETES = ROOT / "infra" / "kubernetes"
VERSION = "1.32"


def workloads() -> Iterator[dict[str, Any]]:
    return (m for m in manifests() if containers(m))


def every_container(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    pod = manifest["spec"]["template"]["spec"]
    return [*pod.get("initContainers", []), *pod["containers"]]


def test_manifests_follow_the_schemas_of_kubernetes() -> None:
    for manifest in manifests():
        kubernetes_validate.validate(manifest, VERSION, strict=True)
    broken = next(workloads())
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(
            {**broken, "spec": {**broken["spec"], "replicaz": 1}}, VERSION, strict=True
        )


def test_pods_pass_the_restricted_level() -> None:
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted"""
    namespace = next(m for m in manifests() if m["kind"] == "Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    for manifest in workloads():
        pod = manifest["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["runAsUser"] > 0
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["enableServiceLinks"] is False and pod["automountServiceAccountToken"] is False
        for volume in pod.get("volumes", []):
            assert set(volume) - {"name"} <= {"emptyDir", "configMap", "persistentVolumeClaim"}
        for container in every_container(manifest):
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False and context["readOnlyRootFilesystem"] is True
            assert context["capabilities"] == {"drop": ["ALL"]}
            for bound in ("requests", "limits"):
                assert {"memory", "ephemeral-storage"} <= set(container["resources"][bound])


def test_servers_and_workers_are_probed_and_guarded() -> None:
    guarded = {
        m["spec"]["selector"]["matchLabels"]["app"] for m in manifests() if m["kind"] == "PodDisruptionBudget"
    }
    for manifest in workloads():
        if manifest["kind"] == "Job":
            continue
        (container,) = containers(manifest)
        assert "readinessProbe" in container
        assert {"livenessProbe", "startupProbe"} & set(container)
        if manifest["kind"] == "StatefulSet":
            assert manifest["metadata"]["name"] in guarded
    closed = next(m for m in manifests() if m["metadata"]["name"] == "nothing-comes-in")
    assert closed["spec"] == {"podSelector": {}, "policyTypes": ["Ingress"]}


def test_the_studio_reaches_the_servers_and_nobody_reaches_it() -> None:
    policies = {m["metadata"]["name"]: m["spec"] for m in manifests() if m["kind"] == "NetworkPolicy"}
    for server in ("redis", "minio", "mlflow"):
        allowed = [f["podSelector"]["matchLabels"] for f in policies[server]["ingress"][0]["from"]]
        assert {"app": "studio"} in allowed, server
    assert {"app": "studio"} not in [
        f["podSelector"]["matchLabels"] for f in policies["postgres"]["ingress"][0]["from"]
    ]
    assert "studio" not in policies  # by port-forward alone
    (studio,) = (m for m in workloads() if m["metadata"]["name"] == "studio")
    tmp = next(v for v in studio["spec"]["template"]["spec"]["volumes"] if v["name"] == "tmp")
    assert tmp["emptyDir"]["medium"] == "Memory" and studio["spec"]["replicas"] == 1


def test_what_is_mounted_is_a_volume_and_what_selects_is_there() -> None:
    for manifest in workloads():
        pod = manifest["spec"]["template"]["spec"]
        mounted = {v["name"] for c in every_container(manifest) for v in c.get("volumeMounts", [])}
        claims = manifest["spec"].get("volumeClaimTemplates", [])
        assert mounted == {v["name"] for v in (*pod.get("volumes", []), *(c["metadata"] for c in claims))}
    apps = {m["spec"]["template"]["metadata"]["labels"]["app"] for m in workloads()}
    ports = {m["metadata"]["name"]: containers(m)[0].get("ports", []) for m in workloads()}
    for manifest in manifests():
        if manifest["kind"] == "Service":
            app = manifest["spec"]["selector"]["app"]
            assert app in apps
            for port in manifest["spec"].get("ports", []):
                assert port["targetPort"] in [p["containerPort"] for p in ports[app]]


def test_cluster_runs_what_compose_runs() -> None:
    images = {filled(s["image"], {}) for s in services().values()}
    assert {c["image"] for m in workloads() for c in every_container(m)} == images
    named = {m["metadata"]["name"]: containers(m)[0] for m in workloads()}
    for name in ("worker-cpu", "worker-gpu", "mlflow", "minio", "postgres", "studio"):
        assert set(services()[name]["environment"]) <= {e["name"] for e in named[name]["env"]}
    for name, queue in (("worker-cpu", "cpu"), ("worker-gpu", "gpu")):
        assert list(parses_as_surco(named[name]["args"])["queue"]) == [queue]
    assert named["worker-gpu"]["resources"]["limits"]["nvidia.com/gpu"] == 1


def test_secrets_and_addresses_are_given_before_they_are_used() -> None:
    known = {f"SURCO_{name.upper()}" for name in Settings.model_fields}
    addresses = next(m for m in manifests() if m["metadata"]["name"] == "addresses")["data"]
    used = set()
    for manifest in workloads():
        for container in every_container(manifest):
            names = [e["name"] for e in container.get("env", [])]
            assert {n for n in names if n.startswith("SURCO_")} <= known
            for place, entry in enumerate(container.get("env", [])):
                source = entry.get("valueFrom", {})
                used |= {source["secretKeyRef"]["key"]} if "secretKeyRef" in source else set()
                if "configMapKeyRef" in source:
                    assert source["configMapKeyRef"]["key"] in addresses
                for name in re.findall(r"\$\((\w+)\)", entry.get("value", "")):
                    assert name in names[:place], f"{name} is used before it is given"
    assert used == SECRETS


def test_workers_have_time_to_park_their_job() -> None:
    for manifest in workloads():
        if manifest["metadata"]["name"].startswith("worker-"):
            assert manifest["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] > 60


@pytest.mark.parametrize("overlay", ["cpu", "gpu", "external"])
def test_overlays_render_to_valid_manifests(overlay: str) -> None:
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl, which renders kustomize overlays, is not installed")
    command = ["kubectl", "kustomize", str(KUBERNETES / "overlays" / overlay)]
    found = list(yaml.safe_load_all(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout))
    for manifest in found:
        kubernetes_validate.validate(manifest, VERSION, strict=True)
    names = {m["metadata"]["name"] for m in found if m["kind"] == "StatefulSet"}
    assert ("worker-gpu" in names) == (overlay == "gpu") and ("minio" in names) == (overlay != "external")
