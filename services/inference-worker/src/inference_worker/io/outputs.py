"""The pictures that an attempt makes: stored with how they were made inside, and listed."""

from collections.abc import Sequence
from dataclasses import asdict
from functools import cache, partial
from importlib import metadata
from typing import Any
from uuid import UUID

from PIL import Image

from inference_worker.io.metadata import encode_output
from inference_worker.io.picture_files import PictureFiles
from shared.contracts.attempts import StoredFile
from shared.contracts.enums import OutputFormat
from shared.contracts.generation import LoraChoice
from shared.contracts.provenance import (
    FileProvenance,
    LoraProvenance,
    ModelProvenance,
    Provenance,
)
from shared.flux.engine import EngineFacts

_ENGINE_SOFTWARE = ("torch", "diffusers", "transformers", "peft", "ncnn")
_PICTURE_SOFTWARE = ("numpy", "scipy", "scikit-image", "onnxruntime", "ai-edge-litert")


class Outputs:
    """Takes the pictures of one attempt.

    Inside a file stands what only its worker knows, and the task's id, which leads to the rest; not
    the prompt, which is the client's own (decision 0018).

    Args:
        task_id: the task.
        provenance: how all its pictures are made; it names no file yet.
        form: how they are stored.
        files: where they go.
    """

    def __init__(
        self,
        task_id: UUID,
        provenance: Provenance,
        form: OutputFormat,
        files: PictureFiles,
    ) -> None:
        self._task_id = task_id
        self._made = provenance
        self._form = form
        self._files = files
        self._seeds: list[int | None] = []
        self.files: list[StoredFile] = []

    @property
    def provenance(self) -> Provenance:
        """How they were made, and which they are."""
        files = [
            FileProvenance(key=file.key, sha256=file.sha256, seed=seed)
            for file, seed in zip(self.files, self._seeds, strict=True)
        ]
        return self._made.model_copy(update={"files": files})

    async def store(self, stem: str, picture: Image.Image, seed: int | None = None) -> StoredFile:
        """Store one more picture.

        Args:
            stem: its key without the suffix, which the format decides.
            picture: RGB, or RGBA as PNG.
            seed: what its noise was drawn from; none where nothing was drawn.
        """
        content = await self._files.cpu.run(partial(self._encode, picture, seed))
        file = await self._files.put(f"{stem}.{self._form}", content, self._form.content_type)
        self.files.append(file)
        self._seeds.append(seed)
        return file

    def _encode(self, picture: Image.Image, seed: int | None) -> bytes:
        record = self._made.model_dump(mode="json", exclude={"files"})
        record |= {"task_id": str(self._task_id), "seed": seed}
        return encode_output(picture, self._form, record)


def provenance_of(facts: EngineFacts, loras: Sequence[LoraChoice] = ()) -> Provenance:
    """How an attempt makes its pictures, as far as that is the same for all of them."""
    return Provenance(
        **_of_provenance(facts),
        loras=[
            LoraProvenance(field=lora.field, sha256=lora.sha256, weight=lora.weight)
            for lora in loras
        ],
        versions=_versions(_ENGINE_SOFTWARE),
    )


def _of_provenance(facts: EngineFacts) -> dict[str, Any]:
    return {name: value for name, value in asdict(facts).items() if name != "warnings"}


def computed_provenance(method: str, models: Sequence[ModelProvenance]) -> Provenance:
    """How an attempt makes its pictures where no generative model does.

    Args:
        method: the operation, `background_fix`.
        models: those that looked at the pictures.
    """
    return Provenance(
        engine=method, model="", models=list(models), versions=_versions(_PICTURE_SOFTWARE)
    )


@cache
def _versions(software: tuple[str, ...]) -> dict[str, str]:
    versions: dict[str, str] = {}
    for name in ("sartiq-inference-worker", *software, "pillow"):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:  # not every worker needs them all
            continue
    return versions
