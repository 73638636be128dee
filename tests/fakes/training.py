"""Training activities that a test controls."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from temporalio import activity

from shared.contracts.attempts import StoredFile
from shared.contracts.datasets import (
    MODEL_STRATEGIES,
    CaptionActivities,
    CaptionImage,
    DatasetActivities,
    FinishDataset,
    FinishedDataset,
    ImageCaption,
    PreparedDataset,
    PreprocessDataset,
)
from shared.contracts.training import (
    TrainedLora,
    TrainedModel,
    TrainingActivities,
    TrainingMetrics,
    TrainModel,
)

Act = Callable[[PreprocessDataset | TrainModel], Awaitable[None]]

LORA = TrainedLora(
    stem="sh0e",
    sha256="a" * 64,
    size_bytes=1,
    rank=16,
    base_model="FLUX.1",
    target_modules=["attn.to_q"],
    file_metadata={"format": "pt"},
)

STARTED_AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


async def do_nothing(request: PreprocessDataset | TrainModel) -> None:
    """Return at once, like a fast worker."""


class FakeTraining(DatasetActivities, TrainingActivities):
    """Training activities that record every request; `act` fails it by raising."""

    def __init__(self, act: Act = do_nothing) -> None:
        self.act = act
        self.datasets: list[PreprocessDataset] = []
        self.finished: list[FinishDataset] = []
        self.loras: list[TrainModel] = []
        self.models: list[TrainModel] = []
        self.lora: TrainedLora | None = None
        """The result of trainings; None: a path in the LoRA store."""

    @activity.defn(name="preprocess_dataset")
    async def preprocess_dataset(self, request: PreprocessDataset) -> PreparedDataset:
        self.datasets.append(request)
        await self.act(request)
        path = f"trainings/{request.training_id}/dataset.tar"
        failed = {request.source_images[at]: fault for at, fault in request.faults_at.items()}
        is_captioned = request.captioning.strategy in MODEL_STRATEGIES
        return PreparedDataset(
            started_at=STARTED_AT,
            completed_at=STARTED_AT + timedelta(minutes=1),
            executor_instance="fake-1",
            executor_type="fake",
            files=[_file(path)],
            dataset_path=path,
            processed_files_count=len(request.source_images),
            total_files_count=len(request.source_images),
            to_caption=[
                f"trainings/{request.training_id}/dataset/{index:04}.jpg"
                for index in range(len(request.source_images) if is_captioned else 0)
            ],
            warnings=list(failed.values()),
            log=[f"{url} is left out" for url in failed],
        )

    @activity.defn(name="finish_dataset")
    async def finish_dataset(self, request: FinishDataset) -> FinishedDataset:
        self.finished.append(request)
        return FinishedDataset(
            started_at=STARTED_AT,
            completed_at=STARTED_AT + timedelta(minutes=2),
            executor_instance="fake-1",
            executor_type="fake",
            files=[_file(f"trainings/{request.training_id}/dataset/manifest.json")],
        )

    @activity.defn(name="train_lora")
    async def train_lora(self, request: TrainModel) -> TrainedModel:
        self.loras.append(request)
        return await self._train(request)

    @activity.defn(name="train_model")
    async def train_model(self, request: TrainModel) -> TrainedModel:
        self.models.append(request)
        return await self._train(request)

    async def _train(self, request: TrainModel) -> TrainedModel:
        await self.act(request)
        return TrainedModel(
            started_at=STARTED_AT,
            executor_instance="fake-1",
            executor_type="fake",
            files=[_file(f"trainings/{request.training_id}/model.safetensors")],
            local_model_path=(
                None if self.lora else f"{request.folder}/{request.trigger_word}.safetensors"
            ),
            lora=self.lora,
            current_step=request.hyperparameters.steps,
            metrics=TrainingMetrics(loss=0.25, device="fake"),
            logs="".join(f"{line}\n" for line in [*request.log, "trained"]),
            warnings=["trained on nothing"],
        )


class FakeCaptioner(CaptionActivities):
    """A captioning model that a test controls: `reply` returns a caption, or fails by raising; with
    `hangs`, it does neither."""

    def __init__(self) -> None:
        self.requests: list[CaptionImage] = []
        self.reply: Callable[[CaptionImage], str] = lambda request: f"a picture, {request.picture}"
        self.hangs = False

    @activity.defn(name="caption_image")
    async def caption_image(self, request: CaptionImage) -> ImageCaption:
        self.requests.append(request)
        if self.hangs:
            await asyncio.Event().wait()
        return ImageCaption(caption=self.reply(request))


def _file(path: str) -> StoredFile:
    return StoredFile(key=path, size_bytes=1, content_type="application/octet-stream", sha256="0")
