# SPDX-License-Identifier: Apache-2.0
"""Reads and writes the weights of a codec with its sizes, as one safetensors file."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import load_file, save_file

from texgen.errors import InvalidRequestError
from texgen_server.networks.codec import Codec, CodecParams


def write_codec(codec: Codec, path: Path) -> None:
    """Write the weights of a codec with its sizes, atomically."""
    temporary = path.with_suffix(".partial")
    tensors = {k: v.detach().cpu().contiguous() for k, v in codec.state_dict().items()}
    save_file(tensors, temporary, {"params": json.dumps(asdict(codec.params))})
    temporary.replace(path)


def read_codec(path: Path) -> Codec:
    """Read what `write_codec` wrote, in float32, also where it was stored as float16.

    Raises InvalidRequestError when there is no such file.
    """
    if not path.is_file():
        raise InvalidRequestError(f"no codec weights at {path}")
    with safe_open(path, "pt") as file:
        stored = json.loads(file.metadata()["params"])
    params = CodecParams(**(stored | {k: tuple(stored[k]) for k in ("widths", "blocks")}))
    tensors = {key: tensor.float() for key, tensor in load_file(path).items()}
    codec = Codec(params, tensors["encoder.basis"], tensors["encoder.deviations"].flatten())
    codec.load_state_dict(tensors)
    return codec
