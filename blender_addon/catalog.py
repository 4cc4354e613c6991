# SPDX-License-Identifier: GPL-3.0-or-later
"""What the server's models offer, and the sliders that are built from it: a new model on the server
needs no new add-on.

The answers are kept in the extension's own folder, so that the sliders of a file are there before a
server has been asked.
"""

import re
from pathlib import Path

import bpy
from google.protobuf.message import DecodeError

from texgen.pb import texgen_pb2 as pb

FILE = "models.pb"
models = {}
_classes = {}
_changed = []


def of_kind(kind):
    """Models of a kind, by id."""
    return [models[name] for name in sorted(models) if models[name].kind == kind]


def find(model_id, kind):
    """A model by its id; else the first of its kind; None where none is known."""
    found = models.get(model_id)
    if found is not None and found.kind == kind:
        return found
    return next(iter(of_kind(kind)), None)


def on_change(function):
    """Call ``function(scene)`` whenever a slider moves."""
    _changed.append(function)


def take(found):
    """Models as the server told them; their sliders replace those that there were."""
    models.clear()
    models.update({model.id: model for model in found})
    for model in found:
        _build(model)
    folder = _folder()
    if folder is not None:
        partial = folder / f"{FILE}.partial"
        partial.write_bytes(pb.ListModelsResponse(models=found).SerializeToString())
        partial.replace(folder / FILE)


def ask(board, server):
    """Ask a server what it has."""
    board.tell(server, "ModelService", "ListModels", pb.ListModelsRequest(), _take_steps)


def _take_steps(reply):
    take(list(reply.models))
    yield "Connected: " + ", ".join(f"{m.title or m.id} {m.version}" for m in reply.models)


def sliders(scene, model):
    """The scene's slider values of a model: a property group."""
    return getattr(scene, _attribute(model.id))


def values(scene, model):
    """Sliders that are not at their default, as a request has them."""
    group = sliders(scene, model)
    pairs = {c.name: getattr(group, c.name) for c in model.controls}
    return {
        c.name: pairs[c.name] for c in model.controls if abs(pairs[c.name] - c.default_value) > 1e-6
    }


def set_values(scene, model, wanted):
    """Move the sliders to values; those that are not named to their default."""
    group = sliders(scene, model)
    for c in model.controls:
        setattr(group, c.name, wanted.get(c.name, c.default_value))


def _attribute(model_id):
    return "texgen_" + re.sub(r"\W", "_", model_id)


def _build(model):
    name = _attribute(model.id)
    told = b"".join(c.SerializeToString(deterministic=True) for c in model.controls)
    if name in _classes:
        if _classes[name][1] == told:
            return
        _drop(name)
    made = type(
        f"TEXGEN_PG_{name}",
        (bpy.types.PropertyGroup,),
        {"__annotations__": {c.name: _slider(c) for c in model.controls}},
    )
    bpy.utils.register_class(made)
    setattr(bpy.types.Scene, name, bpy.props.PointerProperty(type=made))
    _classes[name] = (made, told)


def _slider(control):
    return bpy.props.FloatProperty(
        name=control.label,
        description=control.description + (f" In {control.unit}" if control.unit else ""),
        default=control.default_value,
        min=control.minimum,
        max=control.maximum,
        precision=2,
        options=set(),
        update=_moved,
    )


def _moved(group, context):
    scene = group.id_data
    for function in _changed:
        function(scene)


def _drop(name):
    delattr(bpy.types.Scene, name)
    bpy.utils.unregister_class(_classes.pop(name)[0])


def _folder():
    """Where this extension may write; None where it is not installed as one."""
    try:
        return Path(bpy.utils.extension_path_user(__package__, create=True))
    except ValueError:
        return None


def register():
    folder = _folder()
    path = folder / FILE if folder is not None else None
    if path is None or not path.is_file():
        return
    try:
        known = pb.ListModelsResponse.FromString(path.read_bytes())
    except (
        OSError,
        DecodeError,
    ):  # written by another version, or cut off: the server will be asked again
        return
    models.update({model.id: model for model in known.models})
    for model in known.models:
        _build(model)


def unregister():
    for name in list(_classes):
        _drop(name)
    models.clear()
    _changed.clear()
