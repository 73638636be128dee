"""The demo of all task types, with a contact sheet of inputs and outputs."""

import asyncio
import io
import json
from pathlib import Path

from PIL import Image
from rich.console import Console

from local_stack.api_client import ApiClient
from local_stack.contact_sheet import SheetRow, draw_sheet
from local_stack.errors import StackError
from local_stack.stack_plan import Endpoints
from local_stack.task_examples import TaskExample, generation, others
from shared.contracts.enums import TaskStatus
from shared.settings import ModelSettings

_POLL_S = 0.25
_SHEET = "tasks.png"
_ABOUT_SWATCH = (
    "the packaged model, swatch, was trained on small pictures of garments only and blurs"
    " photographs; set SARTIQ_MODEL_SOURCE to a larger FLUX model"
)


class EveryTask:
    """Demonstration of one task of every type."""

    def __init__(self, endpoints: Endpoints, api_key: str, console: Console) -> None:
        self._endpoints = endpoints
        self._api_key = api_key
        self._console = console

    async def run(self, out: Path, seed: int) -> None:
        """Post all tasks, save their pictures and the contact sheet.

        Raises:
            StackError: a task did not complete; the others have completed and are on the sheet.
        """
        rows: list[SheetRow] = []
        async with ApiClient(self._endpoints.gateway_url, self._api_key) as api:
            first = generation(seed)
            row = await self._do(api, first, out)
            ended = await asyncio.gather(
                *(self._do(api, example, out) for example in others(row.outputs[0], seed)),
                return_exceptions=True,
            )
        rows = [row, *(one for one in ended if isinstance(one, SheetRow))]
        await asyncio.to_thread(_save, draw_sheet(rows), out / _SHEET)
        self._console.print(f"all of them   {out / _SHEET}")
        if not ModelSettings().source:
            self._console.print(_ABOUT_SWATCH)
        failures = [one for one in ended if isinstance(one, BaseException)]
        for failure in failures:
            if not isinstance(failure, StackError):
                raise failure
        if failures:
            raise StackError("\n".join(map(str, failures)))

    async def _do(self, api: ApiClient, example: TaskExample, out: Path) -> SheetRow:
        task = await api.create_task(json.dumps(example.body))
        while not task.is_over:
            await asyncio.sleep(_POLL_S)
            task = await api.whole_task(task.id)
        if task.status is not TaskStatus.COMPLETED:
            raise StackError(f"{example.name} ended {task.status}: {'; '.join(task.errors or [])}")
        outputs: list[Image.Image] = []
        for index, path in enumerate(task.pictures):
            picture = Image.open(io.BytesIO(await api.picture(path)))
            await asyncio.to_thread(_save, picture, out / f"{example.name}_{index}.png")
            outputs.append(picture)
        self._console.print(f"{example.name:<34}{task.status}, {len(outputs)} picture(s)")
        return SheetRow(example.name, example.inputs, outputs)


def _save(picture: Image.Image, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    picture.save(file)
