"""Whether a Ray cluster can be there, found out in seconds: Ray itself tries for more than a minute."""

from __future__ import annotations

import os
import socket

from assay.registry.errors import AssayError

__all__ = ["refuse_unreachable"]

_ANSWER_S = 5.0
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
"""How an HTTP/2 connection begins (RFC 9113, 3.4), which is what a Ray head speaks: the preface, an empty SETTINGS."""
_SETTINGS = 4
_HEADER = 9


def refuse_unreachable(address: str) -> None:
    """Raises AssayError where an address is none, or nothing that could be the head of a Ray cluster answers there."""
    if address == "auto":  # Ray looks for the cluster that this machine is a node of; no waiting is involved
        return
    if "://" in address:
        raise AssayError(
            f"--address {address}: workers hand results out as they are made, which works from a node of the cluster "
            "only. Run the command there, with `--address HOST:PORT` of its head or `--address auto`."
        )
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise AssayError(f"--address {address}: give HOST:PORT of a Ray cluster's head, e.g. 10.0.0.7:6379, or `auto`")
    host = host.strip("[]")
    try:
        with socket.create_connection((host, int(port)), timeout=_ANSWER_S) as connection:
            if os.environ.get("RAY_USE_TLS", "0") != "1" and not _speaks_http2(connection):
                raise AssayError(f"what answers at {address} is no Ray cluster's head (its GCS port, 6379 by default)")
    except OSError as problem:
        why = problem.strerror or "no answer" if not isinstance(problem, TimeoutError) else "no answer"
        raise AssayError(f"no Ray cluster can be reached at {address}: {why}") from None


def _speaks_http2(connection: socket.socket) -> bool:
    connection.sendall(_PREFACE)
    answer = b""
    while len(answer) < _HEADER:
        more = connection.recv(_HEADER - len(answer))
        if not more:
            return False
        answer += more
    return answer[3] == _SETTINGS
