"""The plans that Postgres executed, as auto_explain writes them to the server's log."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
from seeding import BIG_TABLES

_SETTINGS = {
    "session_preload_libraries": "auto_explain",
    "auto_explain.log_min_duration": "0",
    "auto_explain.log_format": "json",
}


async def log_plans(connection: asyncpg.Connection) -> None:
    """Make every connection opened from now on log its plans."""
    database = await connection.fetchval("SELECT current_database()")
    await connection.execute("LOAD 'auto_explain'")
    for name, value in _SETTINGS.items():
        await connection.execute(f"ALTER DATABASE \"{database}\" SET {name} = '{value}'")


def logged_plans(log: Path, place: int) -> Iterator[dict[str, Any]]:
    """Yield every plan in a server's log from an offset on."""
    decoder = json.JSONDecoder()
    with log.open() as lines:
        lines.seek(place)
        text = lines.read()
    found = text.find("plan:\n")
    while found >= 0:
        plan, end = decoder.raw_decode(text, text.index("{", found))
        yield plan
        found = text.find("plan:\n", end)


def sequential_scans(plan: dict[str, Any]) -> list[str]:
    """Yield the big tables that a plan scans sequentially."""
    return [
        node["Relation Name"]
        for node in _nodes(plan["Plan"])
        if node["Node Type"] == "Seq Scan" and node["Relation Name"] in BIG_TABLES
    ]


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", []):
        yield from _nodes(child)
