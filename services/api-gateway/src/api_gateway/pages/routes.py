"""`/docs` and `/redoc`: the API's document as pages that load nothing from other hosts.

The viewers come from a pip package and are served from here. The content security policy enforces
it: only files of this origin run, and no other host is contacted.
"""

from dataclasses import dataclass
from html import escape
from importlib.resources import files
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, HTMLResponse

from api_gateway.errors import not_found

router = APIRouter(include_in_schema=False)

_ASSETS = "/docs/assets"
_FILES: dict[str, Path] = {
    path.name: path
    for path in (
        *(
            Path(str(files("fastapi_offline"))) / "static" / name
            for name in ("swagger-ui-bundle.js", "swagger-ui.css", "redoc.standalone.js")
        ),
        *(Path(__file__).with_name("static").iterdir()),
    )
}
_REDOC_STYLES = (
    "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"  # empty: its rules come by script
    " 'sha256-QMIg+bpjm3JdElJ388KYke01izlUW0UoNOeKjpMxdgc='"  # of the packaged version
)
"""The style elements that a script may add."""
_POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": f"'self' {_REDOC_STYLES}",
    "img-src": "'self' data: blob:",
    "font-src": "'self'",
    "connect-src": "'self'",
    "worker-src": "blob:",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
}
_HEADERS = {
    "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in _POLICY.items()),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


@dataclass(frozen=True)
class _Viewer:
    """The files of one page, in loading order."""

    scripts: tuple[str, ...]
    styles: tuple[str, ...]


_SWAGGER = _Viewer(("swagger-ui-bundle.js", "swagger.js"), ("swagger-ui.css",))
_REDOC = _Viewer(("redoc.standalone.js", "redoc.js"), ("redoc.css",))


@router.get("/docs")
async def show_operations(request: Request) -> HTMLResponse:
    """Show the operations with forms to try them."""
    return _page(request, _SWAGGER)


@router.get("/redoc")
async def show_reference(request: Request) -> HTMLResponse:
    """Show the operations as a reference."""
    return _page(request, _REDOC)


@router.get(f"{_ASSETS}/{{name}}")
async def get_asset(name: str) -> FileResponse:
    """Return a file of the pages."""
    path = _FILES.get(name)
    if path is None:
        raise not_found(f"file {name!r}")
    return FileResponse(path, headers=_HEADERS)


def _page(request: Request, viewer: _Viewer) -> HTMLResponse:
    root: str = request.scope.get("root_path", "").rstrip("/")
    styles = [f'<link rel="stylesheet" href="{root}{_ASSETS}/{name}">' for name in viewer.styles]
    scripts = [
        f'<script src="{root}{_ASSETS}/{name}" data-document="{root}/openapi.json"></script>'
        for name in viewer.scripts
    ]
    lines = [
        "<!doctype html>",
        '<html lang="en">',
        '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(request.app.title)}</title>",
        '<link rel="icon" href="data:,">',
        *styles,
        '<div id="page"></div>',
        *scripts,
    ]
    return HTMLResponse("\n".join(lines) + "\n", headers=_HEADERS)
