"""What the storage routes answer; the reference leaves their bodies open."""

from datetime import datetime

from pydantic import BaseModel, Field

from api_gateway.storage.cursors import MAX_CURSOR_LENGTH
from api_gateway.storage.keys import MAX_KEY_BYTES


class PicturesQuery(BaseModel):
    """Which pictures a list shows."""

    prefix: str = Field(default="", max_length=MAX_KEY_BYTES, pattern=r"^[^\x00]*$")
    limit: int = Field(default=100, ge=1, le=1000)
    cursor: str | None = Field(
        default=None,
        max_length=MAX_CURSOR_LENGTH,
        description="Where the page begins, from the `Link` header of the page before; the prefix"
        " must be the same",
    )


class StoredImage(BaseModel):
    """One object in the store."""

    path: str
    size: int
    """Bytes."""
    content_type: str
    last_modified: datetime


class StoredImageList(BaseModel):
    """The objects under a prefix."""

    images: list[StoredImage]
    count: int


class SavedImage(BaseModel):
    """Where an upload lies."""

    path: str
    url: str


class DeletedImage(BaseModel):
    """Whether an object was removed."""

    path: str
    deleted: bool


SAVE_FORM = "Body_save_image_api_v1_storage_images__path__post"
"""Name of the form's schema, as generated clients know it."""


class SaveImageForm(BaseModel):
    """The form of a save. It describes; the request is read as a stream."""

    file: bytes
    """The picture: PNG, JPEG or WebP."""
