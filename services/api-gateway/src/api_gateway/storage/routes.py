"""Routes of images by path: list, read, check, save, delete."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request, Response

from api_gateway.auth.dependencies import Caller
from api_gateway.idempotency import Repeatable
from api_gateway.ignored.dependency import FIELD_CHECK
from api_gateway.paging import Pages
from api_gateway.resources import Created, Res
from api_gateway.storage import service
from api_gateway.storage.conditions import ReadConditions
from api_gateway.storage.keys import check_deletable, check_writable, image_path
from api_gateway.storage.saving import SaveRequest, new_object_key, save_image
from api_gateway.storage.schemas import (
    SAVE_FORM,
    DeletedImage,
    PicturesQuery,
    SavedImage,
    StoredImageList,
)
from api_gateway.storage.uploads import receive_image

router = APIRouter(prefix="/api/v1/storage", tags=["Storage"], dependencies=[FIELD_CHECK])

ImagePath = Annotated[str, Depends(image_path)]
Conditions = Annotated[ReadConditions, Header()]
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_BYTES = {"image/*": _BINARY, "video/*": _BINARY, "application/octet-stream": _BINARY}
_PICTURE: dict[int | str, dict[str, Any]] = {
    200: {"content": _BYTES, "description": "The image"},
    206: {"content": _BYTES, "description": "The range that `Range` asks for"},
    302: {"description": "The URL of the image, if the gateway is set to redirect"},
    304: {"description": "The client has it already"},
}
_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {"$ref": f"#/components/schemas/{SAVE_FORM}"},
                "encoding": {"file": {"contentType": "image/png, image/jpeg, image/webp"}},
            }
        },
    }
}


@router.get("/images", summary="List Images", operation_id="list_images")
async def list_images(
    caller: Caller, res: Res, paging: Pages, wanted: Annotated[PicturesQuery, Query()]
) -> StoredImageList:
    """List stored images, in the order of their paths.

    The `Link` header gives the next page; `X-Total-Count` is sent for up to 10,000 images.
    """
    return await service.list_images(res, caller, paging, wanted)


@router.get(
    "/images/{path:path}",
    summary="Get Image",
    operation_id="get_image",
    response_class=Response,
    responses=_PICTURE,
)
async def get_image(caller: Caller, res: Res, path: ImagePath, asked: Conditions) -> Response:
    """Get image, video or other result by path, or a redirect to it.

    Its ETag is the SHA-256 of its bytes.
    """
    return await service.read_image(res, caller, path, asked)


@router.head(
    "/images/{path:path}",
    summary="Check Image Exists",
    operation_id="check_image_exists",
    response_class=Response,
    responses={304: _PICTURE[304]},
)
async def check_image_exists(
    caller: Caller, res: Res, path: ImagePath, asked: Conditions
) -> Response:
    """Check if image exists; the headers are those of a GET of the whole image."""
    return await service.describe_image(res, caller, path, asked)


@router.post(
    "/images/{path:path}",
    status_code=201,
    summary="Save Image",
    operation_id="save_image",
    dependencies=[Created],
    openapi_extra=_FORM,
)
async def save_image_at(
    caller: Caller, res: Res, path: ImagePath, repeat: Repeatable, request: Request
) -> SavedImage:
    """Save image to storage: PNG, JPEG or WebP. It replaces an image of the same owner there."""
    check_writable(path)
    async with receive_image(request, res.pictures) as upload:
        return await save_image(
            res, SaveRequest(caller, path, upload, repeat, new_object_key(path))
        )


@router.delete("/images/{path:path}", summary="Delete Image", operation_id="delete_image")
async def delete_image(caller: Caller, res: Res, path: ImagePath) -> DeletedImage:
    """Delete image from storage; 409 while work that has not ended may read it."""
    check_deletable(path)
    return await service.delete_image(res, caller, path)
