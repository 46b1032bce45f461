"""Python imports this by itself where the folder is on its path: a torch with a fault in it.

``DOGE_RAY_ROWS``: more sequences at once ask for memory that no machine has.
``DOGE_RAY_DIVERGES``: a training with this learning rate blows up.
``DOGE_RAY_BREAKS``: the first process of a session that trains loses its accelerator, so to say,
after that many steps, and every step that it takes then fails.
``DOGE_RAY_WRITES``: a snapshot takes so many seconds to write.
``DOGE_RAY_DIES``: the first process of a session that takes so many tasks dies as it takes the
last of them.
``DOGE_RAY_GPU``: there is a GPU, which computes as a processor does.
"""

import os
import signal
import tempfile
import time
from pathlib import Path
from typing import Any

import wrapt

BEYOND_ANY_MACHINE = 1 << 50  # numbers
BEYOND_ANY_NUMBER = 1e38  # times a weight's update, in single precision


@wrapt.when_imported("torch.nn.functional")
def make_scarce(functional: Any) -> None:
    """Let embeddings of too many sequences fail, as a large allocation does."""
    if "DOGE_RAY_ROWS" not in os.environ:
        return
    most, plentiful = int(os.environ["DOGE_RAY_ROWS"]), functional.embedding

    def embedding(tokens: Any, *args: Any, **kwargs: Any) -> Any:
        if len(tokens) > most:
            tokens.new_empty(BEYOND_ANY_MACHINE)
        return plentiful(tokens, *args, **kwargs)

    functional.embedding = embedding


@wrapt.when_imported("torch.optim")
def make_diverge(optim: Any) -> None:
    """Let an optimiser take steps that no weight survives."""
    if "DOGE_RAY_DIVERGES" not in os.environ:
        return
    rate = float(os.environ["DOGE_RAY_DIVERGES"])
    orderly: Any = optim.AdamW

    class AdamW(orderly):
        def __init__(self, *args: Any, lr: float, **kwargs: Any) -> None:
            super().__init__(*args, lr=BEYOND_ANY_NUMBER if lr == rate else lr, **kwargs)

    optim.AdamW = AdamW


@wrapt.when_imported("torch.optim")
def make_break(optim: Any) -> None:
    """Let a process fail in all that it does from a certain step on."""
    if "DOGE_RAY_BREAKS" not in os.environ:
        return
    steps = int(os.environ["DOGE_RAY_BREAKS"])
    whole: Any = optim.AdamW

    class AdamW(whole):
        taken = 0

        def step(self, *args: Any, **kwargs: Any) -> Any:
            AdamW.taken += 1
            if AdamW.taken > steps and _is_first_to_train():
                from torch import AcceleratorError

                raise AcceleratorError("CUDA error: an illegal memory access was encountered")
            return super().step(*args, **kwargs)

    optim.AdamW = AdamW


@wrapt.when_imported("doge_ray.stages.snapshots")
def make_slow(snapshots: Any) -> None:
    """Let a snapshot stand half written for a while."""
    if "DOGE_RAY_WRITES" not in os.environ:
        return
    whole = snapshots.write_state

    def write_state(state: Any, folder: Path) -> None:
        (folder / "half").touch()
        time.sleep(float(os.environ["DOGE_RAY_WRITES"]))
        whole(state, folder)

    snapshots.write_state = write_state


@wrapt.when_imported("doge_ray.engine.search.trainable")
def make_die(trainable: Any) -> None:
    """Let a warm process end between two tasks."""
    if "DOGE_RAY_DIES" not in os.environ:
        return
    left, whole = [int(os.environ["DOGE_RAY_DIES"])], trainable.require_same_versions

    def require_same_versions(expected: Any) -> None:
        left[0] -= 1
        if not left[0] and _is_first_to_train():
            os.kill(os.getpid(), signal.SIGKILL)
        whole(expected)

    trainable.require_same_versions = require_same_versions


@wrapt.when_imported("torch.cuda")
def show_a_gpu(cuda: Any) -> None:
    """Let one be counted, as the doctor does."""
    if "DOGE_RAY_GPU" in os.environ:
        cuda.device_count = lambda: 1


@wrapt.when_imported("doge_ray.engine.work.devices")
def let_it_start(devices: Any) -> None:
    """Let nothing be wrong with the GPU that there is none of."""
    if "DOGE_RAY_GPU" in os.environ:
        devices.gpu_fault = lambda *devices: None


def _is_first_to_train() -> bool:
    """Whether no other process of this session was asked before."""
    mark = Path(tempfile.gettempdir()) / f"broken-{os.getsid(0)}"
    try:
        mark.open("x").write(str(os.getpid()))
    except FileExistsError:
        return mark.read_text() == str(os.getpid())
    return True
