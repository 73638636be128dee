"""The pictures of an attempt, stored with their provenance inside, and listed."""

from collections.abc import Sequence
from dataclasses import asdict
from functools import cache, partial
from typing import Any
from uuid import UUID

from PIL import Image

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
from shared.pixels.metadata import encode_output
from shared.software import software_versions

_ENGINE_SOFTWARE = ("torch", "diffusers", "transformers", "peft", "ncnn")
_PICTURE_SOFTWARE = ("numpy", "scipy", "scikit-image", "onnxruntime", "ai-edge-litert")


class Outputs:
    """Stores and lists the pictures of one attempt.

    A file holds what only its worker knows, and the task's id, which leads to the rest; not the
    prompt, which is the client's own (decision 0018).

    Args:
        task_id: the task.
        provenance: the same for all pictures; it names no file yet.
        form: the file format.
        files: stores pictures.
    """

    def __init__(
        self,
        task_id: UUID,
        provenance: Provenance,
        form: OutputFormat,
        files: PictureFiles,
    ) -> None:
        self._task_id = task_id
        self._provenance = provenance
        self._form = form
        self._files = files
        self._seeds: list[int | None] = []
        self.files: list[StoredFile] = []

    @property
    def provenance(self) -> Provenance:
        """The provenance with the stored files."""
        files = [
            FileProvenance(key=file.key, sha256=file.sha256, seed=seed)
            for file, seed in zip(self.files, self._seeds, strict=True)
        ]
        return self._provenance.model_copy(update={"files": files})

    async def store(self, stem: str, picture: Image.Image, seed: int | None = None) -> StoredFile:
        """Store one more picture.

        Args:
            stem: its key without the suffix, which the format decides.
            picture: RGB, or RGBA as PNG.
            seed: of its noise; None where no noise was drawn.
        """
        content = await self._files.cpu.run(partial(self._encode, picture, seed))
        file = await self._files.put(f"{stem}.{self._form}", content, self._form.content_type)
        self.files.append(file)
        self._seeds.append(seed)
        return file

    def _encode(self, picture: Image.Image, seed: int | None) -> bytes:
        record = self._provenance.model_dump(mode="json", exclude={"files"})
        record |= {"task_id": str(self._task_id), "seed": seed}
        return encode_output(picture, self._form, record)


def provenance_of(facts: EngineFacts, loras: Sequence[LoraChoice] = ()) -> Provenance:
    """Return the provenance of an attempt on the engine, as far as its pictures share it."""
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
    """Return the provenance of an attempt without a generative model.

    Args:
        method: the operation, `background_fix`.
        models: the models that analysed the pictures.
    """
    return Provenance(
        engine=method, model="", models=list(models), versions=_versions(_PICTURE_SOFTWARE)
    )


@cache
def _versions(software: tuple[str, ...]) -> dict[str, str]:
    return software_versions(("sartiq-inference-worker", *software, "pillow"))
