# SPDX-License-Identifier: GPL-3.0-or-later
"""While a slider is dragged: small previews on the object, by way of one exploration.

The material itself follows when the hand rests, or on Apply.
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
"""Without a move, and the full size is asked for."""
SHOWN = (MapKind.BASECOLOR, MapKind.ROUGHNESS, MapKind.NORMAL, MapKind.METALLIC, MapKind.AO)
PREFIX = "texgen live "


class Live:
    """One at a time: the material that is being changed, its own images, and the small ones that
    stand in for them.
    """

    def __init__(self, material, server):
        self.material_name = material.name
        self.exploration = exploration.Exploration(jobs.board.transport, server)
        self.moved_at = time.monotonic()
        self.shown = 0
        self._own = {}
        self._painting = []

    @property
    def material(self):
        return bpy.data.materials.get(self.material_name)

    def step(self):
        """Paint one map, or fetch the next answer. Raises TexgenError with what the server said."""
        if self._painting:
            self._paint(*self._painting.pop(0))
            self.shown += not self._painting
            return
        answer = self.exploration.take()
        if isinstance(answer, TexgenError):
            raise answer
        if answer is not None:
            self._painting = [(kind, answer.maps[kind]) for kind in SHOWN if kind in answer.maps]

    def _paint(self, kind, packed):
        node = nodes.our_textures(self.material).get(kind)
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
        """The material's own images again; the small ones go."""
        self.exploration.close()
        for kind, node in nodes.our_textures(self.material).items():
            if node.image is not None and node.image.name.startswith(PREFIX):
                node.image = bpy.data.images.get(self._own.get(kind, ""))
        images.remove([i for i in bpy.data.images if i.name.startswith(PREFIX)])


current = None


def moved(scene):
    """A slider moved: draw it on the active object's material, where that is ours."""
    global current
    settings = scene.texgen
    active = bpy.context.active_object
    material = active.active_material if active is not None else None
    if not settings.live or not nodes.our_textures(material) or jobs.board.active:
        return
    try:
        if current is None or current.material_name != material.name:
            stop()
            current = Live(material, preferences.server())
        current.exploration.move(_position(scene))
    except (ValueError, TexgenError) as error:
        jobs.board.tell_user(str(error), failed=True)
        return
    current.moved_at = time.monotonic()
    jobs.board.watch(watch)


def _position(scene) -> pb.GenerateMaterialRequest:
    """The settings as they stand, small and raw."""
    mix, options = request_options.generate_options(scene)
    options = request_options.small(options, EDGE_PX) | {"encoding": Encoding.RAW, "maps": SHOWN}
    return requests.generate(mix, **options).request


def watch():
    """One tick. Returns whether to go on."""
    if current is None:
        return False
    ended = current.exploration.ended
    if current.material is None or ended is not None:
        stop()
        jobs.board.tell_user(ended or "", failed=bool(ended))
        return False
    try:
        current.step()
    except TexgenError as error:
        jobs.board.tell_user(str(error), failed=True)
    if (
        time.monotonic() - current.moved_at > REST_S
        and not bpy.app.background
        and bpy.ops.texgen.apply_live.poll()
    ):
        bpy.ops.texgen.apply_live()
        return False
    return True


def stop():
    """Back to the material's own maps."""
    global current
    if current is not None:
        current.close()
        current = None


@bpy.app.handlers.persistent
def _stop(*_):
    stop()


def register():
    catalog.on_change(moved)
    for handlers in (bpy.app.handlers.load_pre, bpy.app.handlers.save_pre):
        handlers.append(_stop)


def unregister():
    stop()
    for handlers in (bpy.app.handlers.load_pre, bpy.app.handlers.save_pre):
        handlers.remove(_stop)
