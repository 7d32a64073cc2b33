"""Choose the demo clips from a corpus folder and copy them, with their attribution, into the package.

    python -m benchmarks.make_demo CORPUS [--out surco/datasets]

Every style gives the same number of clips to `demo`, each from another track, and every clip keeps the split
it has in the corpus. Surer labels come first, then packages that were not drawn from yet. `demo_outside` gets
one clip each of test tracks from packages that neither the demo nor the shipped weights have anything of.
"""

import argparse
import csv
import hashlib
import shutil
from collections import Counter, defaultdict
from pathlib import Path

PER_STYLE = {"train": 6, "valid": 2, "test": 2}
CONFIDENCE = {"high": 0, "medium": 1, "low": 2}
OUTSIDE = 12  # clips, of as many tracks
COLUMNS = ["clip", "style", "split", "track", "artist", "title", "package", "licence", "start_s"]

Row = dict[str, str]


def choose(rows: list[Row]) -> list[Row]:
    """The middle clip of each chosen track, sorted by clip name."""
    tracks: dict[tuple[str, str], dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        tracks[row["style"], row["split"]][row["track"]].append(row)

    chosen: list[Row] = []
    for (_, split), group in sorted(tracks.items()):
        drawn: Counter[str] = Counter()
        left = dict(group)
        for _ in range(min(PER_STYLE[split], len(left))):
            track = min(left, key=lambda t: _rank(left[t][0], drawn))
            clips = sorted(left.pop(track), key=lambda row: float(row["start_s"]))
            chosen.append(clips[len(clips) // 2])
            drawn[clips[0]["package"]] += 1
    return sorted(chosen, key=lambda row: row["clip"])


def choose_outside(rows: list[Row], demo: list[Row]) -> list[Row]:
    """The middle clip of test tracks from packages without a clip in `demo`; styles and packages in turn."""
    known = {row["package"] for row in demo} | {row["package"] for row in rows if row["split"] != "test"}
    tracks: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row["package"] not in known:
            tracks[row["track"]].append(row)
    chosen: list[Row] = []
    styles, packages = Counter[str](), Counter[str]()
    while tracks and len(chosen) < OUTSIDE:
        track = min(
            tracks,
            key=lambda t: (styles[tracks[t][0]["style"]], *_rank(tracks[t][0], packages)),
        )
        clips = sorted(tracks.pop(track), key=lambda row: float(row["start_s"]))
        chosen.append(clips[len(clips) // 2])
        styles[clips[0]["style"]] += 1
        packages[clips[0]["package"]] += 1
    return sorted(chosen, key=lambda row: row["clip"])


def _rank(row: Row, drawn: Counter[str]) -> tuple[int, int, str]:
    # The hash breaks ties without favouring any letter of the alphabet.
    tie = hashlib.sha256(row["track"].encode()).hexdigest()
    return CONFIDENCE[row["label_confidence"]], drawn[row["package"]], tie


def attribution(rows: list[Row]) -> str:
    """ATTRIBUTION.md: who made each clip, and under which licence it may be passed on."""
    lines = [
        "# Attribution",
        "",
        "Every clip is a 5-second excerpt of a track shipped in the Debian archive (section main), changed",
        "from the original by excerpting, mixing to mono, resampling to 22 050 Hz, Vorbis coding and, where",
        "the peak exceeded full scale, a gain change. Each clip stays under the licence of its source track;",
        "the complete notices are in the `copyright` file of the Debian package named. Style labels are not",
        "the authors'.",
        "",
        "| clip | title | artist | package | licence | from |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        title, artist = (row[k].replace("|", "/") for k in ("title", "artist"))
        lines.append(
            f"| {Path(row['clip']).stem} | {title} | {artist} | {row['package']} | {row['licence']} "
            f"| {row['start_s']} s |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent.parent / "surco/datasets")
    args = parser.parse_args()

    with (args.corpus / "manifest.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    demo = choose(rows)
    copy(args.corpus, demo, args.out / "demo")
    copy(args.corpus, choose_outside(rows, demo), args.out / "demo_outside")


def copy(corpus: Path, rows: list[Row], out: Path) -> None:
    """Write the clips, manifest.csv and ATTRIBUTION.md of `rows` in place of what lies at `out`."""
    shutil.rmtree(out, ignore_errors=True)
    for row in rows:
        target = out / row["clip"]
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(corpus / row["clip"], target)
    with (out / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    (out / "ATTRIBUTION.md").write_text(attribution(rows), encoding="utf-8")

    size = sum(p.stat().st_size for p in out.rglob("*") if p.is_file())
    splits = Counter(row["split"] for row in rows)
    tracks = len({row["track"] for row in rows})
    print(f"{len(rows)} clips of {tracks} tracks, {dict(splits)}, {size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
