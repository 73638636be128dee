"""Reports on trainings that wait to be sent."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from shared.contracts.attempts import StoredFile
from shared.contracts.enums import TrainingStatus
from shared.contracts.progress import TrainingProgress
from shared.training_reports import TrainingReports

TRAINING, OTHER = UUID(int=7), UUID(int=8)


def progress(step: int = 0, *files: str, training_id: UUID = TRAINING, **fields: Any) -> Any:
    stored = [
        StoredFile(key=key, size_bytes=step, content_type="image/png", sha256="0") for key in files
    ]
    defaults: dict[str, Any] = {"stage": TrainingStatus.TRAINING, "current_step": step}
    return TrainingProgress(
        training_id=training_id, at=datetime.now(UTC), files=stored, **(defaults | fields)
    )


def steps(reports: list[TrainingProgress]) -> list[int]:
    return [report.current_step for report in reports]


def keys(reports: list[TrainingProgress]) -> list[str]:
    return [file.key for report in reports for file in report.files]


def test_newest_report_replaces_an_older_one() -> None:
    reports = TrainingReports()
    reports.add(progress(1), 0)
    reports.add(progress(2), 0)
    assert steps(reports.take(0)) == [2]
    assert reports.take(100) == []


def test_training_sends_one_report_a_second() -> None:
    reports = TrainingReports()
    assert reports.add(progress(1), 0) == 0
    assert steps(reports.take(0)) == [1]
    assert reports.add(progress(2), 0.25) == pytest.approx(0.75)
    assert reports.add(progress(3), 0.5) is None, "it takes the place of a waiting one"
    assert reports.take(0.9) == []
    assert steps(reports.take(1)) == [3]


def test_new_stage_is_sent_at_once() -> None:
    reports = TrainingReports()
    preparing = {"stage": TrainingStatus.PREPROCESSING}
    reports.add(progress(preprocessing_stage="downloading", **preparing), 0)
    reports.take(0)
    reports.add(progress(preprocessing_stage="downloading", **preparing), 0.1)
    assert reports.add(progress(preprocessing_stage="validating", **preparing), 0.2) == 0
    assert reports.take(0.2)[0].preprocessing_stage == "validating"
    assert reports.add(progress(), 0.3) == 0
    assert reports.take(0.3)[0].stage is TrainingStatus.TRAINING


def test_trainings_do_not_wait_for_each_other() -> None:
    reports = TrainingReports()
    reports.add(progress(1), 0)
    reports.take(0)
    reports.add(progress(2), 0.1)
    reports.add(progress(5, training_id=OTHER), 0.1)
    assert steps(reports.take(0.1)) == [5]


def test_files_of_replaced_reports_are_kept_each_once_with_its_newest_content() -> None:
    reports = TrainingReports()
    reports.add(progress(1, "a", "sheet"), 0)
    reports.add(progress(2, "b"), 0)
    reports.add(progress(3, "sheet"), 0)
    taken = reports.take(0)
    assert keys(taken) == ["a", "sheet", "b"]
    assert taken[0].files[1].size_bytes == 3


def test_undelivered_report_yields_to_a_newer_one_but_for_its_files() -> None:
    reports = TrainingReports()
    reports.add(progress(1, "a"), 0)
    lost = reports.take(0)
    reports.add(progress(2, "b"), 0.5)
    reports.give_back(lost)
    taken = reports.take(1)
    assert (steps(taken), keys(taken)) == ([2], ["a", "b"])


def test_undelivered_report_is_sent_again() -> None:
    reports = TrainingReports()
    reports.add(progress(1, "a"), 0)
    reports.give_back(reports.take(0))
    assert reports.take(0.5) == []
    assert steps(reports.take(1)) == [1]


def test_report_holds_a_thousand_files_and_the_next_one_the_rest() -> None:
    reports = TrainingReports()
    names = [str(number) for number in range(1500)]
    reports.add(progress(1, *names[:900]), 0)
    reports.add(progress(2, *names[900:]), 0)
    first, second = reports.take(0), reports.take(1)
    assert (len(keys(first)), keys(first) + keys(second)) == (1000, names)
    assert reports.take(2) == []
    TrainingProgress.model_validate(first[0].model_dump())


def test_batch_holds_a_thousand_trainings() -> None:
    reports = TrainingReports()
    for number in range(1001):
        reports.add(progress(training_id=UUID(int=number)), 0)
    assert [len(reports.take(0)), len(reports.take(0))] == [1000, 1]
