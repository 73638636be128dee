"""API keys on the command line: `python -m api_gateway.keys create | list | revoke | ensure`."""

from api_gateway.keys.commands import app

if __name__ == "__main__":
    app(prog_name="python -m api_gateway.keys")
