"""Learn styles from vectors with scikit-learn: python examples/latents_to_sklearn.py [FOLDER]

The folder holds one folder of sound files a style; without one, it is the demo music.
"""

import sys
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import surco

DEMO = Path(surco.__file__).parent / "datasets" / "demo"

folder = Path(sys.argv[1]) if len(sys.argv) > 1 else DEMO
files = sorted(path for path in folder.glob("*/*") if path.suffix in (".ogg", ".wav", ".flac", ".mp3"))
codec = surco.Codec.load()
x = np.stack([codec.encode_file(path, 64)[0] for path in files])  # (N, 64): the first clip of each file
y = [path.parent.name for path in files]
model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
scores = cross_val_score(model, x, y, cv=3)
print(f"{len(files)} files, {len(set(y))} styles")
print(f"accuracy {scores.mean():.2f}, by chance {1 / len(set(y)):.2f}")
