"""What there must be before anything can be measured: packages, builds, helpers."""
import os
import pathlib
import subprocess

import process

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = pathlib.Path(__file__).resolve().parent
BUILD = ROOT / "build-bench"


def packages():
    """packaging/packages.sh knows the names and how to install them."""
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    done = subprocess.run(
        ["bash", "-c", "source packaging/packages.sh; "
         'need_packages "${build_packages[@]}" "${bench_packages[@]}"'], cwd=ROOT, check=False)
    if done.returncode:
        raise SystemExit(done.returncode)


def _run(*command):
    done = subprocess.run([str(word) for word in command], cwd=ROOT, text=True, check=False,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        raise process.Failed(f"{command[0]} {command[1]}: exit status {done.returncode}\n{done.stdout[-3000:]}")
    return done.stdout


def relayd():
    """build-bench/relayd, in release mode."""
    if not (BUILD / "build.ninja").exists():
        _run("meson", "setup", BUILD, "--buildtype=release", "-Dtests=disabled")
    _run("ninja", "-C", BUILD, "relayd", "relayd-keeper")
    return BUILD / "relayd"


def helpers():
    """bench-load and bench-sink. Returns their directory."""
    BUILD.mkdir(exist_ok=True)
    for name, sources in (("load", ("load.c", "conn.c", "secure.c")), ("sink", ("sink.c",))):
        paths = [HERE / source for source in sources]
        program = BUILD / f"bench-{name}"
        newest = max(path.stat().st_mtime for path in HERE.glob("*.[ch]"))
        if not program.exists() or program.stat().st_mtime < newest:
            _run("cc", "-O2", "-Wall", "-Wextra", "-D_GNU_SOURCE", "-pthread", "-o", program, *paths, "-lssl")
    return BUILD


def certificate(folder):
    """One of P-256, with its key, for all."""
    path = folder / "site.pem"
    _run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=bench", "-keyout", folder / "key.pem", "-out", folder / "certificate.pem")
    path.write_text((folder / "certificate.pem").read_text() + (folder / "key.pem").read_text())
    path.chmod(0o644)   # hitch reads it as nobody
    return path


def _first_line(*command):
    try:
        done = subprocess.run(command, text=True, check=False, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    except OSError:
        return "?"
    return (done.stdout.splitlines() or ["?"])[0].strip()


def versions(relays):
    """What each relay says that it is."""
    asked = {"relayd": lambda r: _first_line(str(r.program), "--version"),
             "haproxy": lambda r: _first_line(r.program or "haproxy", "-v").split(" - ")[0],
             "nginx": lambda _: _first_line("nginx", "-v").removeprefix("nginx version: "),
             "hitch": lambda _: _first_line("hitch", "--version"),
             "socket-proxyd": lambda _: _first_line("systemctl", "--version")}
    return {relay.name: asked[relay.kind](relay) for relay in relays if relay.kind in asked}


def machine():
    processors = [line.split(":")[1].strip() for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("model name")]
    memory = int(pathlib.Path("/proc/meminfo").read_text().split()[1]) / (1 << 20)
    return {"processor": processors[0] if processors else os.uname().machine, "cores": os.cpu_count(),
            "memory": f"{memory:.0f} GiB", "kernel": os.uname().release}
