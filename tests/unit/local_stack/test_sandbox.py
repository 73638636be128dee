"""The sandbox as a part of the stack: who knows it, and who may call it."""

import json
from pathlib import Path

import pytest

from local_stack.credentials import Credentials
from local_stack.errors import StackError
from local_stack.ports import Ports, choose_ports
from local_stack.sandbox import NAME, wanted_services
from local_stack.services import PROVIDER_KEYS, PROVIDER_WORKER, SERVICES, Service
from local_stack.settings import LocalSettings, Providers
from local_stack.stack_plan import StackPlan
from provider_worker.llm.settings import LlmSettings
from provider_worker.registry import ROWS
from provider_worker.sandbox.settings import SandboxSettings
from shared.egress.errors import ForbiddenUrlError
from shared.egress.urls import check_url
from shared.settings import EgressSettings

PLAIN = ["gateway", "workflow-worker", "inference-worker", "training-worker"]


def planned(folder: Path, providers: Providers | None = Providers.SANDBOX) -> StackPlan:
    settings = LocalSettings(state_dir=folder, providers=providers)
    return StackPlan(settings, Credentials(), choose_ports(settings))


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*PROVIDER_KEYS, "SARTIQ_EGRESS_ALLOWED_HOSTS"):
        monkeypatch.delenv(name, raising=False)


def service(services: tuple[Service, ...], name: str) -> Service:
    (found,) = [each for each in services if each.name == name]
    return found


def test_without_it_the_stack_is_as_before(tmp_path: Path) -> None:
    plan = planned(tmp_path, None)
    assert [each.name for each in wanted_services(plan, SERVICES, {})] == PLAIN
    with_key = wanted_services(plan, SERVICES, {"SARTIQ_FAL_KEY": "key"})
    assert [each.name for each in with_key] == [*PLAIN, PROVIDER_WORKER]
    assert service(with_key, PROVIDER_WORKER).environment == {}
    assert plan.endpoints.sandbox_url is None


def test_every_adapter_calls_the_sandbox_alone_whatever_keys_are_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = planned(tmp_path)
    own = {
        "SARTIQ_FAL_KEY": "a real one",
        "SARTIQ_FAL_BASE_URL": "https://queue.fal.run",
        "SARTIQ_VERTEX_PROJECT": "a-real-one",
    }
    services = wanted_services(plan, SERVICES, own)
    assert [each.name for each in services] == [*PLAIN, PROVIDER_WORKER, NAME]
    for name, value in (own | dict(service(services, PROVIDER_WORKER).environment)).items():
        monkeypatch.setenv(name, value)
    for row in ROWS:
        settings = row.settings()
        is_llm = isinstance(settings, LlmSettings)
        vendors = ("openai", "anthropic", "gemini", "ollama")
        for access in [getattr(settings, name) for name in vendors] if is_llm else [settings]:
            assert str(access.base_url).rstrip("/") == plan.endpoints.sandbox_url
            assert access.key == plan.credentials.sandbox_key
            assert getattr(access, "project", "") == ""
    guard = EgressSettings().guard
    check_url(f"{plan.sandbox_url}/_media/1/0.png", guard)
    with pytest.raises(ForbiddenUrlError):
        check_url(f"http://{plan.endpoints.s3_endpoint}/sartiq/a.png", guard)


def test_the_sandbox_accepts_the_key_and_keeps_its_ledger_in_the_state_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = planned(tmp_path)
    for name, value in service(wanted_services(plan, SERVICES, {}), NAME).environment.items():
        monkeypatch.setenv(name, value)
    settings = SandboxSettings()
    assert settings.keys == [plan.credentials.sandbox_key.get_secret_value()]
    assert f"http://{settings.host}:{settings.port}" == plan.sandbox_url
    assert settings.ledger == tmp_path / "sandbox" / "ledger.jsonl"


def test_other_services_neither_know_the_key_nor_may_call_it(tmp_path: Path) -> None:
    services = wanted_services(planned(tmp_path), SERVICES, {})
    assert {name: dict(service(services, name).environment) for name in PLAIN} == {
        "gateway": {"SARTIQ_TRAINING_CAN_CAPTION": "true"},
        "workflow-worker": {},
        "inference-worker": {"SARTIQ_INFERENCE_REMOTE_SIZE": "1K"},
        "training-worker": {},
    }


def test_gateway_permits_captions_where_a_vendor_of_language_models_has_a_key(
    tmp_path: Path,
) -> None:
    plan, name = planned(tmp_path, None), "SARTIQ_TRAINING_CAN_CAPTION"
    for key in ("SARTIQ_GEMINI_KEY", "SARTIQ_OLLAMA_BASE_URL"):
        gateway = service(wanted_services(plan, SERVICES, {key: "x"}), "gateway")
        assert gateway.environment == {name: "true"}
    for own in ({"SARTIQ_FAL_KEY": "x"}, {"SARTIQ_GEMINI_KEY": "x", name: "false"}):
        assert service(wanted_services(plan, SERVICES, own), "gateway").environment == {}


def test_hosts_that_are_allowed_stay_allowed(tmp_path: Path) -> None:
    plan = planned(tmp_path)
    allowed = {"SARTIQ_EGRESS_ALLOWED_HOSTS": '["images.internal"]'}
    worker = service(wanted_services(plan, SERVICES, allowed), PROVIDER_WORKER)
    hosts = json.loads(worker.environment["SARTIQ_EGRESS_ALLOWED_HOSTS"])
    assert hosts == ["images.internal", f"127.0.0.1:{plan.ports.sandbox}"]


def test_a_list_of_hosts_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for value in ("images.internal", '"images.internal"'):
        allowed = {"SARTIQ_EGRESS_ALLOWED_HOSTS": value}
        with pytest.raises(StackError, match="SARTIQ_EGRESS_ALLOWED_HOSTS is not a JSON list"):
            wanted_services(planned(tmp_path), SERVICES, allowed)


def test_paces_that_are_set_win(tmp_path: Path) -> None:
    chosen = {"SARTIQ_MAGNIFIC_POLL_INTERVAL_S": "5", "SARTIQ_INFERENCE_REMOTE_SIZE": "4K"}
    services = wanted_services(planned(tmp_path), SERVICES, chosen)
    assert service(services, "inference-worker").environment["SARTIQ_INFERENCE_REMOTE_SIZE"] == "4K"
    worker = service(services, PROVIDER_WORKER)
    assert worker.environment["SARTIQ_MAGNIFIC_POLL_INTERVAL_S"] == "5"
    assert float(worker.environment["SARTIQ_FAL_POLL_INTERVAL_S"]) < 0.5


def test_a_stack_without_a_provider_worker_gets_no_sandbox(tmp_path: Path) -> None:
    services = (Service("gateway", "api_gateway"),)
    assert wanted_services(planned(tmp_path), services, {}) == services


def test_ports_of_an_older_release_are_kept(tmp_path: Path) -> None:
    settings = LocalSettings(state_dir=tmp_path)
    before = choose_ports(settings)
    (tmp_path / "ports.json").write_text(before.model_dump_json(exclude={"sandbox"}))
    after = choose_ports(settings)
    assert after.sandbox
    assert after.model_dump(exclude={"sandbox"}) == before.model_dump(exclude={"sandbox"})
    assert isinstance(after, Ports)
