"""GTZAN: 1,000 excerpts of 30 s in ten genres, with the splits that leave its known faults out.

Tzanetakis & Cook, "Musical genre classification of audio signals", 2002. The fault-filtered lists
(443 train, 197 valid, 290 test) are Kereliuk, Sturm & Larsen, "Deep learning and music
adversaries", 2015, as torchaudio carries them.
"""

import ast
import importlib.util
import re
from pathlib import Path

from surco.errors import InputError

REPOSITORY, FILE = "marsyas/gtzan", "data/genres.tar.gz"
REVISION = "76f7a73336fdc332f0da549d60070201f0703770"  # the archive has not changed since
_LISTS = {"train": "filtered_train", "valid": "filtered_valid", "test": "filtered_test"}
_NAME = re.compile(
    r"^((?:blues|classical|country|disco|hiphop|jazz|metal|pop|reggae|rock)\.\d{5})\.(wav|au|flac|mp3|ogg|opus)$"
)


def splits() -> dict[str, str]:
    """Split of each of the 930 excerpts that are no repetition, distortion or mislabelling, by name.

    The lists are read out of torchaudio's source: importing it to get at them takes seconds, and
    fails where its native libraries do not match torch.
    """
    home = importlib.util.find_spec("torchaudio")
    path = Path((home.submodule_search_locations or [""])[0], "datasets", "gtzan.py") if home else None
    if path is None or not path.is_file():
        raise InputError("torchaudio's GTZAN lists are not installed; install torchaudio 2.11 beside torch.")
    found: dict[str, str] = {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            for split, variable in _LISTS.items():
                if node.targets[0].id == variable:
                    found.update(dict.fromkeys(ast.literal_eval(node.value), split))
    return found


def find(root: Path) -> tuple[list[tuple[Path, str]], list[str]]:
    """The excerpts of a GTZAN copy that the lists name, with their splits, and notes on the rest.

    Any layout will do (`genres/blues/blues.00000.wav`, `genres_original/...`): the names are unique.
    """
    present: dict[str, Path] = {}
    for path in sorted(root.rglob("*")):
        if match := _NAME.match(path.name):
            present.setdefault(match[1], path)
    listed = splits()
    chosen = [(path, listed[name]) for name, path in sorted(present.items()) if name in listed]
    if not chosen:
        raise InputError(
            f"{root} holds no GTZAN excerpts (blues.00000.wav and so on); name the folder or archive "
            "that has the ten genre folders, or prepare it as a plain folder."
        )
    notes = []
    if faulty := len(present) - len(chosen):
        notes.append(f"{faulty} excerpts are left out by the fault-filtered lists.")
    if lacking := len(listed) - len(chosen):
        notes.append(f"This copy lacks {lacking} of the {len(listed)} listed excerpts.")
    return chosen, notes


def download() -> Path:
    """GTZAN's archive from the hub, fetched once (1.2 GB) into the hub's own cache."""
    try:
        from huggingface_hub import hf_hub_download
    except ImportError as error:
        raise InputError("GTZAN from the hub needs huggingface_hub; install it or give a path.") from error
    try:
        return Path(hf_hub_download(REPOSITORY, FILE, repo_type="dataset", revision=REVISION))
    except Exception as error:  # the hub's client lets errors of three HTTP libraries through
        raise InputError(
            f"GTZAN could not be fetched from the hub ({REPOSITORY}; {type(error).__name__}); "
            "check the network, or give the path of a copy (a folder, .tar.gz or .zip)."
        ) from error
