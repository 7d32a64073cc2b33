"""The Kubernetes manifests: whole, and the same servers and workers as the compose file's."""

import re

from container_files import SECRETS, containers, filled, manifests, parses_as_surco, services

from services.settings import Settings


def test_manifests_are_whole_and_live_in_one_namespace() -> None:
    kinds = {(m["kind"], m["metadata"]["name"]) for m in manifests()}
    assert {("Deployment", n) for n in ("mlflow", "worker-cpu", "worker-gpu")} <= kinds
    assert {("StatefulSet", n) for n in ("redis", "minio", "postgres")} <= kinds
    assert {("Service", n) for n in ("redis", "minio", "postgres", "mlflow")} <= kinds
    assert ("Job", "bucket") in kinds
    for manifest in manifests():
        assert manifest["apiVersion"] and manifest["metadata"]["name"]
        assert manifest["kind"] == "Namespace" or manifest["metadata"]["namespace"] == "surco"
    assert ("Namespace", "surco") in kinds


def test_workloads_select_their_own_pods_without_root_or_tokens() -> None:
    for manifest in manifests():
        if not containers(manifest):
            continue
        template = manifest["spec"]["template"]
        labels = template["metadata"]["labels"]
        assert labels["app"] == manifest["metadata"]["name"]
        if manifest["kind"] != "Job":
            assert manifest["spec"]["selector"]["matchLabels"] == labels
        pod = template["spec"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        # Kubernetes would add SURCO_..., REDIS_PORT and the like for each service of the namespace.
        assert pod["enableServiceLinks"] is False and pod["automountServiceAccountToken"] is False
        assert all("memory" in c["resources"]["limits"] for c in pod["containers"])
        mounted = {v["name"] for c in pod["containers"] for v in c.get("volumeMounts", [])}
        claims = manifest["spec"].get("volumeClaimTemplates", [])
        assert mounted == {v["name"] for v in (*pod.get("volumes", []), *(c["metadata"] for c in claims))}


def test_cluster_services_reach_a_port_that_is_there() -> None:
    pods = {m["metadata"]["name"]: containers(m) for m in manifests() if containers(m)}
    for service in (m for m in manifests() if m["kind"] == "Service"):
        (port,) = service["spec"]["ports"]
        (container,) = pods[service["spec"]["selector"]["app"]]
        assert port["targetPort"] in [p["containerPort"] for p in container["ports"]]


def test_cluster_runs_what_compose_runs() -> None:
    images = {filled(s["image"], {}) for s in services().values()}
    assert {c["image"] for m in manifests() for c in containers(m)} == images
    named = {
        c["name"] if c["name"] != "worker" else m["metadata"]["name"]: c
        for m in manifests()
        for c in containers(m)
    }
    for name in ("worker-cpu", "worker-gpu", "bucket", "mlflow", "minio", "postgres"):
        given = {e["name"] for e in named[name]["env"]}
        wanted = set(services()[name]["environment"])
        if name == "bucket":  # it speaks to S3 alone
            wanted = {w for w in wanted if "_S3_" in w}
        assert wanted <= given
    for name, queue in (("worker-cpu", "cpu"), ("worker-gpu", "gpu")):
        assert list(parses_as_surco(named[name]["args"])["queue"]) == [queue]
    limits = named["worker-gpu"]["resources"]["limits"]
    assert (
        limits["nvidia.com/gpu"] == 1 and "nvidia.com/gpu" not in named["worker-cpu"]["resources"]["limits"]
    )


def test_cluster_secrets_are_those_of_the_env_file() -> None:
    used = {
        (e["valueFrom"]["secretKeyRef"]["name"], e["valueFrom"]["secretKeyRef"]["key"])
        for m in manifests()
        for c in containers(m)
        for e in c["env"]
        if "valueFrom" in e
    }
    assert used == {("surco", name) for name in SECRETS}
    known = {f"SURCO_{name.upper()}" for name in Settings.model_fields}
    for manifest in manifests():
        for container in containers(manifest):
            names = [e["name"] for e in container["env"]]
            assert {n for n in names if n.startswith("SURCO_")} <= known
            for place, entry in enumerate(container["env"]):
                for name in re.findall(r"\$\((\w+)\)", entry.get("value", "")):
                    assert name in names[:place], f"{name} is used before it is given"


def test_cluster_workers_have_time_to_park_their_job() -> None:
    for manifest in manifests():
        if manifest["metadata"]["name"].startswith("worker-"):
            assert manifest["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] > 30
