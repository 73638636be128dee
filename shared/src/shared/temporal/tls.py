"""TLS configuration of the Temporal client, validated at start rather than at the first call."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import Certificate, load_pem_x509_certificates
from temporalio.service import TLSConfig

from shared.settings import TemporalSettings

_T = TypeVar("_T")

_IS_TLS = "SARTIQ_TEMPORAL_IS_TLS"
_SERVER_CA = "SARTIQ_TEMPORAL_TLS_SERVER_CA"
_CLIENT_CERT = "SARTIQ_TEMPORAL_TLS_CLIENT_CERT"
_CLIENT_KEY = "SARTIQ_TEMPORAL_TLS_CLIENT_KEY"


def tls_config(settings: TemporalSettings) -> TLSConfig | bool:
    """Return the client's TLS configuration, or whether to use TLS with its defaults.

    Raises:
        ValueError: a setting is invalid, or a file cannot be read; the message names the setting.
    """
    has_material = bool(
        settings.tls_server_ca
        or settings.tls_client_cert
        or settings.tls_client_key
        or settings.tls_domain
    )
    if settings.is_tls is False:
        if has_material:
            raise ValueError(
                f"{_IS_TLS} is false, but SARTIQ_TEMPORAL_TLS_ settings are set; remove one of them"
            )
        return False
    if not has_material:
        return bool(settings.is_tls or settings.api_key)
    cert, key = _client_pair(settings.tls_client_cert, settings.tls_client_key)
    return TLSConfig(
        server_root_ca_cert=_server_ca(settings.tls_server_ca),
        domain=settings.tls_domain or None,
        client_cert=cert,
        client_private_key=key,
    )


def _server_ca(path: Path | None) -> bytes | None:
    if path is None:
        return None
    pem = _read(_SERVER_CA, path)
    _parse(_SERVER_CA, path, _certificates, pem)
    return pem


def _client_pair(cert: Path | None, key: Path | None) -> tuple[bytes | None, bytes | None]:
    if cert is None and key is None:
        return None, None
    if cert is None or key is None:
        given, missing = (_CLIENT_CERT, _CLIENT_KEY) if cert else (_CLIENT_KEY, _CLIENT_CERT)
        raise ValueError(f"{given} needs {missing} as well")
    cert_pem, key_pem = _read(_CLIENT_CERT, cert), _read(_CLIENT_KEY, key)
    ours = _parse(_CLIENT_CERT, cert, _certificates, cert_pem)[0]
    private = _parse(_CLIENT_KEY, key, lambda pem: load_pem_private_key(pem, None), key_pem)
    if private.public_key() != ours.public_key():
        raise ValueError(f"{_CLIENT_KEY}: {key} is not the key of the certificate in {cert}")
    return cert_pem, key_pem


def _certificates(pem: bytes) -> list[Certificate]:
    return load_pem_x509_certificates(pem)


def _read(setting: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ValueError(f"{setting}: {path} cannot be read: {error.strerror}") from error


def _parse(setting: str, path: Path, load: Callable[[bytes], _T], pem: bytes) -> _T:
    try:
        return load(pem)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ValueError(
            f"{setting}: {path} does not have the expected content: {error}"
        ) from error
