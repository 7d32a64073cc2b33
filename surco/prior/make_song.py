"""`surco make-song`: a new song from the shipped prior, with nothing but the core package."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from surco.codec import Codec
    from surco.prior.bars import BarPrior
    from surco.prior.composing import Composed

LONGEST_LIKE = 120.0  # s of a song that another is to be like
ENDING = 1.0  # s of fade at a song's end


def make_song(
    out: Annotated[Path, typer.Option("--out", "-o", help="The .wav or .flac file to write.")],
    genre: Annotated[str | None, typer.Option(help="A genre; drawn by the seed if not given.")] = None,
    seconds: Annotated[float, typer.Option(help="How long the song lasts; 600 at most.")] = 30.0,
    tempo: Annotated[float | None, typer.Option(help="Beats a minute, 48 to 192.")] = None,
    key: Annotated[str | None, typer.Option(help='A key, such as "A minor" or "Bb".')] = None,
    like: Annotated[Path | None, typer.Option(help="A sound file that the song is to resemble.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Another seed is another song.")] = 0,
    prior: Annotated[Path | None, typer.Option(help="A prior of bars; the shipped one if not given.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Make a new song: drawn from the shipped prior by genre, tempo, key, or to resemble another song."""
    import json

    from surco.audio.io import writer_of
    from surco.codec import Codec
    from surco.prior.bars import BarPrior

    writer_of(out)  # a suffix that cannot be written is refused before any work
    codec = Codec.load()
    known = BarPrior.load(prior).require(codec=codec.fingerprint)
    made, facts = song_of(
        codec, known, genre=genre, seconds=seconds, tempo=tempo, key=key, like=like, seed=seed
    )
    write_song(out, made, facts)
    print(json.dumps(facts, indent=1) if as_json else f"{out}: {facts['title']}; {facts['told']}")


def song_of(
    codec: "Codec",
    prior: "BarPrior",
    *,
    genre: str | None = None,
    seconds: float = 30.0,
    tempo: float | None = None,
    key: str | None = None,
    like: Path | None = None,
    seed: int = 0,
) -> tuple[Any, dict[str, Any]]:
    """A wave (T,) of a new song at -16 LUFS, and the facts that its tags tell."""
    heard = None if like is None else heard_in(codec, like)
    composed = composed_of(prior, genre=genre, seconds=seconds, tempo=tempo, key=key, heard=heard, seed=seed)
    return rendered(codec, composed, seconds), facts_of(composed, prior.fingerprint, seconds)


def composed_of(
    prior: "BarPrior",
    *,
    genre: str | None = None,
    seconds: float = 30.0,
    tempo: float | None = None,
    key: str | None = None,
    heard: "tuple[Any, float] | None" = None,
    seed: int = 0,
) -> "Composed":
    """A song's vectors, of what is asked; the rest is of the song that was `heard`, or drawn by the seed.

    heard : vectors (m, D) of eight beats of a song, and its tempo in BPM
    """
    import numpy as np

    from surco.prior.composing import compose, nearest
    from surco.prior.keys import Key, key_of

    wanted = Key.parse(key) if key is not None else None
    like = None
    if heard is not None:
        like, beat = heard
        tempo = beat if tempo is None else tempo
        wanted = key_of(like) if wanted is None else wanted
        genre = prior.genres[nearest(prior, like)] if genre is None else genre
    if genre is None:
        genre = str(np.random.default_rng((seed, 1)).choice(prior.known))
    return compose(prior, genre, seconds, seed=seed, tempo=tempo, key=wanted, like=like)


def rendered(
    codec: "Codec",
    composed: "Composed",
    seconds: float,
    progress: Callable[[float], None] = lambda share: None,
) -> Any:
    """The wave (T,) of a composed song, with a fade at its end, at -16 LUFS and under -1 dB of true peak."""
    import numpy as np

    from surco.audio.loudness import set_loudness
    from surco.prior.render import render

    song, rate = composed.song, codec.mel.sample_rate
    wave = render(codec, song.vectors, song.poses, seconds, progress=progress)
    fade = min(len(wave), round(min(ENDING, seconds / 10) * rate))
    wave[len(wave) - fade :] *= np.linspace(1, 0, fade, dtype=np.float32)
    return set_loudness(wave, rate)


def facts_of(
    composed: "Composed", model: str, seconds: float, *, number: int | None = None
) -> dict[str, Any]:
    """What a song's tags and its line in a listing say; its number is the seed's if not given."""
    song = composed.song
    key = str(composed.key) if composed.key else None
    number = song.seed if number is None else number
    kind = f"{song.genre.title()} remix" if song.sources else song.genre.title()
    title = f"{kind} no. {number}{f' in {key}' if key else ''}, {composed.tempo:.0f} BPM"
    return {
        "title": title,
        "genre": song.genre,
        "tempo": round(composed.tempo, 1),
        "key": key,
        "seed": song.seed,
        "form": composed.form,
        "seconds": seconds,
        "model": model,
        "told": song.told,
    }


def tags_of(facts: dict[str, Any]) -> dict[str, str]:
    """The tags of a song's file."""
    about = f"tempo {facts['tempo']:g} BPM; key {facts['key'] or 'unknown'}; seed {facts['seed']}; "
    return {
        "title": facts["title"],
        "artist": "Surco",
        "genre": facts["genre"],
        "comment": f"{about}model {facts['model']}; {facts['told']}",
    }


def write_song(out: Path, wave: Any, facts: dict[str, Any]) -> None:
    """Write a song as its suffix says, tagged."""
    from surco.audio.io import write_flac, write_wav

    write = write_wav if out.suffix.lower() == ".wav" else write_flac
    write(out, wave, tags=tags_of(facts))


def heard_in(codec: "Codec", path: Path) -> tuple[Any, float]:
    """Vectors (m, D) of eight beats of a sound file's first two minutes, and its tempo in BPM."""
    from surco.audio.io import read_audio

    wave = read_audio(path)[: round(LONGEST_LIKE * codec.mel.sample_rate)]
    return heard_by(codec, codec.encode_long(wave), len(wave))


def heard_by(codec: "Codec", vectors: Any, samples: int) -> tuple[Any, float]:
    """The same of the vectors (n, D) of a song that lasts so many samples."""
    from surco.prior.beats import on_beats

    rate = codec.mel.sample_rate
    lasting = min(samples, round(LONGEST_LIKE * rate))
    whole = vectors[: max(1, lasting // (5 * rate))]  # a clip that ends in silence has no beat there
    read, pulses = on_beats(codec, whole, ["song"] * len(whole))
    return read, pulses[0].tempo
