"""What the storage routes answer; the reference leaves their bodies open."""

from datetime import datetime

from pydantic import BaseModel


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
