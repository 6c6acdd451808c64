"""How large a picture is: its header alone is read, nothing of it is drawn."""

from __future__ import annotations

import warnings
from pathlib import Path

from PIL import Image

READ = ("JPEG", "PNG", "WEBP")
ORIENTATION = 0x0112  # the EXIF field that says how it was held
ON_ITS_SIDE = range(5, 9)
MOST_PIXELS = 100_000_000  # more than any phone's camera makes


def size_of(path: Path) -> tuple[int, int] | None:
    """Width and height in pixels, as a browser shows it; None for what is none of the three kinds, or absurd."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path, formats=READ) as picture:
                width, height = picture.size
                turned = picture.getexif().get(ORIENTATION) in ON_ITS_SIDE
    except Exception:  # noqa: BLE001 - a sender's bytes may break the reader in any way
        return None
    if not 0 < width * height <= MOST_PIXELS:
        return None
    return (height, width) if turned else (width, height)
