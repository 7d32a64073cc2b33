"""Edit a song in its vectors: python examples/edit_song.py [SONG]

Writes edited.wav: a fifth faster, two semitones lower, brighter, and fading in.
"""

import sys
from pathlib import Path

import surco
from surco.edits.record import edit_recording

DEMO = Path(surco.__file__).parent / "datasets" / "demo" / "folk" / "folk.00001.ogg"

song = Path(sys.argv[1]) if len(sys.argv) > 1 else DEMO
amounts = {"tempo": 1.2, "pitch": -2.0, "brightness": 3.0, "fade_in": 1.0}
done = edit_recording(song, Path("edited.wav"), amounts, size=256)
print(f"edited.wav: {done['seconds']:.1f} s, {', '.join(done['edits'])}")
