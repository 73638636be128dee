"""The Temporal client; each process has one."""

from datetime import timedelta
from functools import cache

from temporalio.client import Client
from temporalio.runtime import PrometheusConfig, Runtime, TelemetryConfig
from temporalio.service import KeepAliveConfig

from shared.settings import FairnessSettings, MetricsSettings, TemporalSettings
from shared.temporal.codec import data_converter
from shared.temporal.tls import tls_config
from shared.temporal.weights import FairnessWeights

WORKER_HEARTBEAT_EVERY = timedelta(seconds=10)
"""Interval of the workers' heartbeats, which report their slots to the server."""

_KEEP_ALIVE = KeepAliveConfig(interval_millis=15_000, timeout_millis=5_000)
"""Detects a dead connection after 20 seconds instead of the SDK's 45. The server accepts pings at
intervals of at least 10 seconds."""

_WAITS = ("workflow_task_schedule_to_start_latency", "activity_schedule_to_start_latency")
_WAIT_BUCKETS_S = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)
"""Buckets of the schedule-to-start latencies; the SDK's default ones go from 10 to 100 seconds."""


async def connect(
    settings: TemporalSettings,
    *,
    identity: str,
    is_lazy: bool = False,
    fairness: FairnessSettings | None = None,
    metrics: MetricsSettings | None = None,
) -> Client:
    """Connect to the frontend.

    Args:
        settings: address, namespace, credentials and codec.
        identity: name of this process in histories and among pollers.
        is_lazy: connect at the first call, so that a gateway can start while Temporal is down.
        fairness: weights of the tenants whose runs this client starts; none: equal weights.
        metrics: address at which this process serves its metrics; none: no metrics.

    Raises:
        ValueError: a setting is invalid; the message names it.
    """
    weights = fairness.weights if fairness else {}
    return await Client.connect(
        settings.address,
        namespace=settings.namespace,
        identity=identity,
        data_converter=data_converter(settings),
        interceptors=[FairnessWeights(weights)] if weights else [],
        api_key=settings.api_key.get_secret_value() if settings.api_key else None,
        tls=tls_config(settings),
        keep_alive_config=_KEEP_ALIVE,
        lazy=is_lazy,
        runtime=_runtime(metrics.address if metrics else ""),
    )


@cache
def _runtime(metrics_address: str) -> Runtime:
    """Return the runtime of the process: the SDK's threads, metrics and worker heartbeats."""
    try:
        return Runtime(
            telemetry=_telemetry(metrics_address),
            worker_heartbeat_interval=WORKER_HEARTBEAT_EVERY,
        )
    except ValueError as error:
        raise ValueError(f"SARTIQ_METRICS_ADDRESS {metrics_address}: {error}") from error


def _telemetry(metrics_address: str) -> TelemetryConfig:
    if not metrics_address:
        return TelemetryConfig()
    return TelemetryConfig(
        metrics=PrometheusConfig(
            bind_address=metrics_address,
            durations_as_seconds=True,
            unit_suffix=True,
            counters_total_suffix=True,
            histogram_bucket_overrides=dict.fromkeys(_WAITS, _WAIT_BUCKETS_S),
        )
    )
