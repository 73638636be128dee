"""A table of API keys for the terminal."""

import re
from collections.abc import Iterable
from datetime import datetime, timedelta

from rich.table import Table

from shared.db.models.tables import ApiKey

_DURATION = re.compile(r"([1-9]\d{0,5})([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_COLUMNS = (
    "id",
    "prefix",
    "name",
    "scopes",
    "bound to",
    "per minute",
    "created",
    "last used",
    "expires",
    "state",
)


def parse_duration(text: str) -> timedelta:
    """Return the duration of `90m`, `12h`, `30d` or `52w`.

    Raises:
        ValueError: the text has another format.
    """
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError(text)
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def key_state(key: ApiKey, now: datetime) -> str:
    """Return whether a key is active, expired or revoked."""
    if key.revoked_at is not None:
        return "revoked"
    return "expired" if key.expires_at is not None and key.expires_at <= now else "active"


def key_table(keys: Iterable[ApiKey], now: datetime) -> Table:
    """Return a table with a row per key."""
    table = Table(box=None, pad_edge=False)
    for name in _COLUMNS:
        table.add_column(name, no_wrap=name in {"id", "prefix"})
    for key in keys:
        bound = [name for name in (key.origin_instance, key.origin_tenant_id) if name]
        cells = (
            str(key.id),
            key.prefix,
            key.name,
            " ".join(sorted(key.scopes)),
            "/".join(bound),
            str(key.requests_per_minute or ""),
            *(_moment(at) for at in (key.created_at, key.last_used_at, key.expires_at)),
            key_state(key, now),
        )
        table.add_row(*(cell or "–" for cell in cells))
    return table


def _moment(at: datetime | None) -> str:
    return "" if at is None else at.astimezone().strftime("%Y-%m-%d %H:%M")
