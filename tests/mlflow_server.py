"""Servers of MLflow's on loopback."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from assay.registry.store import Store

__all__ = ["free_port", "serving", "tracking", "wait_until_up"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def tracking(store: Store) -> dict[str, str]:
    """The environment of somebody who knows where MLflow is, and nothing of a workspace."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("ASSAY_", "MLFLOW_"))}
    return kept | {"MLFLOW_TRACKING_URI": store.workspace.tracking_uri, "MLFLOW_DISABLE_TELEMETRY": "true"}


@contextmanager
def serving(store: Store, model: str, folder: Path) -> Iterator[str]:
    """The address of a server for `model`, which is up; its log is written into `folder`."""
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", model, "--env-manager", "local"]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    env = tracking(store) | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=env, stdout=log, stderr=log, start_new_session=True)
    try:
        address = f"http://127.0.0.1:{port}"
        wait_until_up(address, process, folder / "log")
        yield address
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=20)


def wait_until_up(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait for a server of MLflow's, for half a minute at most; fails with the end of its log."""
    for _ in range(600):
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=5):
                return
        except OSError:
            if process.poll() is not None:
                break
            time.sleep(0.05)
    pytest.fail(f"the server did not come up: {log.read_text()[-2000:]}")
