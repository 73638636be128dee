"""Training activities that a test controls."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from temporalio import activity

from shared.contracts.attempts import StoredFile
from shared.contracts.datasets import (
    DatasetActivities,
    FinishDataset,
    FinishedDataset,
    PreparedDataset,
    PreprocessDataset,
)
from shared.contracts.training import (
    TrainedModel,
    TrainingActivities,
    TrainModel,
)

Act = Callable[[PreprocessDataset | TrainModel], Awaitable[None]]

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

    @activity.defn(name="preprocess_dataset")
    async def preprocess_dataset(self, request: PreprocessDataset) -> PreparedDataset:
        self.datasets.append(request)
        await self.act(request)
        path = f"trainings/{request.training_id}/dataset.tar"
        return PreparedDataset(
            started_at=STARTED_AT,
            completed_at=STARTED_AT + timedelta(minutes=1),
            executor_instance="fake-1",
            executor_type="fake",
            files=[_file(path)],
            dataset_path=path,
            processed_files_count=len(request.source_images),
            total_files_count=len(request.source_images),
        )

    @activity.defn(name="finish_dataset")
    async def finish_dataset(self, request: FinishDataset) -> FinishedDataset:
        self.finished.append(request)
        return FinishedDataset(
            started_at=STARTED_AT,
            completed_at=STARTED_AT + timedelta(minutes=2),
            executor_instance="fake-1",
            executor_type="fake",
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
            local_model_path=f"{request.folder}/{request.trigger_word}.safetensors",
            current_step=request.hyperparameters.steps,
        )


def _file(path: str) -> StoredFile:
    return StoredFile(key=path, size_bytes=1, content_type="application/octet-stream", sha256="0")
