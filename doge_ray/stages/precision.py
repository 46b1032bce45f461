"""bf16 where the device computes in it, float32 elsewhere."""

from __future__ import annotations

import torch

from doge_ray.stages.recipe import Precision


def autocast(device: torch.device, precision: Precision) -> torch.autocast:
    """The mixed-precision context of training and evaluation; scoring is always float32."""
    enabled = precision == "bf16" or (precision == "auto" and computes_bf16(device))
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=enabled)


def computes_bf16(device: torch.device) -> bool:
    """Whether bf16 matrix products run in hardware: elsewhere they would be slower."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
