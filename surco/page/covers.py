"""Pictures of songs small enough to travel inside a page."""

import base64
import io
from pathlib import Path

WIDE = 480  # pixels
QUALITY = 60  # of WebP: some 10 kB a picture


def cover(path: Path) -> str | None:
    """A small copy of a picture as a data address; None where it cannot be read, for a page is worth more."""
    from PIL import Image

    out = io.BytesIO()
    try:
        with Image.open(path) as image:
            small = image.convert("RGB")
            small.thumbnail((WIDE, WIDE))
            small.save(out, "WEBP", quality=QUALITY)
    except (OSError, ValueError):
        return None
    return f"data:image/webp;base64,{base64.b64encode(out.getvalue()).decode()}"
