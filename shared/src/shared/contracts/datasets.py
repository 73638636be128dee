"""Messages and activities that turn a training's source pictures into a dataset.

Everything of a dataset lies below `trainings/<id>/dataset/`: the archive of its pictures, its
manifest and a preview.
"""

import hashlib
import json
from abc import ABC, abstractmethod
from datetime import datetime
from uuid import UUID

from pydantic import Field
from temporalio import activity

from shared.contracts.attempts import AttemptResult
from shared.contracts.enums import CaptioningStrategy
from shared.contracts.message import Message
from shared.contracts.owners import Owner
from shared.contracts.transforms import Transform
from shared.contracts.untrusted import ErrorText

_TRAINED_ON = {"name", "sha256", "bucket", "caption", "is_held_out"}
CAPTION_MAX_CHARS = 500
"""Longest caption of a captioning model."""

MODEL_STRATEGIES = frozenset({CaptioningStrategy.LLM, CaptioningStrategy.CUSTOM_PROMPT})
"""The strategies whose captions a model writes."""


class Captioning(Message):
    """Captioning of a dataset's pictures."""

    strategy: CaptioningStrategy = CaptioningStrategy.TRIGGER_ONLY
    trigger_word: str
    prompt: str | None = None
    """Prompt for the captioning model; always set with the strategy custom_prompt."""


class PreprocessDataset(Message):
    """A request to build a training's dataset from its source pictures."""

    training_id: UUID
    source_images: list[str]
    """Object keys, paths whose object keys are in `fetched`, and URLs."""
    fetched: dict[str, str] = {}
    """Object keys of the paths that differ from their key."""
    fetch_faults: dict[str, ErrorText] = {}
    """Always empty: `faults_at` has the reasons. Recorded runs have the field."""
    fetched_at: dict[int, str] = {}
    """Object keys of URLs, by position: 2000 long URLs fit into the message once, not twice."""
    faults_at: dict[int, ErrorText] = {}
    """Reasons why URLs could not be fetched, by position."""
    transforms: list[Transform] = []
    captioning: Captioning
    resolutions: list[int] = []
    """Training resolutions R in pixels: a bucket has at most R² pixels. Empty: the model's own."""
    held_out_share: float = 0.1
    """Share of the pictures, from ten pictures on, that is never trained on. 0: none."""
    owner: Owner


class DatasetImage(Message):
    """One entry of a dataset: a picture at one resolution, with its caption."""

    index: int
    """Position of its source among the training's source images."""
    name: str
    """Its file in the archive: `0003.png`, `0003-mirror.png`, `0003-512.png`."""
    source: str
    """The source image as in the request; without its content if that was base64."""
    sha256: str
    """Digest of the file in the archive."""
    width: int
    height: int
    """Size after the transforms and before the bucket, in pixels."""
    bucket: tuple[int, int]
    """Width and height of the file in the archive: what is trained on."""
    caption: str
    is_held_out: bool = False
    """It is never trained on, but its loss is measured."""
    notes: list[ErrorText] = []
    """Deviations from the request: enlarged, cropped to an aspect of 4:1 …"""


class SkippedImage(Message):
    """A source image that is no part of the dataset."""

    index: int
    source: str
    reason: ErrorText


class DuplicateImage(Message):
    """A source image that shows the same as a larger one, which is kept."""

    index: int
    source: str
    kept_index: int


class DatasetManifest(Message):
    """The manifest of a dataset, stored as `manifest.json`."""

    version: int = 1
    transforms: list[Transform]
    captioning: Captioning
    resolutions: list[int]
    archive: str
    """Object key of the archive: an uncompressed ZIP of PNG files."""
    images: list[DatasetImage]
    skipped: list[SkippedImage] = []
    duplicates: list[DuplicateImage] = []
    digest: str = ""
    """SHA-256 of all that is trained on, in canonical JSON: equal digests train equally."""

    def with_digest(self) -> "DatasetManifest":
        """Return the manifest with the digest of its files, captions and held-out pictures."""
        images = [image.model_dump(mode="json", include=_TRAINED_ON) for image in self.images]
        canonical = json.dumps(images, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        return self.model_copy(update={"digest": digest})


class PreparedDataset(AttemptResult):
    """A prepared dataset. `files` pass through Temporal: list archives, not single pictures."""

    dataset_path: str
    """Key of the manifest, `trainings/<id>/dataset/manifest.json`."""
    processed_files_count: int = Field(ge=0)
    total_files_count: int = Field(ge=0)
    completed_at: datetime
    to_caption: list[str] = []
    """Object keys of small pictures, in the manifest's order, that a captioning model still has to
    describe; empty: the dataset is complete. Entries of one picture share its caption."""
    log: list[ErrorText] = []
    """Lines about skipped and duplicate images, for the training's log."""


class CaptionImage(Message):
    """A request to describe one picture. The model's reply is returned as it is."""

    training_id: UUID
    picture: str
    """Object key of the picture, JPEG."""
    instruction: str
    """The prompt of the captioning model."""
    owner: Owner


class ImageCaption(Message):
    """The reply of a captioning model."""

    caption: str


class FinishDataset(Message):
    """A request to write captions of a model into a dataset's manifest."""

    training_id: UUID
    dataset_path: str
    captions: dict[str, str]
    """Caption by key in `PreparedDataset.to_caption`; a missing one becomes the trigger word."""
    owner: Owner


class FinishedDataset(AttemptResult):
    """A complete dataset."""

    completed_at: datetime


class DatasetActivities(ABC):
    """Activities of the `preprocessing` task queue: idempotent, with heartbeats and retries."""

    @activity.defn(name="preprocess_dataset")
    @abstractmethod
    async def preprocess_dataset(self, request: PreprocessDataset) -> PreparedDataset:
        """Check, transform and caption the pictures, and store the dataset."""

    @activity.defn(name="finish_dataset")
    @abstractmethod
    async def finish_dataset(self, request: FinishDataset) -> FinishedDataset:
        """Write a model's captions into the manifest."""


class CaptionActivities(ABC):
    """Activity of the `provider-llm` task queue."""

    @activity.defn(name="caption_image")
    @abstractmethod
    async def caption_image(self, request: CaptionImage) -> ImageCaption:
        """Let a model describe one picture."""
