"""This checkout's sources, put on the import path: nothing of ours need be installed."""

import sys
from pathlib import Path

_REPOSITORY = Path(__file__).resolve().parents[2]
for _source in ("services/inference-worker/src", "services/training-worker/src", "shared/src"):
    sys.path.append(str(_REPOSITORY / _source))
