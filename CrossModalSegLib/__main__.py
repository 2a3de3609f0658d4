"""`python -m CrossModalSegLib` is the command `crossmodalseg`."""

from __future__ import annotations

import sys

from CrossModalSegLib.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
