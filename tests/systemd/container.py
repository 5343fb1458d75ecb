"""A Containerfile without podman or docker: its instructions, run in roots that debootstrap and overlays make.

It knows the instructions that packaging/Containerfile uses, and refuses others. A layer (what RUN or COPY has written) is a
folder in build-container/, named by a hash of all that it was made from, so that what has not changed is not made again."""

import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

PLACE = Path(__file__).resolve().parents[2] / "build-container"
RELEASES = {"debian:bookworm-slim": "bookworm"}
OPTIONS_OF_HEALTHCHECK = r"((?:--\S+\s+)*)CMD\s+(.*)"

# What each process finds around it: a root, with what the kernel shows. It is gone with its mount namespace.
ENTER = """
mount --make-rprivate /
mount -t overlay -o "lowerdir=$1,upperdir=$2,workdir=$3" overlay "$4"
cd "$4"
mount -t proc proc proc
mount -t tmpfs -o mode=755 tmpfs dev
for one in null zero full random urandom; do touch dev/$one; mount --bind /dev/$one dev/$one; done
ln -s /proc/self/fd dev/fd
mount -t tmpfs -o mode=1777 tmpfs tmp
shift 4
mkdir -p .before
pivot_root . .before
umount -l /.before
rmdir /.before
exec "$@"
"""


class Refused(AssertionError):
    """A Containerfile, or a step of it, that is wrong."""


def instructions(text):
    """(keyword, rest) of each instruction: comments away, continued lines joined."""
    lines = [line for line in text.splitlines() if not re.match(r"\s*#|\s*$", line)]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [tuple(line.split(None, 1)) for line in joined.splitlines()]


def words(rest):
    """The exec form, which needs no shell."""
    try:
        return json.loads(rest)
    except ValueError:
        raise Refused(f"not in the exec form, which has no shell between: {rest}") from None


class Image:
    """What the instructions make: layers (the lowest first), and how a container of it runs."""

    def __init__(self, layers):
        self.layers = layers
        self.environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
        self.user = "0:0"
        self.entrypoint, self.cmd, self.healthcheck = [], [], []
        self.stop_signal, self.exposed = "SIGTERM", []

    def command(self, *arguments):
        return [*self.entrypoint, *(arguments or self.cmd)]


def base(name):
    """The root that FROM names. Raises OSError without debootstrap or an archive."""
    release = RELEASES[name]
    path = PLACE / release
    if not path.exists():
        PLACE.mkdir(exist_ok=True)
        new = PLACE / f"{release}.new"
        shutil.rmtree(new, ignore_errors=True)
        done = subprocess.run(["debootstrap", "--variant=minbase", release, new, "http://deb.debian.org/debian"], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=600, check=False)
        if done.returncode != 0:
            raise OSError(f"debootstrap: {done.stdout[-1000:]}")
        for one in Path("/etc/apt/apt.conf.d").glob("*proxy*"):
            shutil.copy(one, new / "etc/apt/apt.conf.d")
        new.rename(path)
    return path


def digest_of(paths):
    """Of names and contents below these."""
    found = hashlib.sha256()
    for path in paths:
        for one in [path] if path.is_file() else sorted(one for one in path.rglob("*") if one.is_file()):
            if "__pycache__" not in one.parts:
                found.update(f"{one.relative_to(path.parent)}\0{one.stat().st_mode}\0".encode() + one.read_bytes())
    return found.hexdigest()


def inside(layers, upper, command, environment, *, namespaces=("--mount", "--pid", "--fork", "--kill-child"), user=None):
    """Command and environment of a process whose root these layers are, the lowest first; what it writes goes to upper."""
    for name in ("upper", "work", "root"):
        (upper / name).mkdir(parents=True, exist_ok=True)
    lower = ":".join(str(layer) for layer in reversed(layers))
    person = [] if user is None else ["setpriv", "--reuid", user.split(":")[0], "--regid", user.split(":")[1],
                                      "--clear-groups", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs",
                                      "--pdeathsig", "KILL"]   # (a change of user forgets that of --kill-child)
    return (["unshare", *namespaces, "sh", "-ec", ENTER, "enter", lower, upper / "upper", upper / "work", upper / "root",
             *person, *command], environment)


class Builder:
    def __init__(self, file, context):
        self.text = Path(file).read_text(encoding="utf-8")
        self.context = Path(context)
        self.stages = {}
        self.used = set()
        self.digest = ""
        self.image = None

    def build(self):
        for keyword, rest in instructions(self.text):
            step = getattr(self, f"do_{keyword.lower()}", None)
            if step is None:
                raise Refused(f"an instruction that this interpreter does not know: {keyword} {rest}")
            step(rest)
        self.forget_unused()
        return self.image

    def forget_unused(self):
        """Layers that this build did not need: of a tree that was."""
        for path in PLACE.iterdir():
            if re.match(r"[0-9a-f]{24}", path.name) and path not in self.used:
                shutil.rmtree(path, ignore_errors=True)

    def do_from(self, rest):
        name, *alias = re.fullmatch(r"(\S+)(?:\s+AS\s+(\S+))?", rest).groups()
        self.image = Image([base(name)])
        self.digest = name
        if alias[0]:
            self.stages[alias[0]] = self.image

    def layer(self, what, make):
        """The folder of a layer: made by make(new), which writes into new/upper, unless it is there."""
        self.digest = hashlib.sha256(f"{self.digest}\0{what}".encode()).hexdigest()
        path = PLACE / self.digest[:24]
        if not path.exists():
            new = PLACE / f"{self.digest[:24]}.{os.getpid()}"
            make(new)
            shutil.rmtree(new / "work", ignore_errors=True)
            (new / "upper").rename(path)
            shutil.rmtree(new)
        self.used.add(path)
        self.image.layers.append(path)

    def do_run(self, rest):
        def make(new):
            command, environment = inside(self.image.layers, new, ["sh", "-ec", rest],
                                          {**self.image.environment, "DEBIAN_FRONTEND": "noninteractive"})
            resolver = Path("/etc/resolv.conf").read_text(encoding="ascii")
            (new / "upper/etc").mkdir(parents=True)
            (new / "upper/etc/resolv.conf").write_text(resolver, encoding="ascii")
            done = subprocess.run(command, env=environment, text=True, errors="replace", stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=900, check=False)
            if done.returncode != 0:
                shutil.rmtree(new, ignore_errors=True)
                if "Temporary failure resolving" in done.stdout or "Could not connect to" in done.stdout:
                    raise OSError(done.stdout[-500:])
                raise Refused(f"RUN {rest}\nexit status {done.returncode}\n{done.stdout[-3000:]}")
        self.layer(f"RUN {rest}", make)

    def do_copy(self, rest):
        stage, *names = re.fullmatch(r"(?:--from=(\S+)\s+)?(.*)", rest).groups()
        *sources, target = shlex.split(names[0])
        if stage:
            key, fetch = self.stages[stage].layers[-1].name, self.from_stage(self.stages[stage], sources)
        else:
            key, fetch = digest_of([self.context / source for source in sources]), [self.context / source for source in sources]

        def make(new):
            into = new / "upper" / target.lstrip("/")
            for source in fetch:
                if source.is_dir():
                    shutil.copytree(source, into, ignore=shutil.ignore_patterns("__pycache__"))
                else:
                    file = into / source.name if target.endswith("/") else into
                    file.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy(source, file)
        self.layer(f"COPY {rest} {key}", make)

    @staticmethod
    def from_stage(image, sources):
        """Each file in the highest layer that has it."""
        return [next(layer / source.lstrip("/") for layer in reversed(image.layers) if (layer / source.lstrip("/")).exists())
                for source in sources]

    def do_env(self, rest):
        self.image.environment.update(pair.split("=", 1) for pair in shlex.split(rest))

    def do_user(self, rest):
        if not re.fullmatch(r"\d+:\d+", rest):
            raise Refused(f"USER {rest}: numbers, which Kubernetes can look at")
        self.image.user = rest

    def do_expose(self, rest):
        self.image.exposed += [int(port) for port in rest.split()]

    def do_stopsignal(self, rest):
        self.image.stop_signal = rest

    def do_entrypoint(self, rest):
        self.image.entrypoint = words(rest)

    def do_cmd(self, rest):
        self.image.cmd = words(rest)

    def do_healthcheck(self, rest):
        self.image.healthcheck = words(re.fullmatch(OPTIONS_OF_HEALTHCHECK, rest)[2])
