"""Pictures by their path."""

from typing import Annotated

from fastapi import APIRouter, Header, Response

from api_gateway.auth.dependencies import Caller
from api_gateway.dependencies import Res
from api_gateway.errors import not_found
from shared.db.repositories.subjects import find_object

router = APIRouter(prefix="/api/v1/storage", tags=["Storage"])


@router.get(
    "/images/{path:path}",
    summary="Get Image",
    operation_id="get_image",
    responses={200: {"content": {"image/*": {}}}},
)
async def get_image(
    path: str, res: Res, caller: Caller, if_none_match: Annotated[str, Header()] = ""
) -> Response:
    """The bytes of a stored picture. Its ETag is the SHA-256 of its bytes."""
    async with res.sessions() as session:
        found = None if "\0" in path else await find_object(session, caller.scope, path)
    if found is None:
        raise not_found(f"image {path!r}")
    etag = f'"{found.sha256}"'
    headers = {"ETag": etag, "X-Content-Type-Options": "nosniff", "Cache-Control": "private"}
    if etag in (tag.strip() for tag in if_none_match.split(",")):
        return Response(status_code=304, headers=headers)
    # Read before the answer starts: an object that cannot be read is an error, not half a picture.
    content = await res.objects.get(path)
    return Response(content, media_type=found.content_type, headers=headers)
