"""Rasters as clients see them."""

from __future__ import annotations

import base64
import io

from PIL import Image

from glyphs.raster import Raster


def as_picture(raster: Raster) -> str:
    """Dark on white, a PNG in base64."""
    file = io.BytesIO()
    Image.fromarray(255 - raster).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode("ascii")
