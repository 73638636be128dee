"""The report of every benchmark: goal, value, verdict; exit 1 on a miss."""

from dataclasses import dataclass

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Goal:
    """One figure and its goal."""

    name: str
    value: float
    bound: float
    is_at_most: bool
    unit: str = "×"

    @property
    def is_met(self) -> bool:
        """True where the value is on the right side of the bound."""
        return self.value <= self.bound if self.is_at_most else self.value >= self.bound

    @property
    def stated(self) -> str:
        """The goal as text."""
        return f"{'at most' if self.is_at_most else 'at least'} {self.bound:g} {self.unit}"


def conclude(console: Console, goals: list[Goal]) -> int:
    """Print the verdicts and return the exit status of the benchmark."""
    table = Table("figure", "goal", "value", "verdict")
    for goal in goals:
        verdict = "met" if goal.is_met else "MISSED"
        table.add_row(goal.name, goal.stated, f"{goal.value:.2f} {goal.unit}", verdict)
    console.print(table)
    return 0 if all(goal.is_met for goal in goals) else 1
