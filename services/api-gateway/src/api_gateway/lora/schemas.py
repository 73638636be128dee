"""Request and response schemas of LoRA files."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, create_model, model_validator

from api_gateway.recorded import Recorded
from api_gateway.request_fields import refuse_unstorable
from shared.lora.names import LoraFolder


class UploadForm(BaseModel):
    """The text fields of an upload's form."""

    model_config = ConfigDict(extra="ignore")

    entity_type: str | None = Field(
        default=None, description="The entity type (clothes, identities, product, styles)"
    )
    use_safe_filename: bool = Field(
        default=True, description="Whether to enable automatic versioning for duplicate filenames"
    )


class AdminUploadForm(UploadForm):
    """The text fields of an administrator's upload."""

    entity_type: str | None = Field(
        default=None,
        description="The entity type (clothes, faces, identities, product, styles)",
    )


def _with_file(name: str, form: type[UploadForm]) -> type[BaseModel]:
    file: Any = Field(
        description="The LoRA model file to upload", json_schema_extra={"format": "binary"}
    )
    return create_model(name, __base__=form, file=(str, file))


# The complete forms, for the document only: routes read them as a stream. Named by the contract.
UPLOAD_BODY = _with_file("Body_upload_lora", UploadForm)
ADMIN_UPLOAD_BODY = _with_file("Body_admin_upload_lora", AdminUploadForm)

_UPLOADED_AT = ["2024-01-01T12:00:00Z"]


class LoRAUploadResponse(BaseModel):
    """Response model for LoRA upload endpoint."""

    file_path: str = Field(description="Full path where the LoRA file was stored")
    partial_path: str = Field(
        description="Partial path relative to base models directory (e.g., "
        "'identities/lora_name.safetensors')"
    )
    filename: str = Field(description="Original filename of the uploaded file")
    file_size: int = Field(description="Size of the uploaded file in bytes")
    upload_timestamp: str = Field(description="ISO timestamp of when the file was uploaded")


class AdminLoRAUploadResponse(BaseModel):
    """Response model for admin LoRA upload."""

    file_path: str = Field(
        description="Full path where the file was saved",
        examples=["/data/models/loras/identities/my_lora.safetensors"],
    )
    partial_path: str = Field(
        description="Relative path within the LoRA directory",
        examples=["identities/my_lora.safetensors"],
    )
    filename: str = Field(description="Original filename", examples=["my_lora.safetensors"])
    file_size: int = Field(description="Size of the uploaded file in bytes", examples=[142857])
    entity_type: str = Field(description="The entity type category", examples=["identities"])
    upload_timestamp: str = Field(
        description="ISO format timestamp of when the file was uploaded", examples=_UPLOADED_AT
    )


class LoRADeleteRequest(BaseModel):
    """Request model for deleting a LoRA model file."""

    _storable = model_validator(mode="before")(refuse_unstorable)

    partial_path: str = Field(
        description="Relative path of the LoRA file (as returned by upload)",
        examples=["identities/Sh0ot1f1_01.safetensors"],
    )


class LoRADeleteResponse(BaseModel):
    """Response model for LoRA deletion."""

    deleted: bool = Field(description="Whether the file was successfully deleted")
    full_path: str = Field(
        description="Full path of the deleted file",
        examples=["/data/models/loras/identities/Sh0ot1f1_01.safetensors"],
    )
    bin_path: str | None = Field(
        default=None,
        description="Path where the file was moved in the bin",
        examples=["/data/bin/models/loras/identities/Sh0ot1f1_01.safetensors"],
    )
    timestamp: str = Field(
        description="ISO format timestamp of the deletion", examples=_UPLOADED_AT
    )


class LoraPublic(Recorded):
    """A LoRA file in the store."""

    partial_path: str = Field(
        description="Path by which tasks name it", examples=["identities/my_lora.safetensors"]
    )
    filename: str
    folder: LoraFolder
    file_size: int = Field(description="Bytes, as stored")
    sha256: str = Field(description="Digest of the stored bytes")
    rank: int | None = Field(description="The largest rank of its matrices")
    base_model: str | None = Field(description="Inferred from its layers", examples=["FLUX.1"])
    target_modules: list[str] = Field(description="The modules it changes, without block numbers")
    created_at: datetime


class LoraListResponse(BaseModel):
    """One page of LoRA files, newest first."""

    loras: list[LoraPublic]
    total: int
    skip: int
    limit: int
