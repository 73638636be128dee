"""Incomplete or unreadable TLS settings stop the process at start, with the setting's name."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from temporalio.service import TLSConfig

from shared.settings import TemporalSettings
from shared.temporal.tls import tls_config
from tests.fixtures.certificates import Authority


def config(**fields: Any) -> TLSConfig | bool:
    return tls_config(TemporalSettings(**fields))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, False),
        ({"is_tls": True}, True),
        ({"api_key": SecretStr("k")}, True),
        ({"api_key": SecretStr("k"), "is_tls": False}, False),
        ({"tls_domain": "temporal.internal"}, TLSConfig(domain="temporal.internal")),
    ],
)
def test_tls_is_on_if_a_setting_needs_it(fields: dict[str, Any], expected: object) -> None:
    assert config(**fields) == expected


def test_files_are_passed_on_unchanged(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    us = authority.sign("us")
    assert config(
        tls_server_ca=authority.cert, tls_client_cert=us.cert, tls_client_key=us.key
    ) == TLSConfig(
        server_root_ca_cert=authority.cert.read_bytes(),
        client_cert=us.cert.read_bytes(),
        client_private_key=us.key.read_bytes(),
    )


Wrong = Callable[[Path], dict[str, Any]]


def missing(folder: Path) -> dict[str, Any]:
    return {"tls_server_ca": folder / "nowhere.pem"}


def no_pem(folder: Path) -> dict[str, Any]:
    file = folder / "ca.pem"
    file.write_text("not a certificate")
    return {"tls_server_ca": file}


def key_alone(folder: Path) -> dict[str, Any]:
    return {"tls_client_key": Authority(folder).sign("us").key}


def cert_alone(folder: Path) -> dict[str, Any]:
    return {"tls_client_cert": Authority(folder).sign("us").cert}


def swapped(folder: Path) -> dict[str, Any]:
    us = Authority(folder).sign("us")
    return {"tls_client_cert": us.cert, "tls_client_key": us.cert}


def strangers_key(folder: Path) -> dict[str, Any]:
    authority = Authority(folder)
    return {
        "tls_client_cert": authority.sign("us").cert,
        "tls_client_key": authority.sign("others").key,
    }


def switched_off(folder: Path) -> dict[str, Any]:
    return {"is_tls": False, "tls_server_ca": Authority(folder).cert}


@pytest.mark.parametrize(
    ("wrong", "setting", "reason"),
    [
        (missing, "TLS_SERVER_CA", "cannot be read: No such file"),
        (no_pem, "TLS_SERVER_CA", "does not have the expected content"),
        (key_alone, "TLS_CLIENT_KEY", "needs SARTIQ_TEMPORAL_TLS_CLIENT_CERT"),
        (cert_alone, "TLS_CLIENT_CERT", "needs SARTIQ_TEMPORAL_TLS_CLIENT_KEY"),
        (swapped, "TLS_CLIENT_KEY", "does not have the expected content"),
        (strangers_key, "TLS_CLIENT_KEY", "is not the key of the certificate"),
        (switched_off, "IS_TLS", "is false"),
    ],
)
def test_wrong_setting_is_named(tmp_path: Path, wrong: Wrong, setting: str, reason: str) -> None:
    with pytest.raises(ValueError, match=f"^SARTIQ_TEMPORAL_{setting}.* {reason}"):
        config(**wrong(tmp_path))
