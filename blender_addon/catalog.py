# SPDX-License-Identifier: GPL-3.0-or-later
"""Holds the models that the server offers, and builds sliders from their controls.

A new model on the server needs no new add-on.

The server's answer is stored in the extension's own folder, so a file's sliders exist before a
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


def models_of_kind(kind):
    """Return the models of a kind, sorted by id."""
    return [models[name] for name in sorted(models) if models[name].kind == kind]


def find(model_id, kind):
    """Return a model by its id, else the first of its kind, else None."""
    found = models.get(model_id)
    if found is not None and found.kind == kind:
        return found
    return next(iter(models_of_kind(kind)), None)


def on_change(function):
    """Register ``function(scene)``, called whenever a slider moves."""
    _changed.append(function)


def replace_models(found):
    """Replace all models by those the server listed, and rebuild their sliders."""
    models.clear()
    models.update({model.id: model for model in found})
    for model in found:
        _build(model)
    folder = _folder()
    if folder is not None:
        partial = folder / f"{FILE}.partial"
        partial.write_bytes(pb.ListModelsResponse(models=found).SerializeToString())
        partial.replace(folder / FILE)


def request_models(board, server):
    """Request the list of models from a server."""
    board.start_unary_call(
        server, "ModelService", "ListModels", pb.ListModelsRequest(), _replace_models_steps
    )


def _replace_models_steps(reply):
    replace_models(list(reply.models))
    yield "Connected: " + ", ".join(f"{m.title or m.id} {m.version}" for m in reply.models)


def sliders(scene, model):
    """Return the property group with the scene's slider values for a model."""
    return getattr(scene, _attribute(model.id))


def changed_values(scene, model):
    """Return {control name: value} of the sliders that are not at their default, as a request takes
    them.
    """
    group = sliders(scene, model)
    pairs = {c.name: getattr(group, c.name) for c in model.controls}
    return {
        c.name: pairs[c.name] for c in model.controls if abs(pairs[c.name] - c.default_value) > 1e-6
    }


def set_values(scene, model, wanted):
    """Set sliders to values; sliders not named return to their default."""
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
    """Return the folder this extension may write to; None if it is not installed as one."""
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
