# SPDX-License-Identifier: Apache-2.0
"""Precisions in torch."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.held


def test_settings_of_cudnn_come_back_when_the_last_thread_leaves():
    """They are the process's, which may be somebody else's; several devices run at a time."""
    import torch

    from texgen_server.precision.autocast import exact_convolutions

    cudnn = torch.backends.cudnn

    def settings():
        return [
            cudnn.deterministic,
            cudnn.benchmark,
            *([cudnn.conv.fp32_precision] if hasattr(cudnn, "conv") else [cudnn.allow_tf32]),
        ]

    cudnn.benchmark = True
    before = settings()
    first, second = exact_convolutions(), exact_convolutions()
    first.__enter__()
    assert settings() in ([True, False, "ieee"], [True, False, False])
    second.__enter__()
    first.__exit__(None, None, None)
    assert settings()[0]
    second.__exit__(None, None, None)
    after, cudnn.benchmark = settings(), False
    assert after == before
