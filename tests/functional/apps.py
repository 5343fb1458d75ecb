"""Real web applications, as servers behind a relay."""

import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import servers

HERE = Path(__file__).parent


class Gunicorn(servers.Server):
    """A module of this folder that has an app."""

    def __init__(self, module, **environment):
        super().__init__()
        words = [f"--env={name}={value}" for name, value in {"PYTHONDONTWRITEBYTECODE": 1, **environment}.items()]
        self.spawn("gunicorn", "--chdir", HERE, "--bind", self.address, "--worker-class", "gthread", "--threads", 24,
                   "--worker-tmp-dir", self.directory, "--forwarded-allow-ips", "127.0.0.1", *words, f"{module}:app")

    def stop(self):
        self.process.send_signal(signal.SIGQUIT)   # at once: TERM waits for clients
        super().stop()


class Shop(Gunicorn):
    def __init__(self):
        super().__init__("shop")


class Git(Gunicorn):
    """An empty repository, one.git, that may be cloned and pushed to."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="rly"))
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main", self.folder / "one.git"], check=True)
        super().__init__("gitweb", GIT_PROJECT_ROOT=self.folder, HOME=self.folder)

    def stop(self):
        super().stop()
        shutil.rmtree(self.folder, ignore_errors=True)
