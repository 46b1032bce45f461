"""What travels with the package: the sweeps, the cluster files, and what these need.

In a checkout they stand at its top; hatch_build.py puts them into the wheel.
"""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
BESIDE = PACKAGE / "checkout"  # there in a wheel alone
CHECKOUT = BESIDE if BESIDE.is_dir() else PACKAGE.parent
SWEEPS = CHECKOUT / "sweeps"
