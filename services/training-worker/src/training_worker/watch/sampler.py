"""Samples of a training: pictures of its prompts as training goes on. They never fail it."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from PIL import Image

from shared.cancellation import NEVER, CancelFlag, Cancelled
from shared.contracts.attempts import StoredFile
from shared.contracts.enums import OutputFormat
from shared.contracts.error_text import one_line
from shared.pixels.metadata import encode_output
from training_worker.failures import client_error
from training_worker.loop.cadence import is_sample_step
from training_worker.loop.callbacks import Callback, StepResult, Trainer
from training_worker.watch.alarms import Alarms
from training_worker.watch.eta import Pace, Pause
from training_worker.watch.files import FileList
from training_worker.watch.log import TrainingLog
from training_worker.watch.sample_maker import SampleMaker
from training_worker.watch.sheet import ContactSheet

_FAILED = "samples"
"""The subject of the alarm about samples that fail."""


@dataclass(frozen=True)
class SamplerOutlets:
    """The things that a sampler reports to.

    Attributes:
        files: of the training.
        log: of the training.
        alarms: of the training.
        pace: measures the time of samples.
    """

    files: FileList
    log: TrainingLog
    alarms: Alarms
    pace: Pace


class Sampler(Callback):
    """Samples at step 0, each `sample_every`, at the end.

    Prompt i has the run's seed + i at every step. Whatever fails is logged, once for each reason,
    and raised as an alarm; so do failures of the store.

    Args:
        outlets: files, log, alarms and pace.
        folder: prefix of the training's keys.
        side_px: width and height of samples.
        facts: added to the provenance in each file: the training's id.
        cancel: checked before each denoise step.
    """

    state_key = "samples"

    def __init__(
        self,
        outlets: SamplerOutlets,
        folder: str,
        *,
        side_px: int,
        facts: Mapping[str, str],
        cancel: CancelFlag = NEVER,
    ) -> None:
        self._outlets = outlets
        self._log = outlets.log
        self._folder = f"{folder}/samples"
        self._side_px = side_px
        self._facts = facts
        self._cancel = cancel
        self._stored: dict[int, dict[int, StoredFile]] = {}
        self._sheet: ContactSheet | None = None
        self._sheet_steps: list[int] = []
        self._made_by: SampleMaker | None = None
        self._tried_step: int | None = None
        self._reasons: set[str] = set()
        self.sheet_path: str | None = None
        """Key of the contact sheet; None before it is stored."""

    @property
    def paths(self) -> list[str]:
        """Keys of the samples that are kept, by step and prompt."""
        return [
            file.key for _, row in sorted(self._stored.items()) for _, file in sorted(row.items())
        ]

    def on_begin(self, trainer: Trainer) -> None:
        """Encode the prompts, and sample the base, or the resumed step if that was missed."""
        try:
            self._maker(trainer).prepare(trainer.config.sample_prompts)
        except Exception as error:  # noqa: BLE001 -- no fault of a sample may fail the training
            self._complain(trainer.step, error)
        self._sample_if_due(trainer)

    def on_step(self, trainer: Trainer, result: StepResult) -> None:
        self._sample_if_due(trainer)

    def on_end(self, trainer: Trainer) -> None:
        """Sample the result, unless the last step did."""
        self._sample_if_due(trainer)

    def state(self) -> dict[str, Any]:
        stored = {
            str(step): {str(number): file.model_dump(mode="json") for number, file in row.items()}
            for step, row in self._stored.items()
        }
        steps = self._sheet.steps if self._sheet else self._sheet_steps
        return {"stored": stored, "sheet_steps": steps, "sheet_path": self.sheet_path}

    def restore(self, state: dict[str, Any]) -> None:
        self._stored = {
            int(step): {int(number): StoredFile(**file) for number, file in row.items()}
            for step, row in state["stored"].items()
        }
        self._sheet_steps = list(state["sheet_steps"])
        self.sheet_path = state["sheet_path"]
        for row in self._stored.values():
            for file in row.values():
                self._outlets.files.add(file)

    def _sample_if_due(self, trainer: Trainer) -> None:
        step = trainer.step
        is_whole = len(self._stored.get(step, {})) == len(trainer.config.sample_prompts)
        if is_whole or step == self._tried_step or not is_sample_step(trainer.config, step):
            return
        self._tried_step = step
        try:
            with self._outlets.pace.measured(Pause.SAMPLE), trainer.averaged():
                self._sample(trainer)
        except Cancelled:
            pass  # the loop sees the flag too; a resumed run makes the samples that are missing
        except Exception as error:  # noqa: BLE001 -- no fault of a sample may fail the training
            self._complain(step, error)

    def _sample(self, trainer: Trainer) -> None:
        maker = self._maker(trainer)
        sheet = self._opened_sheet(trainer)
        pictures: dict[int, Image.Image] = {}
        for number, prompt in enumerate(trainer.config.sample_prompts):
            try:
                seed = trainer.config.values.seed + number
                pictures[number] = picture = maker.make(prompt, seed, self._cancel)
                self._store(trainer, number, picture, maker.record(seed, self._facts))
            except Cancelled:
                raise
            except Exception as error:  # noqa: BLE001 -- the other prompts may do
                self._complain(trainer.step, error)
        if not pictures:
            return
        sheet.add(trainer.step, pictures)
        key = f"{self._folder}/contact_sheet.jpg"
        self.sheet_path = self._outlets.files.put(key, sheet.encode(), "image/jpeg").key
        samples = "1 sample" if len(pictures) == 1 else f"{len(pictures)} samples"
        self._log.info(f"step {trainer.step}: {samples}")
        if len(pictures) == len(trainer.config.sample_prompts):
            self._outlets.alarms.clear(_FAILED)
        self._delete_oldest(trainer)

    def _maker(self, trainer: Trainer) -> SampleMaker:
        if self._made_by is None:
            self._made_by = SampleMaker(
                trainer.model, side_px=self._side_px, num_steps=trainer.config.values.sample_steps
            )
        return self._made_by

    def _store(
        self, trainer: Trainer, number: int, picture: Image.Image, record: Mapping[str, Any]
    ) -> None:
        step, form = trainer.step, OutputFormat.PNG
        content = encode_output(picture, form, {**record, "training_step": step})
        key = f"{self._folder}/{step}_{number}.png"
        file = self._outlets.files.put(key, content, form.content_type)
        self._stored.setdefault(step, {})[number] = file

    def _opened_sheet(self, trainer: Trainer) -> ContactSheet:
        """Return the sheet; after a resume, drawn again from the stored samples."""
        if self._sheet is None:
            self._sheet = ContactSheet(trainer.config.sample_prompts)
            for step in self._sheet_steps:
                row = self._stored.get(step, {})
                found = {number: self._picture(file.key) for number, file in row.items()}
                pictures = {number: picture for number, picture in found.items() if picture}
                self._sheet.add(step, pictures)
        return self._sheet

    def _picture(self, key: str) -> Image.Image | None:
        content = self._outlets.files.get(key)
        if content is None:
            return None
        with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
            return image.convert("RGB")

    def _delete_oldest(self, trainer: Trainer) -> None:
        """Delete the oldest samples over the limit: those of step 0 after all earlier ones."""
        excess = len(self.paths) - trainer.config.values.max_samples
        oldest = sorted(self._stored, key=lambda step: (step == trainer.step, step == 0, step))
        for step in oldest:
            for number in sorted(self._stored[step]):
                if excess <= 0:
                    return
                self._outlets.files.delete(self._stored[step][number].key)
                del self._stored[step][number]
                excess -= 1
            if not self._stored[step] and step != trainer.step:
                del self._stored[step]

    def _complain(self, step: int, error: Exception) -> None:
        told = client_error(error)
        reason = (
            one_line(told) if told is not error else f"{type(error).__name__}: {one_line(error)}"
        )
        self._outlets.alarms.set(_FAILED, f"samples fail: {reason}")
        if reason not in self._reasons:
            self._reasons.add(reason)
            self._log.warning(f"step {step}: no sample: {reason}; training goes on")
