"""``make test-kernels``: the mathematics, the golden tables and the numerics, kernel by kernel."""

from __future__ import annotations

import signal
import subprocess
import sys

from tests.kernels.settings import all_kernels, environment

TESTS = (
    "tests/tickets",
    "tests/reporting",
    "tests/encoders/test_gates.py",
    "tests/stages/test_score.py",
)


def main() -> int:
    """Run all of them; the number of kernels under which a test failed."""
    failed = []
    for name, kernel in all_kernels().items():
        print(
            f"\n{name}: {' '.join(f'{key}={value!r}' for key, value in kernel.items())}", flush=True
        )
        command = [sys.executable, "-m", "pytest", "-q", *TESTS]
        code = subprocess.run(command, env=environment(kernel), check=False).returncode
        if code == -signal.SIGILL:
            print("not on this processor")
        elif code:
            failed.append(name)
    print(f"\nfailed under: {', '.join(failed)}" if failed else "\nthe same under every kernel")
    return len(failed)


if __name__ == "__main__":
    sys.exit(main())
