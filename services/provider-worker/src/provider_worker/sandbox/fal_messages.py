"""Messages of fal's queue: states, results, faults of the input."""

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request

from provider_worker.sandbox.ledger import Entry
from provider_worker.sandbox.schemas.tables import Problem, read_table
from provider_worker.sandbox.studio import Medium
from provider_worker.sandbox.wires import media_url

SCHEMAS = read_table("fal")
_ANY_OUTPUT = ("has_nsfw_concepts", "images", "prompt", "seed", "timings")


def known_output(app: str) -> tuple[str, ...]:
    """Return the fields of an app's result; none where the table lacks the app."""
    return SCHEMAS[app].output if app in SCHEMAS else ()


def output_of(request: Request, entry: Entry, media: Sequence[Medium]) -> dict[str, Any]:
    """Return the fields that the app's result has."""
    given = entry.input
    files = [_file(request, entry, index, medium) for index, medium in enumerate(media)]
    every: dict[str, Any] = {
        "images": files,
        "image": files[0],
        "video": files[0],
        "seed": given.get("seed") or 0,
        "prompt": given.get("prompt", ""),
        "caption": "a picture",
        "description": "",
        "has_nsfw_concepts": [False] * len(files),
        "timings": {"inference": 0.1},
    }
    return {name: every[name] for name in known_output(entry.app) or _ANY_OUTPUT}


def _file(request: Request, entry: Entry, index: int, medium: Medium) -> dict[str, Any]:
    url = media_url(request, entry, index, medium)
    shown = {
        "url": medium.data_url if entry.input.get("sync_mode") else url,
        "content_type": medium.content_type,
        "file_name": url.rpartition("/")[2],
        "file_size": len(medium.content),
    }
    if medium.duration_s is not None:
        return shown
    return shown | {"width": medium.width, "height": medium.height}


def state_of(entry: Entry) -> dict[str, Any]:
    """Return the status of work. Failed and cancelled work is COMPLETED with an error."""
    work = entry.work
    if entry.is_cancelled:
        return {"status": "COMPLETED", "error": "Cancelled", "error_type": "client_cancelled"}
    if entry.is_done:
        errors = {"error": work.error, "error_type": work.error_type}
        told = {name: value for name, value in errors.items() if value}
        return {"status": "COMPLETED", "metrics": {"inference_time": 0.1}} | told
    if entry.is_started:
        return {"status": "IN_PROGRESS"}
    return {"status": "IN_QUEUE", "queue_position": 0}


def detail_of(problems: Sequence[Problem]) -> dict[str, Any]:
    """Return the body of a refusal."""
    return {
        "detail": [
            {"loc": ["body", *problem.loc], "msg": problem.msg, "type": problem.type}
            for problem in problems
        ]
    }
