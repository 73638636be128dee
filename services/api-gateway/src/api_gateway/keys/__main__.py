"""Makes a key known that was generated elsewhere: `python -m api_gateway.keys ensure`.

The key is read from SARTIQ_BOOTSTRAP_KEY, so that it shows in no process list.
"""

import asyncio
import os
import sys

from shared.db.repositories.keys import ensure_key
from shared.db.session import create_engine, create_sessions
from shared.settings import DatabaseSettings

_LEAST_LENGTH = 32


async def _ensure(key: str) -> None:
    engine = create_engine(DatabaseSettings())
    try:
        async with create_sessions(engine).begin() as session:
            await ensure_key(session, key, name="bootstrap", scopes=["compute", "admin"])
    finally:
        await engine.dispose()


def main() -> None:
    """Read the key and store its hash."""
    key = os.environ.get("SARTIQ_BOOTSTRAP_KEY", "")
    if sys.argv[1:] != ["ensure"] or len(key) < _LEAST_LENGTH:
        sys.exit(
            "usage: SARTIQ_BOOTSTRAP_KEY=<at least 32 characters> python -m api_gateway.keys ensure"
        )
    asyncio.run(_ensure(key))


if __name__ == "__main__":
    main()
