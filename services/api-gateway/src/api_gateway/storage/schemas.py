"""Request and response schemas of stored images, whose bodies the reference leaves open."""

from datetime import datetime

from pydantic import BaseModel, Field

from api_gateway.storage.cursors import MAX_CURSOR_LENGTH
from api_gateway.storage.keys import MAX_KEY_BYTES


class PicturesQuery(BaseModel):
    """The filters of a list of images."""

    prefix: str = Field(default="", max_length=MAX_KEY_BYTES, pattern=r"^[^\x00]*$")
    limit: int = Field(default=100, ge=1, le=1000)
    cursor: str | None = Field(
        default=None,
        max_length=MAX_CURSOR_LENGTH,
        description="Position of the page, from the previous page's `Link` header; the prefix must"
        " be the same",
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
    """A saved image."""

    path: str
    url: str


class DeletedImage(BaseModel):
    """The result of a deletion."""

    path: str
    deleted: bool


SAVE_FORM = "Body_save_image_api_v1_storage_images__path__post"
"""Name of the form's schema in generated clients."""


class SaveImageForm(BaseModel):
    """The form of a save, for the document; the request is read as a stream."""

    file: bytes
    """The image: PNG, JPEG or WebP."""
