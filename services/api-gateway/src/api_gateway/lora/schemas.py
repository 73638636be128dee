"""What clients send and get when they upload or delete LoRA files."""

from typing import Annotated

from fastapi import File, Form, UploadFile
from pydantic import BaseModel, Field

# The parts of an upload's multipart form; the routes declare them one by one, because the
# contract names the body after the route.
LoraFile = Annotated[UploadFile, File(description="The LoRA model file to upload")]
LoraFolder = Annotated[
    str | None, Form(description="The entity type (clothes, identities, product, styles)")
]
AdminLoraFolder = Annotated[
    str | None, Form(description="The entity type (clothes, faces, identities, product, styles)")
]
UseSafeFilename = Annotated[
    bool,
    Form(description="Whether to enable automatic versioning for duplicate filenames"),
]

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
