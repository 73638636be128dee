"""The demo of all task types, with a contact sheet of inputs and outputs."""

import asyncio
import io
import json
from pathlib import Path

from PIL import Image
from rich.console import Console

from local_stack.api_client import ApiClient, Task
from local_stack.contact_sheet import SheetRow, draw_sheet
from local_stack.errors import StackError
from local_stack.frames import first_and_last
from local_stack.provider_examples import provider_examples
from local_stack.sandbox import NAME
from local_stack.settings import Providers
from local_stack.stack_plan import Endpoints
from local_stack.task_examples import TaskExample, data_url, generation, others, portrait_of
from shared.contracts.enums import AiProvider, TaskStatus
from shared.settings import ModelSettings

_POLL_S = 0.25
_SHEET = "tasks.png"
_EVALUATED_PX = 384
_ABOUT_SWATCH = (
    "the packaged model, swatch, was trained on small pictures of garments only and blurs"
    " photographs; set SARTIQ_MODEL_SOURCE to a larger FLUX model"
)


class EveryTask:
    """Demonstration of one task of every type.

    Args:
        endpoints: addresses of the stack.
        api_key: key of its API.
        console: prints the progress.
        providers: the stand-in for outside providers, whose tasks are shown as well; none: only
            those of our own workers.
    """

    def __init__(
        self,
        endpoints: Endpoints,
        api_key: str,
        console: Console,
        *,
        providers: Providers | None = None,
    ) -> None:
        self._endpoints = endpoints
        self._api_key = api_key
        self._console = console
        self._providers = providers

    async def run(self, out: Path, seed: int) -> None:
        """Post all tasks, save their pictures and the contact sheet.

        Raises:
            StackError: a task did not complete; the others have completed and are on the sheet.
        """
        rows: list[SheetRow] = []
        async with ApiClient(self._endpoints.gateway_url, self._api_key) as api:
            first = generation(seed)
            row = await self._do(api, first, out)
            (generated,) = [one for one in row.outputs if isinstance(one, Image.Image)]
            examples = others(generated, seed)
            rows_of = [self._do(api, example, out) for example in examples]
            if self._providers is Providers.SANDBOX:
                rows_of += [self._do(api, example, out) for example in provider_examples(seed)]
                rows_of += [self._evaluate(api, vendor) for vendor in AiProvider]
            ended = await asyncio.gather(*rows_of, return_exceptions=True)
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
        if task.result_text:
            outputs, result = [task.result_text], "a text"
        elif task.result_video_path:
            outputs = await self._video(api, task.result_video_path, out / f"{example.name}.mp4")
            result = "a video"
        else:
            outputs = await self._pictures(api, task, out / example.name)
            result = f"{len(outputs)} picture(s)"
        self._console.print(f"{example.label:<46}{task.status}, {result}")
        return SheetRow(example.label, example.inputs, outputs)

    async def _evaluate(self, api: ApiClient, vendor: AiProvider) -> SheetRow:
        label, picture = f"evaluation_{vendor} ({NAME})", portrait_of(_EVALUATED_PX)
        body = {
            "image_data": data_url(picture),
            "expected_framing": "upper_body",
            "expected_view_angle": "front",
            "include_descriptions": True,
        }
        found = await api.evaluate(vendor, json.dumps(body))
        if not found.success:
            raise StackError(f"{label} failed: {found.error}")
        self._console.print(f"{label:<46}COMPLETED, a text")
        return SheetRow(label, [picture], [found.text])

    async def _pictures(self, api: ApiClient, task: Task, stem: Path) -> list[Image.Image]:
        outputs: list[Image.Image] = []
        for index, path in enumerate(task.pictures):
            picture = Image.open(io.BytesIO(await api.picture(path)))
            await asyncio.to_thread(_save, picture, stem.with_name(f"{stem.name}_{index}.png"))
            outputs.append(picture)
        return outputs

    async def _video(self, api: ApiClient, path: str, file: Path) -> list[Image.Image]:
        content = await api.picture(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        await asyncio.to_thread(file.write_bytes, content)
        return await asyncio.to_thread(first_and_last, content)


def _save(picture: Image.Image, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    picture.save(file)
