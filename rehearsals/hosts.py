"""Machines made of namespaces: several hosts on one, with a network that leads nowhere else.

Each host has its own network, processes, shared memory, /tmp, home folder and SSH server. This
process leaves the machine's network too, and has the first host's: whatever it or a host starts
can reach the hosts and nothing more. They are its children, so they end with it, however it ends.

Needs root, and the commands of a few packages of Debian's.
"""

from __future__ import annotations

import ctypes
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from doge_ray.errors import InputError

CHECKOUT = Path(__file__).resolve().parents[1]
_PROGRAMS = {
    "ip": "iproute2",
    "sshd": "openssh-server",
    "ssh-keygen": "openssh-client",
    "rsync": "rsync",
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "setpriv": "util-linux",
    "flock": "util-linux",
    "curl": "curl",
    "ps": "procps",
}
_CLONE_NEWNET = 0x40000000
_SBIN = os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/sbin"])

# The first process of a host. The checkout stays where it is, also where that is below /tmp.
_BOOT = """
set -e
hostname {name}
mount --bind {etc}/hosts /etc/hosts
mount --bind {etc}/passwd-{name} /etc/passwd
mount --bind {checkout} {seen}
mount --bind {folder}/tmp /tmp
mkdir -p {checkout}
mount --bind {seen} {checkout}
mount -t tmpfs tmpfs /dev/shm
mkdir -p /run/sshd
exec /usr/sbin/sshd -D -e -f /dev/null -h {etc}/host_key -o PidFile=none -o StrictModes=no \
    -o UsePAM=no -o PermitRootLogin=yes -o MaxStartups=100 2> {folder}/sshd.log
"""


@dataclass
class Host:
    """One machine.

    Args:
        name: its host name, which all hosts resolve.
        ip: its address.
        folder: what it keeps: its home folder, its /tmp.
    """

    name: str
    ip: str
    folder: Path
    boot: subprocess.Popen[bytes] = field(init=False, repr=False)
    pid: int = field(init=False, default=0)

    @property
    def home(self) -> Path:
        """Home folder of its only user, root; the same path inside and outside."""
        return self.folder / "home"

    def start(self, etc: Path, *, own_network: bool) -> None:
        """Start its first process, in this process's network or in one of its own."""
        for part in ("home", "tmp", "checkout"):
            (self.folder / part).mkdir(parents=True)
        script = _BOOT.format(
            name=self.name,
            etc=etc,
            folder=self.folder,
            checkout=CHECKOUT,
            seen=self.folder / "checkout",
        )
        apart = ["--mount", "--propagation", "private", "--pid", "--mount-proc", "--uts", "--ipc"]
        apart += ["--net"] if own_network else []
        ending = ["setpriv", "--pdeathsig", "KILL", "unshare", "--fork", "--kill-child"]
        self.boot = subprocess.Popen([*ending, *apart, "bash", "-c", script])
        self.pid = _child(self.boot)

    def command(self, *arguments: str) -> list[str]:
        """The command line that runs a command in this host, in a shell as a user has it."""
        namespaces = ["-m", "-u", "-i", "-n", "-p"]
        environment = [f"HOME={self.home}", f"PATH={_SBIN}", "TERM=dumb", "LANG=C.UTF-8"]
        script = f"cd; . ~/.bashrc; {shlex.join(arguments)}"
        entered = ["nsenter", "-t", str(self.pid), *namespaces, "env", "-i", *environment]
        return [*entered, "bash", "-c", script]

    def run(self, *arguments: str, check: bool = True) -> str:
        """Run a command in this host to its end; returns what it printed.

        Raises:
            subprocess.CalledProcessError: it failed; its output has been shown.
        """
        done = subprocess.run(
            self.command(*arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if check and done.returncode:
            print(done.stdout)
            done.check_returncode()
        return done.stdout

    def processes(self, word: str) -> list[str]:
        """Command lines of its living processes with that word in them."""
        lines = self.run("ps", "-eo", "stat=,args=").splitlines()
        return [line for line in lines if word in line and not line.startswith("Z")]

    def move(self, ip: str) -> None:
        """Give it another address, under the same name."""
        names = self.folder.parent / "hosts"  # written in place, as all hosts have it mounted
        entry = re.compile(rf"^\S+ {self.name}$", re.MULTILINE)
        names.write_text(entry.sub(f"{ip} {self.name}", names.read_text()))
        self.ip = ip
        _ip(self, "addr", "flush", "dev", "eth0")
        _ip(self, "addr", "add", f"{ip}/16", "dev", "eth0")

    def stop(self) -> None:
        """End all its processes, as when its plug is pulled."""
        self.boot.kill()
        self.boot.wait()


@contextmanager
def hosts(*names: str) -> Iterator[list[Host]]:
    """Machines of these names. The key in everyone's home opens all of them.

    Raises:
        InputError: this process is not root's, or a command is missing.
    """
    _require()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    folder = Path(tempfile.mkdtemp(prefix="doge-ray-rehearsal-", dir=_uv_cache().parent))
    made = [Host(name, f"172.31.255.{i}", folder / name) for i, name in enumerate(names, start=1)]
    try:
        _write_keys(folder)
        _write_names(folder, made)
        _leave_network()
        for host in made:
            host.start(folder, own_network=host is not made[0])
            _write_home(host, folder)
        _connect(made)
        yield made
    finally:
        for host in made:
            if host.pid:
                host.stop()
        shutil.rmtree(folder, ignore_errors=True)


def write_environment(host: Host, values: Mapping[str, str]) -> None:
    """Set variables in all of a host's shells."""
    with (host.home / ".bashrc").open("a") as file:
        file.writelines(f"export {name}={shlex.quote(value)}\n" for name, value in values.items())


def _require() -> None:
    if os.geteuid() != 0:
        raise InputError("rehearsals make network namespaces: run them as root")
    missing = {
        package for name, package in _PROGRAMS.items() if shutil.which(name, path=_SBIN) is None
    }
    if missing:
        packages = " ".join(sorted(missing))
        raise InputError(f"rehearsals need commands of {packages}: apt-get install {packages}")


def _leave_network() -> None:
    """Have a network of this process's own from here on, with a loopback and nothing else."""
    if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "this process cannot leave the machine's network")
    subprocess.run(["ip", "link", "set", "lo", "up"], env=os.environ | {"PATH": _SBIN}, check=True)


def _write_keys(folder: Path) -> None:
    for key in ("host_key", "user_key"):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key)], check=True
        )


def _write_names(folder: Path, made: Sequence[Host]) -> None:
    """What the hosts call each other, and a user root whose home is the host's own."""
    lines = ["127.0.0.1 localhost", *(f"{host.ip} {host.name}" for host in made)]
    (folder / "hosts").write_text("\n".join(lines) + "\n")
    for host in made:
        others = "sshd:x:105:65534::/run/sshd:/usr/sbin/nologin"
        text = f"root:x:0:0:root:{host.home}:/bin/bash\n{others}\n"
        (folder / f"passwd-{host.name}").write_text(text)


def _write_home(host: Host, folder: Path) -> None:
    """What a machine has before Ray comes: uv, a Python, and the user's key."""
    ssh, binaries = host.home / ".ssh", host.home / ".local/bin"
    ssh.mkdir(mode=0o700)
    binaries.mkdir(parents=True)
    shutil.copy(folder / "user_key.pub", ssh / "authorized_keys")
    shutil.copy(folder / "user_key", ssh / "id_ed25519")
    shutil.copy(Path(sys.prefix) / "bin/uv", binaries / "uv")
    python = Path(sys.base_prefix) / "bin"
    write_environment(
        host,
        {
            "PATH": f"{binaries}:{python}:{_SBIN}",
            "UV_CACHE_DIR": str(_uv_cache()),
            "UV_OFFLINE": "1",  # nothing but uv's cache, which make venv has filled
            "UV_FIND_LINKS": os.environ.get("UV_FIND_LINKS", ""),  # as make venv had it
            "HF_HUB_OFFLINE": "1",
            # Slow where all hosts share a few processors.
            "RAY_raylet_start_wait_time_s": "180",
        },
    )


def _connect(made: Sequence[Host]) -> None:
    """A bridge in the first host, and a cable from each other one to it."""
    first, *others = made
    _ip(first, "link", "add", "eth0", "type", "bridge")
    _ip(first, "addr", "add", f"{first.ip}/16", "dev", "eth0")
    _ip(first, "link", "set", "eth0", "up")
    for host in others:
        cable = ["type", "veth", "peer", "name", "eth0", "netns", str(host.pid)]
        _ip(first, "link", "add", host.name, *cable)
        _ip(first, "link", "set", host.name, "master", "eth0", "up")
        _ip(host, "link", "set", "lo", "up")
        _ip(host, "link", "set", "eth0", "up")
        host.move(host.ip)


def _ip(host: Host, *arguments: str) -> None:
    """The machine's own command, in the host's network."""
    subprocess.run(
        ["nsenter", "-t", str(host.pid), "-n", "ip", *arguments],
        env=os.environ | {"PATH": _SBIN},
        check=True,
    )


def _child(process: subprocess.Popen[bytes]) -> int:
    """The first process of the namespaces, as this machine numbers it."""
    listing = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    for _ in range(100):
        if process.poll() is None and (children := listing.read_text().split()):
            return int(children[0])
        time.sleep(0.05)
    raise RuntimeError("the host's namespaces could not be made")


def _uv_cache() -> Path:
    uv = Path(sys.prefix) / "bin/uv"
    listed = subprocess.run([uv, "cache", "dir"], capture_output=True, text=True, check=True)
    return Path(listed.stdout.strip())
