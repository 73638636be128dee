"""The demo of a training: drawn garments become a LoRA, and the LoRA makes pictures."""

import asyncio
import io
import json
from pathlib import Path

from PIL import Image
from rich.console import Console

from local_stack.api_client import ApiClient, Training
from local_stack.contact_sheet import SheetRow, draw_sheet
from local_stack.drawn_garments import draw_dresses
from local_stack.errors import StackError
from local_stack.progress_view import ProgressView
from local_stack.stack_plan import Endpoints
from local_stack.task_examples import data_url
from shared.contracts.enums import TaskStatus, TrainingStatus
from shared.settings import ModelSettings

_POLL_S = 0.25
_TRIGGER = "zqx"
_NUM_PICTURES = 12
_WEIGHTS = (0.0, 0.5, 1.0)
_NUM_SEEDS = 4
_SHEET = "training.png"


class TrainingDemo:
    """Demonstration of a training: twelve pictures, a LoRA, and what it changes."""

    def __init__(self, endpoints: Endpoints, api_key: str, console: Console) -> None:
        self._endpoints = endpoints
        self._api_key = api_key
        self._console = console

    async def run(self, out: Path, seed: int) -> None:
        """Train a LoRA, generate pictures at several weights, and save a contact sheet.

        Raises:
            StackError: the training or a generation did not complete.
        """
        garments = draw_dresses(_NUM_PICTURES)
        async with ApiClient(self._endpoints.gateway_url, self._api_key) as api:
            training = await self._watch(api, await api.create_training(_request(garments)))
            path = training.local_model_path
            if training.status is not TrainingStatus.COMPLETED or path is None:
                raise StackError(
                    f"training {training.id} ended {training.status}: {training.error_message}"
                )
            self._console.print(f"LoRA          {path}")
            rows = await asyncio.gather(
                *(_row(api, garments, path, weight, seed) for weight in _WEIGHTS)
            )
        sheet = out / _SHEET
        await asyncio.to_thread(_save, draw_sheet(rows), sheet)
        self._console.print(f"its pictures  {sheet}")
        self._console.print(f"this run      {self._endpoints.training_url(training.id)}")

    async def _watch(self, api: ApiClient, training: Training) -> Training:
        with ProgressView(self._console) as view:
            while True:
                view.show("training", _state(training), training.percent)
                if training.is_over:
                    return training
                await asyncio.sleep(_POLL_S)
                training = await api.training(training.id)


def _request(garments: list[Image.Image]) -> str:
    """Return the request of a short training, for the packaged small model."""
    return json.dumps(
        {
            "training_type": "LORA",
            "entity_type": "PRODUCT",
            "trigger_word": _TRIGGER,
            "source_images": [data_url(garment) for garment in garments],
            "steps": 200,
            "learning_rate": 0.003,
            "sample_prompts": ["[trigger]", "a red dress"],
            "origin_instance": "local-demo",
        }
    )


async def _row(
    api: ApiClient, garments: list[Image.Image], path: str, weight: float, seed: int
) -> SheetRow:
    """Generate pictures of the trigger word at one weight."""
    bodies = [_generation(path, weight, seed + number) for number in range(_NUM_SEEDS)]
    pictures = await asyncio.gather(*(_generate(api, body) for body in bodies))
    return SheetRow(f"weight {weight:g}", garments[:_NUM_SEEDS], pictures)


def _generation(path: str, weight: float, seed: int) -> str:
    side_px = ModelSettings().native_side_px
    return json.dumps(
        {
            "task_type": "GENERATION",
            "prompt": _TRIGGER,
            "width": side_px,
            "height": side_px,
            "seed": seed,
            "product_model_path": path,
            "product_lora_weight": weight,
            "origin_instance": "local-demo",
        }
    )


async def _generate(api: ApiClient, body: str) -> Image.Image:
    task = await api.create_task(body)
    while not task.is_over:
        await asyncio.sleep(_POLL_S)
        task = await api.whole_task(task.id)
    if task.status is not TaskStatus.COMPLETED:
        raise StackError(f"task {task.id} ended {task.status}: {'; '.join(task.errors or [])}")
    return Image.open(io.BytesIO(await api.picture(task.pictures[0])))


def _state(training: Training) -> str:
    if training.status is TrainingStatus.PREPROCESSING:
        return f"dataset: {training.preprocessing_stage or 'begun'}"
    if training.status is TrainingStatus.TRAINING:
        return f"step {training.current_step} of {training.total_steps}"
    return training.status


def _save(picture: Image.Image, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    picture.save(file)
