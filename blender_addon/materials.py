# SPDX-License-Identifier: GPL-3.0-or-later
"""Applies results to materials: images, nodes, slots.

Works in small steps, one map each, so that no frame waits long.
"""

from dataclasses import dataclass, field

import bpy

from texgen.maps import Material

from . import frame_times, history, images, jobs, nodes, vertex_blend

MODES = (
    (
        "ACTIVE",
        "Active Material",
        "Into the material in the active slot; whatever else is in it stays",
    ),
    ("NEW", "New Material", "A material of its own in the active slot"),
    ("SLOT", "New Slot", "A material of its own in a slot that is added"),
    (
        "SELECTED",
        "Selected Objects",
        "One material of its own in the active slot of every selected object",
    ),
)


@dataclass(frozen=True)
class Target:
    """Says where a result goes.

    Holds names instead of objects, since objects may be deleted before the result arrives.
    """

    stem: str
    mode: str = "ACTIVE"
    object_names: tuple = ()
    material_name: str = ""
    look: nodes.SurfaceMapping = field(default_factory=nodes.SurfaceMapping)
    beside: bool = False
    mask: object = None
    """Image that painted a mix; stored with the recipe, which needs it."""

    def objects(self):
        """Return the target objects that still exist."""
        return [bpy.data.objects[name] for name in self.object_names if name in bpy.data.objects]


def target_of(context, settings, stem):
    """Read the target from the settings and the context.

    Raises ValueError for linked data, which cannot be changed.
    """
    mode = settings.target
    chosen = list(context.selected_objects) if mode == "SELECTED" else [context.active_object]
    usable = [o for o in chosen if o is not None and hasattr(o.data, "materials")]
    for obj in usable:
        if obj.library is not None or obj.data.library is not None:
            raise ValueError(
                f"{obj.name} is linked from another file and cannot be changed: make it local "
                f"(Object > Relations > Make Local)"
            )
    active = usable[0].active_material if usable and mode == "ACTIVE" else None
    if active is not None and active.library is not None:
        raise ValueError(
            f"{active.name} is linked from another file and cannot be changed: choose the "
            f"target New Material, or make it local"
        )
    look = nodes.SurfaceMapping(_projection(settings.projection, usable), settings.relief)
    names = tuple(o.name for o in usable)
    return Target(
        stem, mode, names, active.name if active else "", look, settings.files == "BESIDE"
    )


def _projection(wanted, objects):
    """Choose UV if all meshes have UVs, else BOX, unless the settings name one."""
    if wanted != "AUTO":
        return wanted
    meshes = [o for o in objects if o.type == "MESH"]
    return "BOX" if meshes and not all(o.data.uv_layers for o in meshes) else "UV"


def apply_steps(result, target, label):
    """Apply a result in steps: each loads one map, the last one wires them all and assigns the
    material. Yields messages.
    """
    made = {}
    try:
        for kind, packed in result.maps.items():
            made[kind] = yield from images.load_steps(
                f"{target.stem}_{kind}", packed, result.recipe, beside=target.beside
            )
            yield f"Loaded {kind}"
    except BaseException:  # cancelled half way, or a full disk: leave nothing behind
        images.discard_new(made.values())
        raise
    material = _material_for(target)
    old = nodes.texgen_images(material)
    tile_m = result.controls.get("tile_size_m", 1.0)
    look = nodes.SurfaceMapping(
        target.look.projection,
        target.look.relief,
        tile_m,
        result.height_range_m,
        vertex_blend.blend_of(material),
    )
    left = nodes.build(material, made, look)
    history.record(material, result, label, target.mask)
    note = _assign(target, material)
    try:
        yield jobs.FinalMessage("Wired")
    finally:  # dropped or not
        images.remove(old)
        push_undo("TexGen material")
    kept = f"; left as you linked it: {', '.join(left)}" if left else ""
    yield jobs.FinalMessage(f"{material.name}{note}{kept}")


def push_undo(name):
    """Push one undo step for everything done since the last one."""
    with frame_times.blender_work():
        if bpy.ops.ed.undo_push.poll():
            bpy.ops.ed.undo_push(message=name)


def with_origin(map_set, recipe, height_m):
    """Return a map set as a material with the recipe and the height range of its original."""
    return Material(
        **vars(map_set), recipe=recipe, seed=0, output_licence="", height_range_m=height_m
    )


def _material_for(target):
    """Return the target's material if it still exists, else a new one."""
    found = bpy.data.materials.get(target.material_name) if target.material_name else None
    if found is None:
        return nodes.new_material(target.stem)
    if found.node_tree is None:
        found.use_nodes = True
    return found


def _assign(target, material):
    """Assign the material to the target's slots; a replaced material stays in the file.

    Returns a note for the user.
    """
    objects = target.objects()
    if not objects:
        material.use_fake_user = True
        return " made (no object to put it on)"
    notes = []
    for obj in objects:
        replaced = obj.active_material
        if replaced is material:
            notes.append(f" updated on {obj.name}")
            continue
        if obj.material_slots and target.mode != "SLOT":
            obj.material_slots[obj.active_material_index].material = material
        else:
            obj.data.materials.append(material)
            obj.active_material_index = len(obj.material_slots) - 1
            replaced = None
        if replaced is not None and replaced.users == 0:
            replaced.use_fake_user = True
        notes.append(
            f" on {obj.name}"
            + (f"; {replaced.name} is kept in the file" if replaced is not None else "")
        )
    return notes[0] if len(notes) == 1 else f" on {len(notes)} objects"
