"""Entry point: quiet dependencies, errors for people, exit codes for pipelines.

Exit codes: 0 PASS or done, 1 FAIL or refused, 2 usage, 3 INCONCLUSIVE, 4 ERROR (nothing can be concluded),
130 interrupted.
"""

from __future__ import annotations

import os
import sys

__all__ = ["main"]

_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "GX_ANALYTICS_ENABLED": "false",
    "RAGAS_DO_NOT_TRACK": "true",
    "DEEPEVAL_TELEMETRY_OPT_OUT": "YES",
    "DEEPEVAL_DISABLE_DOTENV": "1",
}


def main() -> None:
    """Run the command line and exit."""
    for name, value in _QUIET.items():
        os.environ[name] = value
    from assay.cli.app import app
    from assay.registry.errors import AssayError

    try:
        app(prog_name="assay")
    except AssayError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except Exception as error:
        if os.environ.get("ASSAY_DEBUG"):
            raise
        text = " ".join(str(error).split())[:500]
        print(f"Error: unexpected {type(error).__name__}: {text}", file=sys.stderr)
        print("Nothing can be concluded from this. ASSAY_DEBUG=1 shows where it happened.", file=sys.stderr)
        sys.exit(4)
