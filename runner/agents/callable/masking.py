"""What an agent's errors may not show of the environment that its code can read."""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["without_secrets"]

_SECRET = re.compile(
    "KEY|TOKEN|SECRET|PASS|PWD|CRED|AUTH|COOKIE|DSN|SIGN|PRIVATE|BEARER|JWT|CONN(ECTION)?_?STR|(^|_)PAT(_|$)",
    re.IGNORECASE,
)
_URL_WITH_PASSWORD = re.compile(r"[a-z][a-z0-9+.-]*://[^/@\s]*:[^/@\s]+@", re.IGNORECASE)
_PLAIN = frozenset({"PWD", "OLDPWD", "SSH_AUTH_SOCK", "XAUTHORITY", "GNOME_KEYRING_CONTROL", "TOKENIZERS_PARALLELISM"})
"""Variables whose names look like a secret's and are none."""
_WORDS = frozenset({"true", "false", "none", "null"})


def without_secrets(text: str, environ: Mapping[str, str]) -> str:
    """The text with every secret of the environment replaced by the variable's name.

    A secret is what its variable's name says is one, and an address that holds a password. Paths and the like stay:
    they say where something went wrong.
    """
    for name, value in sorted(environ.items(), key=lambda pair: -len(pair[1])):
        if value in text and _is_secret(name, value):
            text = text.replace(value, f"${name}")
    return text


def _is_secret(name: str, value: str) -> bool:
    if name.upper() in _PLAIN or len(value) < 4 or value.lower() in _WORDS:
        return False
    return _SECRET.search(name) is not None or _URL_WITH_PASSWORD.match(value) is not None
