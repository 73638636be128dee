"""This worker's upscalers: the network is opened when it is first asked for, and kept."""

from threading import Lock

from inference_worker.upscaling.upscaler import LANCZOS, Upscaler
from inference_worker.vision.settings import VisionSettings
from inference_worker.vision.weights import ModelFile, Weights
from shared.contracts.provenance import ModelProvenance
from shared.contracts.refinement import UpscalerKind

_REAL_ESRGAN = ModelFile.REAL_ESRGAN_STRUCTURE, ModelFile.REAL_ESRGAN_WEIGHTS


class Upscalers:
    """The upscalers, by kind.

    Args:
        settings: where the network's files lie, and how it runs.
    """

    def __init__(self, settings: VisionSettings) -> None:
        self._weights = Weights(settings.model_dir)
        self._threads = settings.threads
        self._real_esrgan: Upscaler | None = None
        self._lock = Lock()

    def open(self, kind: UpscalerKind) -> Upscaler:
        """The upscaler of that kind; the first call for a network reads its files.

        Raises:
            MissingWeightsError: they are not on this worker.
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
        """What a record says of that upscaler's models. Reads their files when first asked."""
        if kind is UpscalerKind.LANCZOS:
            return []
        digest = self._weights.sha256(*map(self._weights.file, _REAL_ESRGAN))
        name = ModelFile.REAL_ESRGAN_WEIGHTS.removesuffix(".bin")
        return [ModelProvenance(finds="pixels", name=name, sha256=digest)]
