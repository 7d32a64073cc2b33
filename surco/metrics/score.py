"""All per-clip measures of the protocol for one decoded clip, or for many."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from surco.audio.mel import SILENCE_DB, MelConfig, normalise_loudness
from surco.errors import InputError
from surco.metrics import listening, phase, spectrum, structure
from surco.metrics.structure import TOGETHER, Chromagram, chromagrams

QUICK = ("log_mel_db", "zimtohrli", "chroma", "onset", "onset_f1", "tempo", "self_similarity", "si_sdr_db")
FULL = (*QUICK, "multi_scale_mel", "visqol")
HIGHER_IS_BETTER = {
    "log_mel_db": False, "multi_scale_mel": False, "zimtohrli": True, "visqol": True, "chroma": True,
    "onset": True, "onset_f1": True, "tempo": True, "self_similarity": True, "si_sdr_db": True,
    "style_accuracy": True, "style_agreement": True, "style_kl": False, "kernel_audio_distance": False,
}  # fmt: skip


class Reference:
    """An original, analysed once and compared with many decoded versions.

    Both sides are brought to the fixed loudness by the *original's* gain, so that a loudness error
    counts in every measure, and quiet clips are heard at the level of the others.

    Args:
        original: wave (T,), at least half a second.
        sample_rate: of both sides, Hz.
        chromagram: of the original, where it is known already.
        quick: leave out ViSQOL and the multi-scale mel distance (a third of the time).
    """

    def __init__(
        self,
        original: np.ndarray,
        sample_rate: int = 22_050,
        *,
        chromagram: Chromagram | None = None,
        quick: bool = False,
    ):
        self.sample_rate, self.quick = sample_rate, quick
        wave = _wave(original, "original")  # (T,)
        if len(wave) < sample_rate // 2:
            raise InputError(
                f"A clip of {len(wave)} samples is under half a second; give a longer one to score."
            )
        config = MelConfig()
        levelled, gain_db = normalise_loudness(torch.from_numpy(wave)[None], config)
        silent = gain_db.item() <= SILENCE_DB + 0.1  # nothing to bring up; both sides stay as they are
        self.scale = 1.0 if silent else float(10 ** ((config.loudness_db - gain_db.item()) / 20))
        tensor = torch.from_numpy(wave) if silent else levelled[0]
        self.wave = tensor.numpy()  # (T,)
        self.mel = spectrum.log_mel(tensor)  # (80, F)
        self.mels = [] if quick else spectrum.multi_scale_mels(tensor, sample_rate)
        self.at_48k = listening.at_48k(self.wave, sample_rate)  # (T48,)
        self.structure = structure.analyse(self.wave, self.mel.numpy(), sample_rate, chromagram)

    def score(
        self, decoded: np.ndarray, *, light: bool = False, chromagram: Chromagram | None = None
    ) -> dict[str, float]:
        """Measures of a decoded wave (T,); NaN where a measure is undefined on this original.

        `light` keeps log-mel L1 and Zimtohrli alone (0.1 s), enough to rank two systems.
        The chromagram of the decoded wave is not taken anew where it is given.
        """
        wave = _wave(decoded, "decoded")  # (T,)
        if len(wave) != len(self.wave):
            raise InputError(
                f"The decoded clip has {len(wave)} samples, not {len(self.wave)}: cut both to one length."
            )
        wave = wave * np.float32(self.scale)
        tensor = torch.from_numpy(wave)
        mel = spectrum.log_mel(tensor)  # (80, F)
        upper = listening.at_48k(wave, self.sample_rate)  # (T48,)
        found = {
            "log_mel_db": spectrum.log_mel_l1(self.mel, mel),
            "zimtohrli": listening.zimtohrli(self.at_48k, upper),
        }
        if light:
            return found
        ours, theirs = self.structure, structure.analyse(wave, mel.numpy(), self.sample_rate, chromagram)
        found |= {
            "chroma": structure.chroma_correlation(ours, theirs),
            "onset": structure.onset_correlation(ours, theirs),
            "onset_f1": structure.onset_f1(ours, theirs),
            "tempo": structure.tempo_agreement(ours, theirs),
            "self_similarity": structure.similarity_correlation(ours, theirs),
            "si_sdr_db": phase.si_sdr(self.wave, wave),
        }
        if not self.quick:
            scales = spectrum.multi_scale_mels(tensor, self.sample_rate)
            found["multi_scale_mel"] = spectrum.multi_scale_mel(self.mels, scales)
            found["visqol"] = listening.visqol(self.at_48k, upper)
        return found


def references(
    originals: Sequence[np.ndarray] | np.ndarray, sample_rate: int = 22_050, *, quick: bool = False
) -> list[Reference]:
    """A `Reference` of each original (T,): sooner than one by one."""
    waves = [_wave(wave, "original") for wave in originals]
    known = zip(waves, chromagrams(waves, sample_rate), strict=True)
    return [Reference(wave, sample_rate, chromagram=chroma, quick=quick) for wave, chroma in known]


def score(
    original: np.ndarray, decoded: np.ndarray, sample_rate: int = 22_050, *, quick: bool = False
) -> dict[str, float]:
    """Every per-clip measure of a decoded wave (T,) against its original (T,).

    About 0.8 s for 5 s of sound on one core (0.3 s with `quick`); most of it is ViSQOL.
    Raises `InputError` for NaN, other lengths or clips under half a second.
    """
    return Reference(original, sample_rate, quick=quick).score(decoded)


def score_all(
    references: Sequence[Reference],
    decoded: Sequence[np.ndarray] | np.ndarray,
    *,
    light: bool = False,
    threads: int = 1,
    progress: Callable[[int], None] = lambda done: None,
) -> list[dict[str, float]]:
    """`score` of many clips, in their order; `progress` hears how many are done.

    Threads help, since nearly all the time is spent in native code that lets go of Python's lock.
    """
    if len(references) != len(decoded):
        raise InputError(f"{len(decoded)} decoded clips for {len(references)} originals: give one for each.")
    found: list[dict[str, float]] = []

    def score_part(start: int) -> list[dict[str, float]]:
        part = slice(start, start + TOGETHER)
        waves = [_wave(wave, "decoded") for wave in decoded[part]]
        rate = references[start].sample_rate
        known = [None] * len(waves) if light else chromagrams(waves, rate)
        rows = zip(references[part], waves, known, strict=True)
        return [r.score(wave, light=light, chromagram=chroma) for r, wave, chroma in rows]

    with ThreadPoolExecutor(max(1, threads)) as pool:
        for results in pool.map(score_part, range(0, len(references), TOGETHER)):
            for result in results:
                found.append(result)
                progress(len(found))
    return found


def table(scores: Sequence[dict[str, float]]) -> dict[str, np.ndarray]:
    """Per-clip dictionaries to one array (N,) a measure."""
    return {name: np.array([s[name] for s in scores]) for name in (scores[0] if scores else {})}


def _wave(wave: np.ndarray, name: str) -> np.ndarray:
    array = np.ascontiguousarray(wave, dtype=np.float32)
    if array.ndim != 1 or not np.isfinite(array).all():
        raise InputError(f"The {name} clip must be one finite mono wave (T,), got shape {array.shape}.")
    return array
