"""Write the digest of every image beside its tag: Dockerfiles, Compose, .env.example and Kubernetes.

A tag can be moved, a digest cannot. The registry is asked for the digest of each tag once, by the
distribution API (https://distribution.github.io/distribution/spec/api/); nothing is written unless it
answers for all of them. Images that are built here have no digest and are left alone.
"""

import json
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

ROOT = Path(__file__).resolve().parent.parent
FILES = ("Dockerfile.gpu", "docker-compose.yml", ".env.example")
FOLDERS = ("infra/images", "infra/kubernetes")
# registry/repository:tag, with the digest that stood there before
IMAGE = re.compile(r"\b([a-z0-9.-]+\.[a-z]+(?::\d+)?/[a-z0-9._/-]+):([\w][\w.-]*)(@sha256:[0-9a-f]{64})?")
ACCEPT = ", ".join((
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
))  # fmt: skip


def files(root: Path = ROOT) -> list[Path]:
    """The files that name images."""
    found = [root / name for name in FILES]
    for folder in FOLDERS:
        found += sorted(
            p for p in (root / folder).rglob("*") if p.suffix == ".yaml" or p.name == "Dockerfile"
        )
    return found


def named(texts: Iterable[str]) -> list[str]:
    """`registry/repository:tag` of every image in these texts, each once, in order."""
    return list(dict.fromkeys(f"{m[1]}:{m[2]}" for text in texts for m in IMAGE.finditer(text)))


def digest(image: str, *, scheme: str = "https") -> str:
    """The digest that a registry has for `registry/repository:tag`; OSError where it does not answer."""
    registry, _, rest = image.partition("/")
    repository, _, tag = rest.rpartition(":")
    host = "registry-1.docker.io" if registry == "docker.io" else registry
    url = f"{scheme}://{host}/v2/{repository}/manifests/{tag}"
    try:
        return _ask(url, {})
    except HTTPError as error:
        if error.code != 401:
            raise
        return _ask(url, {"Authorization": f"Bearer {_token(error.headers['WWW-Authenticate'] or '')}"})


def _ask(url: str, headers: dict[str, str]) -> str:
    request = Request(url, headers={"Accept": ACCEPT, **headers}, method="HEAD")
    with urlopen(request, timeout=30) as answer:
        found = answer.headers.get("Docker-Content-Digest", "")
    if not re.fullmatch(r"sha256:[0-9a-f]{64}", found):
        raise OSError(f"{url} names no digest")
    return found


def _token(challenge: str) -> str:
    """An anonymous token for what `WWW-Authenticate` asks for."""
    asked = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
    realm = asked.pop("realm", "")
    if not realm:
        raise OSError(f"the registry asks for a login that is not understood: {challenge[:100]}")
    with urlopen(f"{realm}?{urlencode(asked)}", timeout=30) as answer:
        found = json.load(answer)
    return str(found.get("token") or found.get("access_token"))


def pinned(text: str, digests: dict[str, str]) -> str:
    """The text with each image's digest behind its tag, in the place of an older one."""

    def write(match: re.Match[str]) -> str:
        image = f"{match[1]}:{match[2]}"
        return f"{image}@{digests[image]}"

    return IMAGE.sub(write, text)


def pin(root: Path = ROOT, ask: Callable[[str], str] = digest) -> dict[str, str]:
    """Pin every image in the files of a checkout; returns the digests by image, all of them or OSError."""
    texts = {path: path.read_text() for path in files(root)}
    digests: dict[str, str] = {}
    for image in named(texts.values()):
        try:
            digests[image] = ask(image)
        except (URLError, OSError) as error:
            raise OSError(f"{image}: {getattr(error, 'reason', None) or error}") from None
    for path, text in texts.items():
        new = pinned(text, digests)
        if new != text:
            path.write_text(new)
    return digests


def main() -> int:
    try:
        found = pin()
    except OSError as error:
        print(f"Nothing was pinned, the registry gives no digest of {error}.", file=sys.stderr)
        return 2
    for image, sha in found.items():
        print(f"{image}@{sha}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
