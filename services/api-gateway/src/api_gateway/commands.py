"""The `sartiq` command."""

import typer

from api_gateway.keys.commands import app as keys

app = typer.Typer(
    help="Administration of Sartiq Compute.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(keys, name="keys")


@app.callback()
def sartiq() -> None:
    """Administration of Sartiq Compute. Settings are read from the environment."""
