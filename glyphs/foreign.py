"""FreeType called with addresses as numbers.

freetype-py's own declarations wrap every pointer in an object, which for a small glyph costs more than
FreeType's work. These are the same functions and structures of the same library with their pointers as
numbers, which also lets numpy fill in many structures at once.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import freetype.raw as ft
import numpy as np
from numpy.typing import NDArray

LONG = np.dtype(f"i{ctypes.sizeof(ctypes.c_long)}")  # FreeType's coordinates


def _with_addresses(structure: type[ctypes.Structure]) -> type[ctypes.Structure]:
    fields = [
        (field[0], ctypes.c_void_p if issubclass(field[1], ctypes._Pointer) else field[1])
        for field in structure._fields_
    ]
    return type(structure.__name__, (ctypes.Structure,), {"_fields_": fields})


def _as_numpy(structure: type[ctypes.Structure]) -> np.dtype[np.void]:
    names = [field[0] for field in structure._fields_]
    fields = [getattr(structure, name) for name in names]
    formats, offsets = [f"u{field.size}" for field in fields], [field.offset for field in fields]
    size = ctypes.sizeof(structure)
    return np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": size})


def _function(name: str, *arguments: type[Any]) -> Callable[..., int]:
    return ctypes.CFUNCTYPE(ctypes.c_int, *arguments)((name, ft._lib))


OutlineStructure, BitmapStructure = _with_addresses(ft.FT_Outline), _with_addresses(ft.FT_Bitmap)
OUTLINE, BITMAP = _as_numpy(OutlineStructure), _as_numpy(BitmapStructure)  # none of their numbers is below 0

load_glyph = _function("FT_Load_Glyph", ctypes.c_void_p, ctypes.c_uint, ctypes.c_int)
embolden = _function("FT_Outline_Embolden", ctypes.c_void_p, ctypes.c_long)
get_box = _function("FT_Outline_Get_BBox", ctypes.c_void_p, ctypes.c_void_p)
get_control_box = _function("FT_Outline_Get_CBox", ctypes.c_void_p, ctypes.c_void_p)
get_bitmap = _function("FT_Outline_Get_Bitmap", ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)


def address(array: NDArray[Any]) -> int:
    """Where an array begins."""
    found: int = array.__array_interface__["data"][0]
    return found


def rows(array: NDArray[Any]) -> range:
    """Where each row of a contiguous array begins."""
    first = address(array)
    return range(first, first + array.nbytes, array.strides[0])
