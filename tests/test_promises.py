# SPDX-License-Identifier: Apache-2.0
"""The rules of the contract, each broken on purpose in a copy of the source: a test must notice."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

BROKEN = {
    # rule: (file, what stands there, what would break the promise, the tests that must notice)
    "which texture it is does not depend on who else is there": (
        "texgen_server/engine/device.py",
        "worth = time.perf_counter() - started < WORTH * alone_s and all(map(same_bytes, outputs, "
        "outcomes))",
        "worth = True",
        "tests/texgen_server/engine/test_device.py",
    ),
    "the seed is told when the server chose it": (
        "texgen_server/rpc/convert.py",
        "seed=order.job.seed,",
        "seed=0,",
        "tests/texgen_server/rpc/test_service.py -k seed",
    ),
    "a hit is exact": (
        "texgen_server/cache.py",
        "return data if file.readinto(data) == length and isal_zlib.crc32(data) == crc32 else None",
        "return data if file.readinto(data) == length else None",
        "tests/texgen_server/test_cache.py",
    ),
    "the engine is part of what names a result": (
        "texgen_server/rpc/result_cache_key.py",
        "card.digest, engine, order.recipe_text",
        "card.digest, order.recipe_text",
        "tests/texgen_server/rpc/test_result_cache_key.py",
    ),
    "a recipe is at most 64 bytes": (
        "texgen/recipes/text.py",
        'body += struct.pack("<H", zlib.crc32(body) & 0xFFFF)\n    if',
        'body += bytes(40) + struct.pack("<H", zlib.crc32(body) & 0xFFFF)\n    if',
        "tests/texgen/recipes/test_text.py",
    ),
    "chunks are small": (
        "texgen/wire/chunks.py",
        "CHUNK_BYTES = 512 * 1024",
        "CHUNK_BYTES = 2 << 20",
        "tests/texgen_server/rpc/test_map_stream.py",
    ),
    "small maps come whole to who asks for it, and to nobody else": (
        "texgen_server/rpc/interceptors.py",
        "whole = known.get(WHOLE_MAPS[0]) == WHOLE_MAPS[1]",
        "whole = True",
        "tests/texgen_server/rpc/test_map_stream.py",
    ),
    "a bad field is told by name": (
        "texgen_server/rpc/interceptors.py",
        "FieldViolation(field=error.field,",
        "FieldViolation(field='',",
        "tests/texgen_server/rpc/test_interceptors.py",
    ),
    "a full queue is RESOURCE_EXHAUSTED": (
        "texgen_server/rpc/interceptors.py",
        "CapacityError: code_pb2.RESOURCE_EXHAUSTED",
        "CapacityError: code_pb2.UNAVAILABLE",
        "tests/texgen_server/rpc/test_admission.py -k peer",
    ),
    "a refusal says when to come back": (
        "texgen_server/rpc/interceptors.py",
        "details.append(retry)",
        "pass",
        "tests/texgen_server/engine/test_local.py -k full",
    ),
    "our bugs are told by an id only": (
        "texgen_server/rpc/interceptors.py",
        'message=f"internal error {request_id}: see the server\'s log"',
        "message=repr(error)",
        "tests/texgen_server/observability/test_call_record.py",
    ),
    "cancel reaches the work": (
        "texgen_server/engine/jobs.py",
        "if self._event.is_set():",
        "if False:",
        "tests/texgen_server/engine/test_local.py",
    ),
    "deadlines reach the work": (
        "texgen_server/engine/jobs.py",
        "if time.monotonic() > self.deadline:",
        "if False:",
        "tests/texgen_server/engine/test_jobs.py",
    ),
    "expired work never runs": (
        "texgen_server/engine/device.py",
        "wanted = [call for call in group if call.is_wanted()]",
        "wanted = group",
        "tests/texgen_server/engine/test_device.py",
    ),
    "admission is given back when the work ends": (
        "texgen_server/rpc/admission.py",
        "self._waiting += 1",
        "pass",
        "tests/texgen_server/rpc/test_admission.py -k admission",
    ),
    "outside of loopback TLS and a token are a must": (
        "texgen_server/config.py",
        "if not loopback and missing:",
        "if False:",
        "tests/texgen_server/test_config.py -k exposure",
    ),
    "tokens are compared in constant time": (
        "texgen_server/tokens.py",
        "hmac.compare_digest(token.sha256, digest)",
        "token.sha256 == digest",
        "tests/texgen_server/test_tokens.py",
    ),
    "all but health is closed": (
        "texgen_server/rpc/interceptors.py",
        "if not allowed:",
        "if False:",
        "tests/texgen_server/rpc/test_interceptors.py",
    ),
    "pixels are limited": (
        "texgen_server/rpc/requests/order.py",
        "if width_px * height_px > self.max_pixels",
        "if False",
        "tests/texgen_server/rpc -k pixels",
    ),
    "uploads are measured before they are decoded": (
        "texgen/inputs/pictures.py",
        "if picture.width * picture.height > max_pixels:",
        "if False:",
        "tests/texgen/inputs/test_pictures.py",
    ),
    "people go first": (
        "texgen_server/engine/fair_queue.py",
        "take = oldest if self._passed >= PASSED_OVER else urgent",
        "take = oldest",
        "tests/texgen_server/engine/test_fair_queue.py",
    ),
    "nobody starves": (
        "texgen_server/engine/fair_queue.py",
        "take = oldest if self._passed >= PASSED_OVER else urgent",
        "take = urgent",
        "tests/texgen_server/engine/test_fair_queue.py",
    ),
    "an unknown model is NOT_FOUND": (
        "texgen_server/rpc/interceptors.py",
        "NotFoundError: code_pb2.NOT_FOUND",
        "NotFoundError: code_pb2.INTERNAL",
        "tests/texgen_server/rpc/test_interceptors.py -k errors_become",
    ),
    "a model that cannot be loaded is FAILED_PRECONDITION": (
        "texgen_server/rpc/interceptors.py",
        "LoadError: code_pb2.FAILED_PRECONDITION",
        "LoadError: code_pb2.INTERNAL",
        "tests/texgen_server/rpc/test_service.py -k damaged",
    ),
    "messages are limited": (
        "texgen_server/rpc/server.py",
        '("grpc.max_receive_message_length", config.max_message_bytes), ',
        "",
        "tests/texgen_server/rpc/test_server.py -k message",
    ),
    "calls are limited": (
        "texgen_server/rpc/admission.py",
        "if self._calls.total() >= config.max_in_flight:",
        "if False:",
        "tests/texgen_server/rpc/test_admission.py -k admission",
    ),
    "pixels in flight are limited": (
        "texgen_server/rpc/admission.py",
        "if self._pixels and self._pixels + pixels > config.max_pixels_in_flight:",
        "if False:",
        "tests/texgen_server/rpc/test_admission.py -k admission",
    ),
    "uploads are counted": (
        "texgen_server/rpc/requests/maps.py",
        "if total > MAX_UPLOAD_BYTES:",
        "if False:",
        "tests/texgen_server/rpc/requests/test_maps.py",
    ),
    "noise is a function of place alone": (
        "texgen_server/noise.py",
        "bits = hash64(lines[..., None] ^ columns.astype(np.uint64))",
        "bits = hash64(lines[..., None] ^ (columns - columns[0]).astype(np.uint64))",
        "tests/texgen_server/test_noise.py",
    ),
    "a map holds neither date nor duration": (
        "texgen_server/rpc/map_encoding.py",
        'text = {"Software": "texgen"}',
        'text = {"Software": f"texgen {id(pixels)}"}',
        "tests/texgen_server/rpc/test_service.py",
    ),
    "a derived recipe is at most 4 KiB": (
        "texgen/recipes/text.py",
        "SHORT_BYTES, LONG_BYTES = 64, 4096",
        "SHORT_BYTES, LONG_BYTES = 64, 1 << 20",
        "tests/texgen/recipes/test_text.py",
    ),
    "a client notices damage": (
        "texgen/wire/assembly.py",
        "checksum == end.crc32",
        "True",
        "tests/texgen/wire/test_assembly.py",
    ),
    "SIGTERM tells health": (
        "texgen_server/rpc/server.py",
        "await self._health.enter_graceful_shutdown()",
        "pass",
        "tests/texgen_server/rpc/test_server.py -k sigterm",
    ),
    "results tile exactly": (
        "texgen_server/networks/layers.py",
        "out: Tensor = self.conv(circular_pad(x, 1))",
        "out: Tensor = self.conv(F.pad(x, (1, 1, 1, 1)))",
        "tests/texgen_server/networks/test_material.py -k roll",
    ),
    "results tile exactly on OpenVINO too": (
        "texgen_server/graphs/layers.py",
        "x = concat([cut(x, -pad_px, END, axis), x, cut(x, 0, pad_px, axis)], axis)",
        "x = concat([cut(x, 0, pad_px, axis), x, cut(x, -pad_px, END, axis)], axis)",
        "tests/texgen_server/graphs/test_graphs.py -k agree",
    ),
    "serving on a CPU needs no torch": (
        "texgen_server/material/postprocess.py",
        "import numpy as np",
        "import numpy as np\nimport torch",
        "tests/texgen_server/process/test_settings.py -k without_torch",
    ),
    "an engine leaves the process alone": (
        "texgen_server/engine/local.py",
        "self._config = config",
        "self._config = config\n        __import__('os').environ['X'] = ''",
        "tests/texgen_server/process/test_settings.py -k nothing_is_changed",
    ),
    "OpenVINO tells nobody": (
        "texgen_server/process/openvino_loader.py",
        "sys.modules[_TELEMETRY] = None",
        "_ = _TELEMETRY",
        "tests/texgen_server/process/test_quiet_openvino.py -k tells_nobody",
    ),
    "SIGTERM lets finish what runs": (
        "texgen_server/rpc/server.py",
        "await self._server.stop(self.config.grace_s)",
        "await self._server.stop(0.0)",
        "tests/texgen_server/rpc/test_server.py -k sigterm",
    ),
}


TOKEN = re.compile(r"\w+|\s+|.", re.DOTALL)


def find(stands: str, source: str) -> tuple[int, int] | None:
    """Find code in a source, however its lines are broken. Returns where it starts and ends."""
    tokens = [token for token in TOKEN.findall(stands) if not token.isspace()]
    parts = [",?\\s*" + re.escape(t) if t in ")]}" else re.escape(t) for t in tokens]
    found = re.search(r"\s*".join(parts), source)
    return found.span() if found else None


@pytest.mark.parametrize("rule", BROKEN)
def test_every_promise_is_still_where_the_table_says(rule):
    name, stands, _, tests = BROKEN[rule]
    assert find(stands, (ROOT / name).read_text()), f"{name} reads otherwise now: mend this table"
    assert (ROOT / tests.split()[0]).exists()


@pytest.mark.slow
@pytest.mark.parametrize("rule", BROKEN)
def test_a_broken_promise_is_noticed(rule, tmp_path):
    name, stands, broken, tests = BROKEN[rule]
    for folder in ("texgen", "texgen_server", "tests"):
        shutil.copytree(
            ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__")
        )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "models").symlink_to(ROOT / "models")
    source = (tmp_path / name).read_text()
    place = find(stands, source)
    assert place, f"{name} reads otherwise now: mend this table"
    (tmp_path / name).write_text(source[: place[0]] + broken + source[place[1] :])
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        "-p",
        "no:cacheprovider",
        "-m",
        "not slow and not gpu",
        *shlex.split(tests),
    ]
    environment = {k: v for k, v in os.environ.items() if k != "TEXGEN_REQUIRED"} | {
        "PYTHONPATH": str(tmp_path)
    }
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    # 1, or a signal where the broken engine keeps the process from ending well
    assert done.returncode
    assert " failed" in done.stdout, f"nobody noticed:\n{done.stdout[-1500:]}"
