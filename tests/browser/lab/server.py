"""JupyterLab as `jook lab` starts it, for as long as the tests need it."""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


class Server:
    """`jook lab` on a folder of its own; leaving the `with` block ends it with its kernels. Everything that Jupyter
    keeps of its user lies in `home`, and the JupyterLab is that of the Python that runs the tests."""

    def __init__(self, jook, home):
        self.jook, self.home, self.root = jook, Path(home), Path(home) / "notebooks"
        self.token, self.port = secrets.token_hex(8), free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self._kernel = None

    def __enter__(self):
        self.root.mkdir(parents=True)
        settings = self.home / "settings" / "@jupyterlab" / "apputils-extension"
        settings.mkdir(parents=True)
        # Nothing that pops up over what is looked at.
        (settings / "notification.jupyterlab-settings").write_text('{ "fetchNews": "false", "checkForUpdates": false }')
        own = {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "XDG_CACHE_HOME": self.home / "cache",
            "JOOK_HISTORY": self.home / "history.jsonl",
            "JUPYTER_CONFIG_DIR": self.home / "config",
            "JUPYTER_DATA_DIR": self.home / "data",
            "JUPYTER_RUNTIME_DIR": self.home / "runtime",
            "JUPYTERLAB_SETTINGS_DIR": self.home / "settings",
            "JUPYTERLAB_WORKSPACES_DIR": self.home / "workspaces",
        }
        environment = {**os.environ, **{name: str(value) for name, value in own.items()}}
        environment.pop("JUPYTER_PATH", None)
        arguments = [f"--ServerApp.root_dir={self.root}", f"--port={self.port}", "--no-browser"]
        arguments.append(f"--IdentityProvider.token={self.token}")
        self.log = self.home / "server.log"
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [self.jook, "lab", *arguments], env=environment, stdout=log, stderr=log, start_new_session=True
            )
        end = time.monotonic() + 120
        while True:
            try:
                self.ask("GET", "status")
                return self
            except (urllib.error.URLError, ConnectionError):
                assert self._process.poll() is None and time.monotonic() < end, self.log.read_text()
                time.sleep(0.2)

    def __exit__(self, *_):
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def ask(self, method, place, body=None):
        """Jupyter's own interface over HTTP."""
        request = urllib.request.Request(f"{self.address}/api/{place}", method=method)
        request.add_header("Authorization", f"token {self.token}")
        data = json.dumps(body).encode() if body else None
        with urllib.request.urlopen(request, data, timeout=60) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def kernel(self):
        """The kernel that most notebooks share: a start takes seconds."""
        if self._kernel is None:
            self._kernel = self.ask("POST", "kernels", {"name": "jook"})["id"]
        return self._kernel

    def attach(self, name):
        """Makes the shared kernel that of a notebook that is opened next."""
        session = {"path": name, "name": name, "type": "notebook", "kernel": {"id": self.kernel()}}
        self.ask("POST", "sessions", session)

    def stop(self):
        """Stops what may still run on the shared kernel."""
        if self._kernel:
            self.ask("POST", f"kernels/{self._kernel}/interrupt")

    def write(self, cells):
        """A new notebook with these code cells; its name."""
        name = f"{uuid.uuid4().hex[:8]}.ipynb"
        cells = [
            {"cell_type": "code", "id": f"c{i}", "metadata": {}, "execution_count": None, "outputs": [], "source": source}
            for i, source in enumerate(cells)
        ]
        kernelspec = {"name": "jook", "display_name": "Jook", "language": "rust"}
        book = {"cells": cells, "metadata": {"kernelspec": kernelspec}, "nbformat": 4, "nbformat_minor": 5}
        (self.root / name).write_text(json.dumps(book))
        return name
