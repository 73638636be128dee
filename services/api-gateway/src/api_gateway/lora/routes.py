"""Routes of LoRA files: uploads, the list, and deletion to the bin."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from api_gateway.auth.dependencies import Admin, Caller
from api_gateway.idempotency import Repeatable
from api_gateway.ignored.dependency import FIELD_CHECK
from api_gateway.lora import service
from api_gateway.lora.presentation import present_lora
from api_gateway.lora.schemas import (
    AdminLoRAUploadResponse,
    AdminUploadForm,
    LoRADeleteRequest,
    LoRADeleteResponse,
    LoraListResponse,
    LoRAUploadResponse,
    UploadForm,
)
from api_gateway.lora.upload import Upload
from api_gateway.paging import Pages
from api_gateway.resources import Created, Res
from shared.db.repositories.loras import LoraFilters
from shared.lora.names import LoraFolder

router = APIRouter(prefix="/api/v1/lora", tags=["lora"], dependencies=[FIELD_CHECK])
admin_router = APIRouter(prefix="/api/v1/admin/lora", tags=["admin"], dependencies=[FIELD_CHECK])

_FILE_PART: dict[str, Any] = {
    "contentType": "application/octet-stream",
    "headers": {
        "Content-Disposition": {
            "description": "The file's name ends in .safetensors, .ckpt, .pt, .pth or .bin",
            "schema": {"type": "string"},
            "example": 'form-data; name="file"; filename="my_lora.safetensors"',
        }
    },
}


def _form(name: str) -> dict[str, Any]:
    """Return the OpenAPI description of a form that the route reads as a stream."""
    schema = {"$ref": f"#/components/schemas/{name}"}
    content = {"multipart/form-data": {"schema": schema, "encoding": {"file": _FILE_PART}}}
    return {"requestBody": {"content": content, "required": True}}


@router.post(
    "/upload",
    status_code=201,
    summary="Upload a LoRA model file",
    operation_id="upload_lora",
    dependencies=[Created],
    openapi_extra=_form("Body_upload_lora"),
)
async def upload_lora(
    request: Request, res: Res, caller: Caller, repeatable: Repeatable
) -> LoRAUploadResponse:
    """Upload a LoRA model file: .safetensors, .ckpt, .pt, .pth or .bin, up to 500 MB.

    Other formats than safetensors are converted to it if they hold only tensors.
    """
    upload = Upload(request, caller, repeatable, UploadForm, LoRAUploadResponse)
    return await service.upload_lora(res, upload)


@router.get("/", summary="List LoRA model files", operation_id="list_loras")
async def list_loras(
    res: Res,
    caller: Caller,
    paging: Pages,
    *,
    folder: Annotated[LoraFolder | None, Query(description="Those of one entity type")] = None,
    skip: Annotated[int, Query(ge=0, le=2**31)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
) -> LoraListResponse:
    """List LoRA model files, newest first."""
    page, total = await service.page_of_loras(
        res, caller, LoraFilters(folder), skip=skip, limit=limit
    )
    paging.set_by_total(skip, limit, total)
    loras = [present_lora(lora) for lora in page]
    return LoraListResponse(loras=loras, total=total, skip=skip, limit=limit)


@admin_router.post(
    "/upload",
    status_code=201,
    summary="Upload a LoRA model file (Admin)",
    operation_id="admin_upload_lora",
    dependencies=[Created],
    openapi_extra=_form("Body_admin_upload_lora"),
)
async def admin_upload_lora(
    request: Request, res: Res, caller: Admin, repeatable: Repeatable
) -> AdminLoRAUploadResponse:
    """Upload a LoRA model file as an administrator, who may also upload faces."""
    upload = Upload(request, caller, repeatable, AdminUploadForm, AdminLoRAUploadResponse)
    return await service.upload_lora(res, upload)


@admin_router.delete(
    "", summary="Delete a LoRA model file (Admin)", operation_id="admin_delete_lora"
)
async def delete_lora(body: LoRADeleteRequest, res: Res, caller: Admin) -> LoRADeleteResponse:
    """Delete a LoRA model file; it is moved to a bin for recovery."""
    return await service.delete_lora(res, caller, body)
