"""Progress of a workflow's steps: bars on a terminal, a line for each change elsewhere."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn


class ProgressView:
    """One bar for each step."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars: Progress | None = None
        if console.is_terminal:
            self._bars = Progress(
                TextColumn("{task.description:<12}"),
                BarColumn(),
                TextColumn("{task.percentage:>3.0f} %  {task.fields[status]:<10}"),
                TimeElapsedColumn(),
                console=console,
            )
        self._bar_ids: dict[str, TaskID] = {}
        self._lines: dict[str, str] = {}

    def __enter__(self) -> Self:
        if self._bars is not None:
            self._bars.start()
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bars is not None:
            self._bars.stop()

    def show(self, step_id: str, status: str, percent: float) -> None:
        """Show the status and progress of a step."""
        if self._bars is None:
            line = f"{step_id:<12}{percent:>4.0f} %  {status}"
            if self._lines.get(step_id) != line:
                self._lines[step_id] = line
                self._console.print(line, markup=False)
            return
        if step_id not in self._bar_ids:
            self._bar_ids[step_id] = self._bars.add_task(step_id, total=100, status=status)
        self._bars.update(self._bar_ids[step_id], completed=percent, status=status)
