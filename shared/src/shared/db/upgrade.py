"""Upgrade of the database to the newest schema: `python -m shared.db.upgrade`."""

from pathlib import Path

from alembic import command
from alembic.config import Config

from shared.settings import DatabaseSettings

MIGRATIONS = Path(__file__).resolve().parents[3] / "migrations"


def upgrade(settings: DatabaseSettings, revision: str = "head") -> None:
    """Run all pending migrations, each in its own transaction."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["url"] = settings.url.get_secret_value()
    command.upgrade(config, revision)


if __name__ == "__main__":
    upgrade(DatabaseSettings())
