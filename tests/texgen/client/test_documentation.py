# SPDX-License-Identifier: Apache-2.0
"""The SDK documents itself: every argument has a name, a type, a default and a sentence, and both
clients say the same.
"""

from __future__ import annotations

import inspect
import re

import pytest

from texgen import AsyncClient, Client
from texgen.client.explore import Explorer
from texgen.wire import requests

TEXTURES = ("generate", "vary", "mix", "capture", "upscale", "repair", "generate_environment")
CALLBACKS = ("on_progress", "on_preview")
SECTIONS = ("Args", "Returns", "Raises", "Example")


def methods(client):
    return {
        name: function
        for name, function in inspect.getmembers(client, inspect.isfunction)
        if not name.startswith("_")
    }


def section(function, title):
    """The text of a section of a docstring in Google's style."""
    found = re.search(
        rf"^{title}:\n((?:    .*\n|\n)+)", inspect.getdoc(function) + "\n", re.MULTILINE
    )
    return found[1] if found else ""


def arguments(function):
    """Documented argument -> what is said of it."""
    parts = re.split(r"^    (\w+): ", section(function, "Args"), flags=re.MULTILINE)[1:]
    return {name: " ".join(text.split()) for name, text in zip(*[iter(parts)] * 2, strict=True)}


def parameters(function):
    return [p for p in inspect.signature(function).parameters.values() if p.name != "self"]


def test_both_clients_have_the_same_methods():
    assert set(methods(Client)) - set(methods(AsyncClient)) == {"explore"}
    assert set(methods(AsyncClient)) <= set(methods(Client))


@pytest.mark.parametrize("name", sorted(methods(AsyncClient)))
def test_both_clients_have_the_same_signatures_and_documentation(name):
    ours, theirs = methods(Client)[name], methods(AsyncClient)[name]
    assert inspect.signature(ours) == inspect.signature(theirs)
    assert inspect.iscoroutinefunction(theirs)
    for title in ("Args", "Returns", "Raises"):
        assert section(ours, title) == section(theirs, title)


@pytest.mark.parametrize(
    "function",
    [getattr(Client, name) for name in TEXTURES] + [Explorer.send],
    ids=lambda f: f.__name__,
)
def test_a_call_names_and_explains_every_argument(function):
    assert list(arguments(function)) == [p.name for p in parameters(function)]
    assert all(text.endswith(".") for text in arguments(function).values())
    assert all(section(function, title) for title in SECTIONS)
    for parameter in parameters(function):
        assert parameter.kind is not inspect.Parameter.VAR_KEYWORD
        assert parameter.annotation is not inspect.Parameter.empty


@pytest.mark.parametrize("name", TEXTURES)
def test_a_call_has_the_arguments_of_its_request_and_two_callbacks(name):
    call = [(p.name, p.kind, p.default) for p in parameters(getattr(Client, name))]
    request = [(p.name, p.kind, p.default) for p in parameters(getattr(requests, name))]
    assert call[:-2] == request
    assert tuple(name for name, *_ in call[-2:]) == CALLBACKS


def test_a_position_of_the_sliders_has_all_arguments_of_a_material():
    assert {p.name for p in parameters(Explorer.send)} == {
        p.name for p in parameters(requests.generate)
    } - {"batch"}


@pytest.mark.parametrize("client", [Client, AsyncClient])
def test_every_public_method_says_what_it_does(client):
    for name, function in methods(client).items():
        words = inspect.getdoc(function).split()
        assert words[0].isalpha(), name
        assert words[0] not in ("What", "Whether", "How", "Where"), name
        assert set(arguments(function)) == {p.name for p in parameters(function)}, name
