"""`make kind-up`: Surco on a Kubernetes cluster in containers, by kind; `make kind-down` takes it away.

Builds the images, loads them into a cluster named `surco`, makes the Secret of `.env` and applies the overlay
`cpu`, then waits until every pod is ready. Needs Docker, kind (https://kind.sigs.k8s.io) and kubectl. Called
again it goes on from what is there.
"""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CLUSTER, NAMESPACE = "surco", "surco"
IMAGES = ("surco-worker:cpu", "surco-mlflow:latest")
NEEDED = {"docker": "a container engine", "kind": "https://kind.sigs.k8s.io", "kubectl": "Kubernetes' client"}
KUBECTL = ("kubectl", "--context", f"kind-{CLUSTER}")
WAIT = "900s"


def missing() -> str:
    """One sentence for what stands in the way; "" where nothing does."""
    for tool, what in NEEDED.items():
        if shutil.which(tool) is None:
            return f"{tool} is not installed ({what}); make kind-up needs it."
    if subprocess.run(["docker", "version"], capture_output=True, check=False).returncode:
        return "No container engine answers `docker version`; start one."
    if not (ROOT / ".env").is_file():
        return "There is no .env; copy .env.example and fill it in."
    return ""


def run(*command: str, data: str | None = None) -> str:
    """A command's standard output; what it says otherwise is shown. CalledProcessError if it fails."""
    print("+", " ".join(command), flush=True)
    return subprocess.run(
        command, cwd=ROOT, check=True, text=True, input=data, stdout=subprocess.PIPE, timeout=3600
    ).stdout


def up() -> None:
    """From nothing, or from what is there, to pods that are all ready."""
    run("docker", "compose", "build", "worker-cpu", "mlflow")
    if CLUSTER not in run("kind", "get", "clusters").split():
        run("kind", "create", "cluster", "--name", CLUSTER, "--wait", "180s")
    run("kind", "load", "docker-image", "--name", CLUSTER, *IMAGES)
    run(*KUBECTL, "apply", "--filename", "infra/kubernetes/base/namespace.yaml")
    secret = run(
        *KUBECTL, "--namespace", NAMESPACE, "create", "secret", "generic", "surco", "--from-env-file=.env",
        "--dry-run=client", "--output=yaml",
    )  # fmt: skip
    run(*KUBECTL, "apply", "--filename", "-", data=secret)
    run(*KUBECTL, "apply", "--kustomize", "infra/kubernetes/overlays/cpu")
    for kind in ("statefulset", "deployment"):
        names = run(*KUBECTL, "--namespace", NAMESPACE, "get", kind, "--output=name").split()
        for name in names:
            run(*KUBECTL, "--namespace", NAMESPACE, "rollout", "status", name, f"--timeout={WAIT}")
    print(
        f"Ready. {' '.join(KUBECTL)} --namespace {NAMESPACE} exec statefulset/worker-cpu -- surco doctor\n"
        "asks every server; port-forward brings them to this machine (infra/kubernetes/README.md)."
    )


def main(arguments: list[str]) -> int:
    reason = missing()
    if reason:
        print(reason, file=sys.stderr)
        return 2
    try:
        if arguments == ["down"]:
            run("kind", "delete", "cluster", "--name", CLUSTER)
        else:
            up()
    except subprocess.CalledProcessError as error:
        print(f"`{' '.join(error.cmd)}` ended with exit code {error.returncode}.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
