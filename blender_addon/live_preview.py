# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows small previews on the object while a slider is dragged, through one exploration.

The full size follows when the slider rests, or on Apply.
"""

import time

import bpy

from texgen.errors import TexgenError
from texgen.maps import Encoding, MapKind
from texgen.pb import texgen_pb2 as pb
from texgen.wire import requests

from . import catalog, exploration, images, jobs, nodes, preferences, request_options

EDGE_PX = 256
REST_S = 0.8
"""Seconds without a slider move after which the full size is requested."""
SHOWN = (MapKind.BASECOLOR, MapKind.ROUGHNESS, MapKind.NORMAL, MapKind.METALLIC, MapKind.AO)
PREFIX = "texgen live "


class LivePreview:
    """Previews one material at a time: replaces its images by small ones, and puts its own back
    afterwards.
    """

    def __init__(self, material, server):
        self.material_name = material.name
        self.exploration = exploration.Exploration(jobs.board.transport, server)
        self.changed_at = time.monotonic()
        self.shown = 0
        self._own = {}
        self._painting = []

    @property
    def material(self):
        return bpy.data.materials.get(self.material_name)

    def step(self):
        """Paint one map, or fetch the next answer. Raises TexgenError with the server's message."""
        if self._painting:
            self._paint(*self._painting.pop(0))
            self.shown += not self._painting
            return
        answer = self.exploration.latest_answer()
        if isinstance(answer, TexgenError):
            raise answer
        if answer is not None:
            self._painting = [(kind, answer.maps[kind]) for kind in SHOWN if kind in answer.maps]

    def _paint(self, kind, packed):
        node = nodes.texgen_textures(self.material).get(kind)
        if node is None:
            return
        small = bpy.data.images.get(PREFIX + kind)
        if small is None:
            small = images.blank(
                PREFIX + kind,
                packed.width_px,
                packed.height_px,
                is_data=kind is not MapKind.BASECOLOR,
            )
        images.paint(small, packed)
        if node.image is not small:
            self._own[kind] = node.image.name if node.image is not None else ""
            node.image = small

    def close(self):
        """Restore the material's own images and remove the small ones."""
        self.exploration.close()
        for kind, node in nodes.texgen_textures(self.material).items():
            if node.image is not None and node.image.name.startswith(PREFIX):
                node.image = bpy.data.images.get(self._own.get(kind, ""))
        images.remove([i for i in bpy.data.images if i.name.startswith(PREFIX)])


current = None


def on_slider_change(scene):
    """Preview the scene's settings on the active object's material, if texgen made it."""
    global current
    settings = scene.texgen
    active = bpy.context.active_object
    material = active.active_material if active is not None else None
    if not settings.live or not nodes.texgen_textures(material) or jobs.board.active:
        return
    try:
        if current is None or current.material_name != material.name:
            stop()
            current = LivePreview(material, preferences.server())
        current.exploration.move(_position(scene))
    except (ValueError, TexgenError) as error:
        jobs.board.show_message(str(error), failed=True)
        return
    current.changed_at = time.monotonic()
    jobs.board.on_tick(tick)


def _position(scene) -> pb.GenerateMaterialRequest:
    """Build a small RAW request from the current settings."""
    mix, options = request_options.generate_options(scene)
    options = request_options.small(options, EDGE_PX) | {"encoding": Encoding.RAW, "maps": SHOWN}
    return requests.generate(mix, **options).request


def tick():
    """Run one tick. Returns whether to continue."""
    if current is None:
        return False
    ended = current.exploration.ended
    if current.material is None or ended is not None:
        stop()
        jobs.board.show_message(ended or "", failed=bool(ended))
        return False
    try:
        current.step()
    except TexgenError as error:
        jobs.board.show_message(str(error), failed=True)
    if (
        time.monotonic() - current.changed_at > REST_S
        and not bpy.app.background
        and bpy.ops.texgen.apply_live.poll()
    ):
        bpy.ops.texgen.apply_live()
        return False
    return True


def stop():
    """End the preview and restore the material's own maps."""
    global current
    if current is not None:
        current.close()
        current = None


@bpy.app.handlers.persistent
def _stop(*_):
    stop()


def register():
    catalog.on_change(on_slider_change)
    for handlers in (bpy.app.handlers.load_pre, bpy.app.handlers.save_pre):
        handlers.append(_stop)


def unregister():
    stop()
    for handlers in (bpy.app.handlers.load_pre, bpy.app.handlers.save_pre):
        handlers.remove(_stop)
