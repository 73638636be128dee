"""A worker is versioned by environment variables, either ours or those of the controller."""

import pytest
from pydantic import ValidationError
from temporalio.common import WorkerDeploymentVersion

from shared.temporal.worker import WorkerSettings, worker_options

VERSION = WorkerDeploymentVersion(deployment_name="workflows", build_id="1.2")


def test_worker_is_not_versioned_by_default() -> None:
    assert WorkerSettings().version is None
    assert worker_options(WorkerSettings())["deployment_config"] is None


@pytest.mark.parametrize(
    ("deployment", "build"),
    [
        ("SARTIQ_WORKER_DEPLOYMENT_NAME", "SARTIQ_WORKER_BUILD_ID"),
        ("TEMPORAL_DEPLOYMENT_NAME", "TEMPORAL_WORKER_BUILD_ID"),
    ],
)
def test_version_is_read_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, deployment: str, build: str
) -> None:
    monkeypatch.setenv(deployment, "workflows")
    monkeypatch.setenv(build, "1.2")
    config = worker_options(WorkerSettings())["deployment_config"]
    assert config is not None
    assert (config.version, config.use_worker_versioning) == (VERSION, True)


def test_own_variables_take_precedence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_DEPLOYMENT_NAME", "theirs")
    monkeypatch.setenv("TEMPORAL_WORKER_BUILD_ID", "1.2")
    monkeypatch.setenv("SARTIQ_WORKER_DEPLOYMENT_NAME", "workflows")
    assert WorkerSettings().version == VERSION


@pytest.mark.parametrize("name", ["SARTIQ_WORKER_DEPLOYMENT_NAME", "SARTIQ_WORKER_BUILD_ID"])
def test_incomplete_version_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "x")
    with pytest.raises(ValidationError, match="SARTIQ_WORKER_BUILD_ID, or neither"):
        WorkerSettings()


def test_name_that_temporal_would_refuse_is_refused_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SARTIQ_WORKER_DEPLOYMENT_NAME", "a.b")
    monkeypatch.setenv("SARTIQ_WORKER_BUILD_ID", "1")
    with pytest.raises(ValidationError, match="SARTIQ_WORKER_DEPLOYMENT_NAME"):
        WorkerSettings()
