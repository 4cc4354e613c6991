# SPDX-License-Identifier: Apache-2.0
"""Resolves the prompt of a request: into classes, a seed that names the chosen material, and
controls.
"""

from __future__ import annotations

from texgen.errors import InvalidRequestError
from texgen.modelcard import ModelCard
from texgen.pb import texgen_pb2 as pb
from texgen_server.material.sources import seed_of_member
from texgen_server.prompt import PromptReaders
from texgen_server.rpc.requests.seed import seed_of


def resolve_prompt(
    request: pb.GenerateMaterialRequest, card: ModelCard, readers: PromptReaders
) -> tuple[pb.GenerateMaterialRequest, pb.PromptChoice]:
    """Return the request with its prompt resolved, and what the prompt chose. Controls that the
    request names win.

    The seed is the first one, from the request's (or a random one) on, that picks the chosen
    material. Raises InvalidRequestError, and LoadError when the server reads no prompts.
    """
    if request.classes or request.recipe:
        raise InvalidRequestError(
            "a prompt chooses the class: give --prompt alone, or a class or recipe", "prompt"
        )
    choice = readers.read(card, request.prompt)
    members = next(c.materials for c in card.classes if c.name == choice.class_name)
    plain = pb.GenerateMaterialRequest()
    plain.CopyFrom(request)
    plain.prompt = ""
    plain.classes.append(pb.ClassWeight(name=choice.class_name, weight=1.0))
    plain.seed = seed_of_member(
        choice.class_name, members.index(choice.material), len(members), seed_of(request)
    )
    for name, value in choice.controls.items():
        if name not in request.controls:
            plain.controls[name] = value
    chosen = pb.PromptChoice(
        classes=plain.classes,
        material=choice.material,
        controls=plain.controls,
        similarity=choice.similarity,
    )
    return plain, chosen
