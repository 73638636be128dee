"""The loss curve of a training, as JSON and as a picture."""

import io
import json
import math
from collections import deque
from typing import Any

from PIL import Image

from shared.contracts.untrusted import clean_text
from shared.errors import StorageError
from training_worker.loop.cadence import is_sample_step
from training_worker.loop.callbacks import Callback, StepResult, Trainer
from training_worker.watch.curve_drawing import Line, draw_curve
from training_worker.watch.files import Files
from training_worker.watch.held_out import HeldOutLoss
from training_worker.watch.log import TrainingLog
from training_worker.watch.series import Series, smoothed

_NUM_RECENT = 50


class LossCurve(Callback):
    """The loss curve, stored as samples are made, and at the end.

    Args:
        files: of the training.
        folder: prefix of its keys.
        held_out: the losses at fixed noise.
        log: of the training.
    """

    state_key = "loss_curve"

    def __init__(self, files: Files, folder: str, held_out: HeldOutLoss, log: TrainingLog) -> None:
        self._files = files
        self._json_key, self._png_key = f"{folder}/loss_curve.json", f"{folder}/loss_curve.png"
        self._held_out = held_out
        self._log = log
        self._series = Series()
        self._recent: deque[float] = deque(maxlen=_NUM_RECENT)
        self.path: str | None = None
        """Key of the stored picture; None before it is stored."""

    @property
    def recent_loss(self) -> float | None:
        """Mean of the last 50 steps' losses; None before the first."""
        return sum(self._recent) / len(self._recent) if self._recent else None

    def on_step(self, trainer: Trainer, result: StepResult) -> None:
        self._series.add(result.step, result.loss)
        self._recent.append(result.loss)
        if (
            is_sample_step(trainer.config, result.step)
            and result.step < trainer.config.values.steps
        ):
            self._store(trainer)

    def on_end(self, trainer: Trainer) -> None:
        self._store(trainer)

    def state(self) -> dict[str, Any]:
        return {
            "series": self._series.state(),
            "recent": list(self._recent),
            "path": self.path,
        }

    def restore(self, state: dict[str, Any]) -> None:
        self._series.restore(state["series"])
        self._recent.extend(state["recent"])
        self.path = state["path"]

    def _store(self, trainer: Trainer) -> None:
        """Store both files; the next time will do where the store fails."""
        try:
            encoded = json.dumps(self._as_json(), allow_nan=False).encode()
            self._files.put(self._json_key, encoded, "application/json")
            buffer = io.BytesIO()
            self._drawn(trainer).save(buffer, "PNG")
            self.path = self._files.put(self._png_key, buffer.getvalue(), "image/png").key
        except StorageError as error:
            self._log.warning(f"the loss curve was not stored: {clean_text(str(error))}")

    def _as_json(self) -> dict[str, Any]:
        losses, checks = self._series.losses, self._held_out.checks
        return {
            "version": 1,
            "steps": self._series.steps,
            "loss": [_number(loss) for loss in losses],
            "smoothed": [_number(loss) for loss in smoothed(losses)],
            "fixed_noise": {
                "is_held_out": self._held_out.is_held_out,
                "steps": [check.step for check in checks],
                "loss": [_number(check.loss) for check in checks],
            },
            "best_step": self._held_out.best_step,
        }

    def _drawn(self, trainer: Trainer) -> Image.Image:
        steps, losses = self._series.steps, self._series.losses
        checks = [(check.step, check.loss) for check in self._held_out.checks]
        name = "held-out loss" if self._held_out.is_held_out else "loss at fixed noise"
        lines = [
            Line("step loss", "#c8d4e8", list(zip(steps, losses, strict=True)), width=1),
            Line("smoothed", "#2a5db0", list(zip(steps, smoothed(losses), strict=True))),
            Line(name, "#d2601a", checks, has_dots=True),
        ]
        return draw_curve(
            f"Loss after {trainer.step} of {trainer.config.values.steps} steps", lines
        )


def _number(value: float) -> float | None:
    return float(f"{value:.6g}") if math.isfinite(value) else None
