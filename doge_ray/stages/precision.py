"""What networks compute in: half precision where the device is made for it, float32 elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch

from doge_ray.stages.recipe import Precision

ScoringPrecision = Literal["fp32", "tf32", "bf16"]


def autocast(device: torch.device, precision: Precision) -> torch.autocast:
    """The mixed-precision context of training and evaluation."""
    dtype = compute_type(device, precision)
    enabled = dtype != torch.float32
    return torch.autocast(device.type, dtype=dtype if enabled else torch.bfloat16, enabled=enabled)


def compute_type(device: torch.device, precision: Precision) -> torch.dtype:
    """What matrix products are computed in."""
    if precision == "auto":
        precision = (
            "bf16" if _computes_bf16(device) else "fp16" if _has_fp16_cores(device) else "fp32"
        )
    return {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}[precision]


def loss_scaler(device: torch.device, precision: Precision) -> torch.amp.GradScaler:
    """Multiplies the loss, so that no gradient is too small for fp16; does nothing elsewhere."""
    enabled = compute_type(device, precision) == torch.float16
    return torch.amp.GradScaler(device.type, enabled=enabled)


@contextmanager
def scoring_in(device: torch.device, precision: ScoringPrecision) -> Iterator[None]:
    """The context in which sensitivities are computed."""
    before = torch.get_float32_matmul_precision()
    if precision == "tf32":
        torch.set_float32_matmul_precision("high")
    try:
        with autocast(device, "bf16" if precision == "bf16" else "fp32"):
            yield
    finally:
        torch.set_float32_matmul_precision(before)


def _computes_bf16(device: torch.device) -> bool:
    """Whether bf16 matrix products run in hardware: elsewhere they would be slower."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def _has_fp16_cores(device: torch.device) -> bool:
    """Whether it is a GPU with tensor cores; those of T4 and V100 know fp16 alone."""
    return device.type == "cuda" and torch.cuda.get_device_capability(device) >= (7, 0)
