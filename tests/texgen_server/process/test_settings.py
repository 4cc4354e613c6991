# SPDX-License-Identifier: Apache-2.0
"""What a server, an engine and the SDK leave alone in the process that uses them, and that serving
on a CPU needs no torch."""

from __future__ import annotations

import logging
import platform
import sys

import numpy as np
import pytest
from PIL import Image
from threadpoolctl import threadpool_limits

from tests.texgen_server.process.programs import ROOT, ran
from texgen import find_card
from texgen.cli import main
from texgen.recipes.build import make_recipe
from texgen_server.material.canvas import Window
from texgen_server.material.network_inputs import build_inputs
from texgen_server.material.sampling import make_plan
from texgen_server.registry import load_material

STATE = """
import ctypes, faulthandler, gc, io, json, locale, logging, os, platform, resource, signal, socket, sys, threading, time, warnings
import numpy as np
import OpenEXR, google.protobuf, grpc, PIL.Image  # what a program has imported itself is not ours
import threadpoolctl

class Mallinfo2(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()]

def mapped():
    '''Whether glibc still takes 48 MiB from the system: from 32 MiB on it always does, unless somebody has told it otherwise.'''
    if platform.libc_ver()[0] != "glibc":
        return None
    libc = ctypes.CDLL(None)
    libc.mallinfo2.restype, libc.malloc.restype, libc.free.argtypes = Mallinfo2, ctypes.c_void_p, [ctypes.c_void_p]
    before = libc.mallinfo2().hblks
    piece = libc.malloc(48 << 20)
    after = libc.mallinfo2().hblks
    libc.free(piece)
    return after - before

def state():
    return {
        "environment": dict(os.environ),
        "blas": sorted((p["filepath"], p["num_threads"]) for p in threadpoolctl.threadpool_info() if p["user_api"] == "blas"),
        "malloc": mapped(),
        "signals": {s.name: str(signal.getsignal(s)) for s in signal.valid_signals() if isinstance(s, signal.Signals)},
        "warnings": [str(f) for f in warnings.filters],
        "logging": [str(logging.getLogger().handlers), logging.getLogger().level, logging.getLogger("texgen").handlers == []],
        "gc": [gc.isenabled(), gc.get_threshold(), gc.get_freeze_count()],
        "interpreter": [sys.getrecursionlimit(), sys.getswitchinterval(), sys.flags.utf8_mode, faulthandler.is_enabled()],
        "hooks": [sys.excepthook is sys.__excepthook__, threading.excepthook is threading.__excepthook__, sys.displayhook is sys.__displayhook__],
        "streams": [sys.stdout is sys.__stdout__, sys.stderr is sys.__stderr__],
        "place": [os.getcwd(), sys.path, os.umask(os.umask(0o22))],
        "limits": [resource.getrlimit(n) for n in (resource.RLIMIT_NOFILE, resource.RLIMIT_STACK, resource.RLIMIT_AS)],
        "locale": [locale.setlocale(locale.LC_ALL), time.tzname],
        "affinity": sorted(os.sched_getaffinity(0)),
        "nice": os.getpriority(os.PRIO_PROCESS, 0),
        "socket": socket.getdefaulttimeout(),
        "numpy": [np.geterr(), np.get_printoptions()["precision"]],
        "torch": str(torch.random.get_rng_state().tolist()) if (torch := sys.modules.get("torch")) else "",
    }

def changed(before):
    after = state()
    return {key: [before[key], after[key]] for key in before if json.dumps(before[key], default=str) != json.dumps(after[key], default=str)}

before = state()
"""


USES = {
    "importing the SDK": """
import texgen, texgen.client.aio, texgen.batch.run, texgen.cli, texgen.client, texgen.dataset.generate, texgen.export.packing, texgen.gallery.build
""",
    "an engine": """
from texgen.recipes.build import make_recipe
from texgen_server.config import ServerConfig
from texgen_server.engine.jobs import MaterialJob
from texgen_server.engine.local import LocalEngine
engine = LocalEngine(ServerConfig(models=MODELS, device="openvino"))
engine.submit("", MaterialJob(make_recipe(engine.card(""), [("brick", 1.0)], 3, (64, 64)))).result()
""",
    "a server inside": """
from texgen import Client
from texgen_server.config import ServerConfig
from texgen_server.rpc.server import EmbeddedServer
with EmbeddedServer(ServerConfig(port=0, models=MODELS, device="openvino", grace_s=0.5)) as server, Client(server.address) as client:
    client.generate("brick", seed=3, size_px=(64, 64))
""",
    "a server on torch inside": """
from texgen import Client
from texgen_server.config import ServerConfig
from texgen_server.rpc.server import EmbeddedServer
with EmbeddedServer(ServerConfig(port=0, models=MODELS, device="torch", grace_s=0.5)) as server, Client(server.address) as client:
    client.generate("brick", seed=3, size_px=(64, 64))
    picture = io.BytesIO()
    PIL.Image.fromarray(np.random.default_rng(1).integers(0, 255, (96, 96, 3), "uint8")).save(picture, "PNG")
    client.capture(picture.getvalue(), size_px=(64, 64), steps=1)
""",
}


@pytest.mark.skipif(platform.system() != "Linux", reason="asks Linux for its state")
@pytest.mark.parametrize(
    "use", [pytest.param(use, marks=pytest.mark.torch) if "torch" in use else use for use in USES]
)
def test_nothing_is_changed_in_the_process_of_others(models, use):
    first = (
        "import torch, efficientnet_lite_pytorch, scipy.special, sympy\n" if "torch" in use else ""
    )  # which add filters of warnings of their own
    code = (
        f"{first}{STATE}\nfrom pathlib import Path\nMODELS = "
        f"Path({str(models)!r})\n{USES[use]}\nprint(json.dumps(changed(before), default=str))"
    )
    assert ran(code) == {}


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="asks glibc")
def test_a_process_of_our_own_is_tuned_and_the_check_above_would_notice():
    code = (
        f"{STATE}\nfrom texgen_server.process.settings import "
        f"tune_this_process\ntune_this_process()\nprint(json.dumps(changed(before), default=str))"
    )
    assert {"malloc", "environment"} <= set(ran(code))


def test_products_of_matrices_give_the_same_bytes_with_any_number_of_threads():
    """Of numpy's BLAS: whoever tunes the process gets the textures that others get."""
    model = load_material(find_card("material", ROOT / "models"))
    plan = make_plan(
        make_recipe(model.card, [("brick", 1.0)], 3, (512, 512)), model.tables, model.shape
    )
    made = []
    for threads in (1, 2, 4):
        with threadpool_limits(limits=threads, user_api="blas"):
            made.append(build_inputs(plan, model.shape, Window(0, 0, 16, 16)).layouts)
    assert all(
        np.array_equal(one, other)
        for layouts in made[1:]
        for one, other in zip(made[0], layouts, strict=True)
    )


TORCHLESS = """
import json, sys
from pathlib import Path
import numpy as np
from texgen import Client, MapKind
from texgen.files.images import decode
from texgen_server.config import ServerConfig
from texgen_server.rpc.server import EmbeddedServer
with EmbeddedServer(ServerConfig(port=0, models=MODELS, device="auto", grace_s=0.5)) as server, Client(server.address) as client:
    made = client.generate("brick", seed=3, size_px=(64, 64))
    guided = client.generate("brick", seed=3, size_px=(352, 32), controls={"tile_px": 352})
    near = client.vary(made.recipe, 0.3, count=1)
    mixed = client.mix({made.recipe: 0.5, near[0].recipe: 0.5})[0]
    maps = {kind: decode(m) for kind, m in made.maps.items()}
    large = client.upscale(maps, 2)
    closed = client.repair({MapKind.BASECOLOR: maps[MapKind.BASECOLOR]}, tiling="always", fill=[MapKind.HEIGHT, MapKind.NORMAL])
    sky = client.generate_environment("indoor", seed=1)
assert "torch" not in sys.modules or sys.modules["torch"] is None
print(json.dumps([made.engine, len(large.maps), len(closed.maps), len(mixed.maps)]))
"""


def test_everything_but_captures_and_prompts_is_served_without_torch(models):
    """In a process that cannot import it: all networks run, both passes of a material, noise,
    fields, finish, tiling and filling.
    """
    engine, *counts = ran(
        f"from pathlib import Path\nMODELS = Path({str(models)!r})\n{TORCHLESS}",
        blocked=("torch", "transformers"),
    )
    assert engine.startswith("openvino-cpu/")
    assert counts == [6, 3, 6]


@pytest.mark.parametrize(
    ("command", "extra"),
    [
        (["capture", "photo.jpg"], "capture"),
        (["generate", "--prompt", "mossy bricks", "--size", "64"], "prompt"),
        pytest.param(
            ["generate", "--class", "brick", "--size", "64", "--device", "torch"],
            "gpu",
            marks=pytest.mark.torch,
        ),
        (["generate", "--class", "brick", "--size", "64", "--device", "cuda:0"], "gpu"),
        (["serve", "--device", "cuda"], "gpu"),
        (["bench", "material"], "bench"),
        (["bench", "gpu"], "gpu"),
        (["train", "material", "--data", "x", "--work", "y"], "train"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else value,
)
def test_what_takes_torch_names_the_extra_that_brings_it(
    command, extra, models, tmp_path, monkeypatch, capsys, rng
):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setitem(sys.modules, "transformers", None)
    root = logging.getLogger()  # `serve` starts a log of its own
    monkeypatch.setattr(root, "handlers", list(root.handlers))
    monkeypatch.setattr(root, "level", root.level)
    Image.fromarray(rng.integers(0, 255, (64, 64, 3), "uint8")).save(tmp_path / "photo.jpg")
    monkeypatch.chdir(tmp_path)
    where = (
        ["--models", str(models)]
        if command[0] in ("capture", "serve") or "--device" in command
        else []
    )
    out = ["--out", str(tmp_path)] if command[0] in ("capture", "generate") else []
    assert main([*command, *where, *out]) in (2, 4)
    assert f"texgen[{extra}]" in capsys.readouterr().err
