"""Install what requirements/ locks into this environment.

torch first, without a GPU from the index of CPU wheels that TORCH_CPU_INDEX names, where that answers, else
from whatever pip is configured with, whose torch for Linux may bring CUDA along;
then the locked rest without looking at dependencies again, so that nothing can pull another torch.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "requirements"


def pip(*args: str, check: bool = True) -> int:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", *args]
    code = subprocess.run(command, check=False).returncode
    if check and code:
        sys.exit(f"pip failed on {' '.join(args)}; see its message above.")
    return code


def has_gpu() -> bool:
    if shutil.which("nvidia-smi") is None:
        return False
    return b"GPU " in subprocess.run(["nvidia-smi", "-L"], capture_output=True, check=False).stdout


def install_torch() -> None:
    torch = ("-r", str(REQUIREMENTS / "torch.txt"))
    if has_gpu():
        pip(*torch)
        return
    index = os.environ.get("TORCH_CPU_INDEX", "")
    quickly = ("--retries", "0", "--timeout", "10", "--no-deps", "--index-url", index)
    if not (index and answers(index) and pip(*torch, *quickly, check=False) == 0):
        pip(*torch)


def answers(index: str) -> bool:
    """Whether the index can be reached at all, asked once and briefly."""
    from urllib.error import URLError
    from urllib.request import urlopen

    try:
        with urlopen(f"{index}/torch/", timeout=8):
            return True
    except (URLError, OSError, ValueError):
        return False


def mend_torchaudio() -> None:
    """Move torchaudio's libraries away where they do not fit this torch; its pure PyTorch part stays."""
    command = [sys.executable, "-c", "import torchaudio"]
    if subprocess.run(command, capture_output=True, check=False).returncode == 0:
        return
    for site in map(Path, sys.path):
        libraries = site / "torchaudio" / "lib"
        for path in sorted(libraries.glob("*.so")):
            path.rename(path.with_suffix(".so.cuda"))


def add_checkout() -> None:
    """Make `jobs` and `services` importable, which no wheel holds: a line for this checkout on the path."""
    (Path(sysconfig.get_path("purelib")) / "surco-checkout.pth").write_text(f"{ROOT}\n")


def main() -> None:
    start = time.monotonic()
    install_torch()
    pip("-r", str(REQUIREMENTS / "lock.txt"), "--no-deps")
    if shutil.which("c++") or shutil.which("g++") or shutil.which("clang++"):
        pip("-r", str(REQUIREMENTS / "compiled.txt"), "--no-deps", "--no-build-isolation")
    else:
        print("ViSQOL is left out, its libsvm needs a C++ compiler; install one and run make setup again.")
    pip("--no-deps", "--no-build-isolation", "-e", str(ROOT))
    add_checkout()
    mend_torchaudio()
    subprocess.run([sys.executable, "-m", "surco.warm"], cwd=ROOT, check=False)  # else the first job waits
    print(f"installed in {time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
