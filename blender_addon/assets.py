# SPDX-License-Identifier: GPL-3.0-or-later
"""Marks materials as assets: preview, tags, author, licence, and a catalog."""

import uuid
from pathlib import Path

import bpy

from . import frame_times, history, nodes

CATALOG = "texgen"
CATALOG_ID = str(uuid.uuid5(uuid.NAMESPACE_URL, "texgen:catalog"))
CATALOG_FILE = "blender_assets.cats.txt"
HEADER = "# This is an Asset Catalog Definition file for Blender.\n\nVERSION 1\n\n"


def mark(material):
    """Mark a material as an asset.

    Raises OSError if the catalog file beside the .blend cannot be written.
    """
    material.asset_mark()
    about, entry = material.asset_data, history.current(material)
    about.author = "texgen"
    about.description = f"{entry.label}\n{entry.recipe}"
    about.license = material.texgen.licence
    for tag in ("texgen", *entry.label.replace("_", " ").split()):
        if tag not in about.tags:
            about.tags.new(tag)
    if bpy.data.filepath:
        _write_catalog(Path(bpy.data.filepath).parent / CATALOG_FILE)
        about.catalog_id = CATALOG_ID
    with frame_times.blender_work():
        _show(material)


def _write_catalog(path):
    """Add texgen's entry to the catalog file; existing entries stay."""
    text = path.read_text(encoding="utf-8") if path.is_file() else HEADER
    if CATALOG_ID in text:
        return
    partial = path.with_name(path.name + ".partial")
    partial.write_text(f"{text.rstrip()}\n{CATALOG_ID}:{CATALOG}:{CATALOG}\n", encoding="utf-8")
    partial.replace(path)


def _show(material):
    """Set the asset's preview to the basecolor map, until Blender has rendered one."""
    image = next(
        (n.image for k, n in nodes.texgen_textures(material).items() if str(k) == "basecolor"), None
    )
    if image is None or not all(image.size):
        return
    small = image.copy()
    try:
        small.scale(128, 128)
        preview = material.preview_ensure()
        preview.image_size = 128, 128
        preview.image_pixels_float.foreach_set(list(small.pixels))
    finally:
        bpy.data.images.remove(small)
