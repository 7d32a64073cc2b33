"""How `jobs.generate` turns vectors into songs: decoding, describing, writing, drawing, assessing."""

from pathlib import Path
from typing import TYPE_CHECKING

from surco.files import as_file_name

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from surco.codec import Codec
    from surco.codec.pose import Pose
    from surco.edits.edit_report import EditAnswer
    from surco.edits.recipe import Recipe
    from surco.latents.vectors import VectorSet
    from surco.metrics.judge import GenreJudge
    from surco.prior.memorisation import CopyDetector
    from surco.prior.song_report import MadeSong
    from surco.prior.songs import Song


def decode_song(
    codec: "Codec", vectors: "NDArray[np.float32]", seconds: float, poses: "Sequence[Pose]" = ()
) -> "tuple[NDArray[np.float32], list[float]]":
    """A song (T,) of its clip vectors (n, D), cross-faded, with a fade at its end, at -16 LUFS.

    With it come the seconds at which its clips begin. A clip in a pose lasts longer or shorter, and the song
    with it.
    """
    import numpy as np
    import torch

    from surco.audio.loudness import set_loudness
    from surco.prior.songs import CLIP_SECONDS, OVERLAP

    rate = codec.mel.sample_rate
    device = next(codec.parameters()).device
    clips = torch.from_numpy(vectors).to(device)
    with torch.inference_mode():
        if any(poses):
            parts = [
                codec.decode(c[None], pose=p)[0].float().cpu().numpy()
                for c, p in zip(clips, poses, strict=True)
            ]
            out, starts = _joined(parts, round(OVERLAP * rate))
            out = out[: round(seconds * rate)] if len(parts) == 1 else out
        else:
            wave = codec.decode_long(clips, round(seconds * rate), overlap=OVERLAP)
            out = wave.float().cpu().numpy()
            starts = [round(i * (CLIP_SECONDS - OVERLAP) * rate) for i in range(len(clips))]
    fade = min(len(out), rate // 4)
    out[len(out) - fade :] *= np.linspace(1, 0, fade, dtype=np.float32)
    return set_loudness(out, rate), [round(s / rate, 3) for s in starts]


def _joined(parts: "list[NDArray[np.float32]]", fade: int) -> "tuple[NDArray[np.float32], list[int]]":
    """Waves (T_i,) one after the other by equal-power cross-fades, and where each begins."""
    import numpy as np

    ramp = np.sin(np.linspace(0, np.pi / 2, fade)).astype(np.float32)
    out, starts = parts[0].copy(), [0]
    for part in parts[1:]:
        starts.append(len(out) - fade)
        both = out[-fade:] * ramp[::-1] + part[:fade] * ramp
        out = np.concatenate([out[:-fade], both, part[fade:]])
    return out, starts


def describe(
    song: "Song",
    wave: "NDArray[np.float32]",
    starts: list[float],
    detector: "CopyDetector",
    judge: "GenreJudge | None",
    model: str,
    **about: object,
) -> "MadeSong":
    """The row of `songs.json`: the story of a song, the nearest training clip, the style heard.

    `about` holds its title, and what else is known of it. It has no name yet, and no files (`named`).
    """
    import numpy as np

    from surco.metrics.judge import listen
    from surco.prior.song_report import MadeSong

    matches = detector.check(song.vectors)
    style = None
    if judge is not None:
        clips = np.array_split(wave, max(1, round(len(wave) / 110_250)))
        heard = np.concatenate([listen(_padded(c)) for c in clips])  # (n, E)
        style = judge.opinion(heard, song.genre)
    row: dict[str, object] = dict(
        name="",
        genre=song.genre,
        recipe=song.recipe,
        told=song.told,
        sources=song.sources,
        seed=song.seed,
        size=int(song.vectors.shape[1]),
        seconds=round(len(wave) / 22_050, 3),
        model=model,
        files=[],
        nearest=min(matches, key=lambda m: m.relative),
        copies=sorted({m.clip for m in matches if m.copy}),
        style=style,
        starts=starts,
    )
    return MadeSong.model_validate({**row, **about})


def named(row: "MadeSong", number: int, seed: int, *, taken: "Collection[str]" = ()) -> "MadeSong":
    """The row with the name of its files, such as jazz-2-a-minor-112-bpm-512, one that is not taken."""
    made = [f"{row.tempo:.0f}-bpm"] if row.tempo is not None else []
    kind = [] if row.recipe == "bars" else [row.recipe]
    key = [row.key.replace("#", "-sharp").replace(" ", "-").lower()] if row.key else []
    other = [f"seed-{seed}"] if seed else []
    name = as_file_name("-".join([row.genre, *kind, str(number), *key, *made, str(row.size), *other]))
    if name in taken:  # two genres may differ by what no file name holds
        name = f"{name}-{row.seed}"
    return row.model_copy(update={"name": name, "files": [f"songs/{name}.wav", f"songs/{name}.flac"]})


def _padded(wave: "NDArray[np.float32]") -> "NDArray[np.float32]":
    """A wave (T,) of less than a second as a clip (1, 22050) that can be listened to."""
    import numpy as np

    return np.pad(wave, (0, max(0, 22_050 - len(wave))))[None]


def write(folder: Path, row: "MadeSong", wave: "NDArray[np.float32]", collection: str) -> None:
    """WAV, and FLAC with tags."""
    from surco.audio.io import write_flac, write_wav

    tags = {
        "title": row.title,
        "artist": "Surco",
        "album": collection,
        "genre": row.genre,
        "comment": f"seed {row.seed}; model {row.model}; {row.size} dimensions per 5 s; "
        f"{row.recipe}: {row.told}",
    }
    if row.tempo is not None:
        tags["comment"] += f"; {row.tempo:g} BPM{f', {row.key}' if row.key else ''}"
    write_wav(folder / f"{row.name}.wav", wave, tags=tags)
    write_flac(folder / f"{row.name}.flac", wave, tags=tags)


def picture(wave: "NDArray[np.float32]", row: "MadeSong", path: Path) -> None:
    """A song's own picture: waveform and spectrogram, with its parts and beats."""
    from surco.prior.song_picture import draw_song

    draw_song(wave, path, title=row.title, starts=row.starts, form=row.form, tempo=row.tempo)


def pictures(
    waves: "list[NDArray[np.float32]]", rows: "list[MadeSong]", path: Path, *, most: int = 8
) -> None:
    """Log-mel spectrograms of the first songs."""
    import torch

    from surco.audio.mel import LogMel, normalise_loudness
    from surco.plots import theme

    front = LogMel()
    panels: dict[str, NDArray[np.float32]] = {}
    for wave, row in list(zip(waves, rows, strict=True))[:most]:
        if len(wave) > front.config.n_fft:
            level, _ = normalise_loudness(torch.from_numpy(wave)[None], front.config)
            same = sum(name.split()[0] == row.genre for name in panels)
            name = f"{row.genre} {same + 1}" if same else row.genre
            panels[name] = front(level)[0].numpy()  # (80, frames)
    if panels:
        theme.save(theme.spectrogram_row(panels, seconds=rows[0].seconds, columns=4), path)


def assess_edit(
    codec: "Codec",
    recipes: "list[Recipe]",
    vectors: "VectorSet",
    load: "Callable[[list[str]], NDArray[np.float32]]",
    judge: "GenreJudge | None",
    *,
    seed: int,
) -> "EditAnswer":
    """Is the edit possible with this method: the recipes at work, beside mixing with a training clip.

    `load` gives the waves (N, T) of clips by id.
    """
    import numpy as np

    from surco.bench import Bench
    from surco.datasets.sampling import spread_rows
    from surco.edits.answer import answer
    from surco.latents.attributes import measure_all

    train, valid = vectors.take(split="train"), vectors.take(split="valid")
    rng = np.random.default_rng(seed)
    bench = Bench(codec, vectors.size, judge=judge)

    def partner(recipe: "Recipe") -> str:
        if len(recipe.sources) > 1:
            return str(recipe.sources[-1])
        home = recipe.target if recipe.target in train.genres else recipe.genre
        return str(rng.choice([c for c, g in zip(train.clips, train.genres, strict=True) if g == home]))

    partners = load([partner(r) for r in recipes])
    if recipes[0].edit == "attribute":  # mix with the one of some that has most of what is asked for
        several = load([train.clips[i] for i in rng.permutation(len(train))[:24]])
        most = int(np.nanargmax(measure_all(several)[recipes[0].target]))
        partners = np.repeat(several[most][None], len(recipes), 0)
    unseen = valid.rows(spread_rows(valid.genres, 4, seed=seed))
    real = bench.embed(load(unseen.clips))
    originals = load([r.sources[0] for r in recipes])
    return answer(
        recipes,
        bench,
        originals=originals,
        partners=partners,
        real=real,
        train=train,
        unseen=valid,
        seed=seed,
    )
