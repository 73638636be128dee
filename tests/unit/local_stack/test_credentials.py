import json
import re
import stat
from pathlib import Path

from pydantic import SecretStr

from local_stack.credentials import Credentials, credentials_path, load_credentials
from local_stack.settings import LocalSettings


def test_first_start_writes_a_file_that_only_its_owner_reads(tmp_path: Path) -> None:
    load_credentials(LocalSettings(state_dir=tmp_path))
    mode = credentials_path(tmp_path).stat().st_mode
    assert stat.S_IMODE(mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["credentials.json"]


def test_second_start_gets_the_same(tmp_path: Path) -> None:
    settings = LocalSettings(state_dir=tmp_path)
    assert load_credentials(settings) == load_credentials(settings)


def test_credential_that_came_with_a_later_release_is_added_once(tmp_path: Path) -> None:
    settings = LocalSettings(state_dir=tmp_path)
    first = load_credentials(settings)
    path = credentials_path(tmp_path)
    known = json.loads(path.read_text())
    del known["webhook_encryption_key"]
    path.write_text(json.dumps(known))
    second = load_credentials(settings)
    assert second.api_key == first.api_key
    assert load_credentials(settings) == second


def test_each_stack_gets_its_own(tmp_path: Path) -> None:
    first = load_credentials(LocalSettings(state_dir=tmp_path / "a")).model_dump_json()
    second = load_credentials(LocalSettings(state_dir=tmp_path / "b")).model_dump_json()
    assert not set(re.findall(r'":"(.*?)"', first)) & set(re.findall(r'":"(.*?)"', second))


def test_api_key_has_the_form_that_the_gateway_expects(tmp_path: Path) -> None:
    key = load_credentials(LocalSettings(state_dir=tmp_path)).api_key.get_secret_value()
    assert re.fullmatch(r"sk_sartiq_[A-Za-z0-9_-]{32,}", key)


def test_setting_wins_and_is_not_written_down(tmp_path: Path) -> None:
    settings = LocalSettings(state_dir=tmp_path, s3_access_key=SecretStr("mine"))
    assert load_credentials(settings).s3_access_key.get_secret_value() == "mine"
    assert "mine" not in credentials_path(tmp_path).read_text()


def test_secrets_do_not_show_in_a_repr() -> None:
    credentials = Credentials()
    assert credentials.api_key.get_secret_value() not in repr(credentials)
