"""This worker's upscalers; the network is loaded on first use, and kept."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from threading import Lock

from inference_worker.upscaling.upscaler import LANCZOS, Upscaler
from inference_worker.vision.settings import VisionSettings
from inference_worker.vision.weights import ModelFile, Weights
from shared.contracts.provenance import ModelProvenance
from shared.contracts.refinement import UpscalerKind
from shared.errors import UnservedError

_REAL_ESRGAN = ModelFile.REAL_ESRGAN_STRUCTURE, ModelFile.REAL_ESRGAN_WEIGHTS

_MOST_THREADS = 2
"""Default limit of CPU threads for a network, whose runs take minutes."""


class Upscalers:
    """The upscalers, by kind.

    Args:
        settings: the folder of the network's files, and its threads.
    """

    def __init__(self, settings: VisionSettings) -> None:
        self._weights = Weights(settings.model_dir)
        is_set = "threads" in settings.model_fields_set
        self._threads = settings.threads if is_set else min(settings.threads, _MOST_THREADS)
        self._real_esrgan: Upscaler | None = None
        self._lock = Lock()
        self._network_in_use = Lock()

    @asynccontextmanager
    async def reserved(self, kind: UpscalerKind) -> AsyncGenerator[None]:
        """Reserve the upscaler of that kind for one task, if it is a network.

        A network takes minutes. Tasks that waited for it inside this worker would occupy its
        activity slots; refused, they are retried by Temporal.

        Raises:
            UnservedError: another task is using it.
        """
        if kind is UpscalerKind.LANCZOS:
            yield
            return
        if not self._network_in_use.acquire(blocking=False):
            raise UnservedError(f"{kind} of this worker is in use by another task; retry later")
        try:
            yield
        finally:
            self._network_in_use.release()

    def open(self, kind: UpscalerKind) -> Upscaler:
        """Return the upscaler of that kind; the first call for a network loads its files.

        Raises:
            MissingWeightsError: the files are not on this worker.
        """
        if kind is UpscalerKind.LANCZOS:
            return LANCZOS
        with self._lock:
            if self._real_esrgan is None:
                # Imported here, so that a worker without such work starts without ncnn.
                from inference_worker.upscaling.real_esrgan import RealEsrgan  # noqa: PLC0415

                files = map(self._weights.file, _REAL_ESRGAN)
                self._real_esrgan = RealEsrgan(*files, threads=self._threads)
            return self._real_esrgan

    def models(self, kind: UpscalerKind) -> list[ModelProvenance]:
        """Return the provenance of that upscaler's models; the first call reads their files."""
        if kind is UpscalerKind.LANCZOS:
            return []
        digest = self._weights.sha256(*map(self._weights.file, _REAL_ESRGAN))
        name = ModelFile.REAL_ESRGAN_WEIGHTS.removesuffix(".bin")
        return [ModelProvenance(finds="pixels", name=name, sha256=digest)]
