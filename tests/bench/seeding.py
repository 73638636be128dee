"""A million tasks and their dependent rows, like three months of a few clients.

They are loaded without triggers and indexes, which are rebuilt afterwards, and the counters by the
function that also repairs them.
"""

import time

import asyncpg
from rich.console import Console

TASKS, WORKFLOWS = 1_000_000, 100_000
DAYS = 90
_SKIP_TRIGGERS = "SET session_replication_role = replica"

_CHOICES = """
CREATE TEMP TABLE kinds AS SELECT * FROM (VALUES
    (0.00, 'GENERATION', 'local', 'inference'),
    (0.35, 'GENERATION', 'fal_standard', 'provider-fal'),
    (0.45, 'GENERATION', 'vertex', 'provider-vertex'),
    (0.50, 'REFINE', 'sartiq_ultimate_refiner', 'inference'),
    (0.60, 'REFINE', 'freepik_magnific', 'provider-freepik'),
    (0.65, 'REFINE', 'fal_shootify_refiner', 'provider-fal'),
    (0.68, 'EDITING', 'vertex', 'provider-vertex'),
    (0.80, 'EDITING', 'fashn_standard', 'provider-fashn'),
    (0.84, 'BACKGROUND_REMOVE', 'local', 'inference-cpu'),
    (0.89, 'LLM_INTERACTION', 'ai_core', 'provider-llm'),
    (0.93, 'VIDEO_GENERATION', 'fal_standard', 'provider-fal'),
    (0.95, 'IMAGE_ADJUSTER', 'local', 'inference-cpu'),
    (0.97, 'DETAIL_ENHANCER', 'sartiq_ultimate_garment_fixer', 'inference'),
    (0.98, 'FACE_ENHANCER', 'sartiq_ultimate_face_fixer', 'inference'),
    (0.99, 'BACKGROUND_FIX', 'local', 'inference-cpu'),
    (0.995, 'EXPERIMENTAL_FAL', 'fal_standard', 'provider-fal')
) AS k(share, task_type, provider_type, queue_name);
CREATE TEMP TABLE inputs AS SELECT task_type, fields::jsonb FROM (VALUES
    ('GENERATION', '{"width": 1024, "height": 1024}'),
    ('EDITING', '{"width": 1024, "height": 1024, "base_image": "uploads/base.png"}'),
    ('REFINE', '{"upscale_factor": 2, "upscale_denoise": 0.3, "upscale_steps": 20,
        "upscale_seed": 1, "face_detail_denoise": 0.3, "face_detail_steps": 20,
        "face_detail_seed": 1, "base_image_url": "uploads/base.png"}'),
    ('BACKGROUND_REMOVE', '{"input_image_paths": ["uploads/a.png", "uploads/b.png"]}'),
    ('LLM_INTERACTION', '{}'),
    ('VIDEO_GENERATION', '{"duration_seconds": 5, "cfg_scale": 0.5}'),
    ('IMAGE_ADJUSTER', '{"input_image": "uploads/a.png", "mode": "auto"}'),
    ('DETAIL_ENHANCER',
        '{"base_image": "uploads/a.png", "reference_image": "uploads/b.png"}'),
    ('FACE_ENHANCER', '{"input_image": "uploads/a.png"}'),
    ('BACKGROUND_FIX', '{"base_image": "uploads/a.png",
        "palette_image": "uploads/b.png", "strategy": "lab_shift"}'),
    ('EXPERIMENTAL_FAL', '{}')
) AS f(task_type, fields);
"""

_DRAWN = """
    SELECT i, gen_random_uuid() AS id, random() AS r_kind, random() AS r_end,
        now() - interval '{days} days' * (1 - sqrt(i / {rows}.0)) AS created_at,
        (ARRAY['api-prod', 'api-prod', 'api-prod', 'api-eu', 'api-staging'])[1 + mod(i, 5)]
            AS origin_instance,
        CASE WHEN random() > 0.05 THEN 'tenant-' || tenant END AS origin_tenant_id,
        (ARRAY['eu-west', 'us-east', 'ap-south', NULL])[1 + mod(tenant, 4)] AS origin_zone,
        interval '1 second' * (1 + 20 * random()) AS waited,
        interval '1 second' * (2 + 60 * random() ^ 3) AS took
    FROM (SELECT i, floor(20 * random() ^ 2)::int AS tenant FROM generate_series(1, {rows}) AS i)
        AS tenants
"""

_WORKFLOWS = f"""
INSERT INTO workflows (id, name, status, config, suppress_subtask_events, temporal_id, total_steps,
    completed_steps, errors, last_seq, started_at, completed_at, origin_instance, origin_tenant_id,
    origin_zone, is_deleted, created_at, updated_at)
SELECT id, (ARRAY['Lookbook', 'Campaign', 'product shots', 'Try-on'])[1 + mod(i, 4)] || ' ' || i,
    CASE WHEN created_at > now() - interval '30 minutes'
         THEN (ARRAY['PENDING', 'RUNNING', 'PAUSED'])[1 + mod(i, 3)]
         WHEN r_end < 0.9 THEN 'COMPLETED' WHEN r_end < 0.97 THEN 'FAILED' ELSE 'CANCELLED' END,
    '{{}}', true, 'workflow-' || id, 1 + mod(i, 4), mod(i, 2), '[]', 5, created_at,
    CASE WHEN created_at <= now() - interval '30 minutes' THEN created_at + 3 * took END,
    origin_instance, origin_tenant_id, origin_zone,
    created_at < now() - interval '7 days' AND random() < 0.2, created_at, created_at
FROM ({_DRAWN.format(days=DAYS, rows=WORKFLOWS)}) AS drawn;
"""

_STEPS = """
INSERT INTO workflow_steps (id, workflow_id, position, step_id, task_type, config, dependencies,
    input_mappings, status, task_id, retry_count, max_retries, created_at, updated_at)
SELECT gen_random_uuid(), w.id, place, 'step-' || place, 'GENERATION', '{"prompt": "a red dress"}',
    '[]', '[]', 'COMPLETED', gen_random_uuid(), 0, 3, w.created_at, w.created_at
FROM workflows AS w, generate_series(0, w.total_steps - 1) AS place;
"""

_TASKS = f"""
INSERT INTO tasks (id, task_type, provider_type, queue_name, status, priority, max_retries, config,
    inputs, results, provider_config, progress, attempt, retry_count, errors, executor_instance,
    temporal_id,
    workflow_id, step_id, last_seq, started_at, completed_at, origin_instance, origin_tenant_id,
    origin_zone, is_deleted, created_at, updated_at)
SELECT id, task_type, provider_type, queue_name, status, 0, 3, '{{"num_inference_steps": 28}}',
    jsonb_build_object('prompt', 'a model in a red dress, studio light, number ' || i, 'seed', i)
        || inputs.fields,
    CASE WHEN status = 'COMPLETED' THEN jsonb_build_object(
        'result_image_path', 'generations/' || id || '/a1-0.png') ELSE '{{}}' END,
    CASE WHEN task_type = 'EXPERIMENTAL_FAL' THEN '{{"fal_app_id": "fal-ai/any"}}'::jsonb END,
    CASE WHEN status = 'COMPLETED' THEN 100 ELSE 0 END, 1, 0,
    CASE WHEN status = 'FAILED' THEN '["the provider answered 500"]'::jsonb ELSE '[]' END,
    'inference-worker@gpu-' || mod(i, 8) || ':1', 'task-' || id, workflow_id,
    CASE WHEN workflow_id IS NOT NULL THEN 'step-0' END, 3,
    CASE WHEN status <> 'PENDING' THEN created_at + waited END,
    CASE WHEN status NOT IN ('PENDING', 'EXECUTING') THEN created_at + waited + took END,
    origin_instance, origin_tenant_id, origin_zone,
    created_at < now() - interval '7 days' AND random() < 0.2, created_at, created_at
FROM (
    SELECT drawn.*, k.task_type, k.provider_type, k.queue_name, w.id AS workflow_id,
        CASE WHEN created_at > now() - interval '10 minutes' THEN 'PENDING'
             WHEN created_at > now() - interval '12 minutes' THEN 'EXECUTING'
             WHEN r_end < 0.92 THEN 'COMPLETED' WHEN r_end < 0.98 THEN 'FAILED'
             ELSE 'CANCELLED' END AS status
    FROM ({_DRAWN.format(days=DAYS, rows=TASKS)}) AS drawn
    LEFT JOIN (SELECT id, row_number() OVER (ORDER BY created_at) AS place FROM workflows) AS w
        ON mod(drawn.i, 4) = 0 AND w.place = 1 + mod(drawn.i / 4, {WORKFLOWS})
    CROSS JOIN LATERAL (
        SELECT * FROM kinds WHERE share <= drawn.r_kind ORDER BY share DESC LIMIT 1) AS k
) AS whole JOIN inputs USING (task_type) ORDER BY i;
"""

_EVENTS = """
INSERT INTO events (id, subject_id, subject_kind, seq, event_type, is_terminal, payload, created_at)
SELECT row_number() OVER (), id, 'task', 1, 'task_created', false, '{"status": "PENDING"}',
    created_at FROM tasks;
"""

_OBJECTS = """
INSERT INTO stored_objects (key, origin_instance, origin_tenant_id, task_id, size_bytes,
    content_type, sha256, created_at)
SELECT results ->> 'result_image_path', origin_instance, origin_tenant_id, id, 1000000, 'image/png',
    repeat('0', 64), completed_at FROM tasks WHERE status = 'COMPLETED' AND NOT is_deleted;
"""

_COUNTERS = (
    "task_counts",
    "task_counts_by_day",
    "task_sums_by_day",
    "workflow_counts",
    "workflow_counts_by_day",
)
BIG_TABLES = ("tasks", "workflows", "workflow_steps", "events", "stored_objects")


async def seed(connection: asyncpg.Connection, console: Console) -> None:
    """Fill the tables, build their indexes and counters, and analyze them."""
    start = time.perf_counter()
    indexes = await connection.fetch(
        """SELECT indexname, indexdef FROM pg_indexes
           WHERE tablename = ANY($1) AND indexname !~ '^(pk|uq)_'""",
        list(BIG_TABLES),
    )
    await connection.execute(_SKIP_TRIGGERS)
    await connection.execute("SET maintenance_work_mem = '512MB'; SET work_mem = '256MB'")
    for index in indexes:
        await connection.execute(f'DROP INDEX "{index["indexname"]}"')
    await connection.execute(_CHOICES)
    for statement in (_WORKFLOWS, _STEPS, _TASKS, _EVENTS, _OBJECTS):
        await connection.execute(statement)
    for index in indexes:
        await connection.execute(index["indexdef"])
    for table in ("task", "workflow"):
        await connection.execute(f"SELECT rebuild_{table}_counts()")
    # Autovacuum would do this in the minutes after such a load.
    for table in (*BIG_TABLES, *_COUNTERS):
        await connection.execute(f"VACUUM (ANALYZE) {table}")
    await connection.execute("RESET ALL")
    sizes = await connection.fetchrow(
        """SELECT (SELECT count(*) FROM tasks) AS tasks,
                  (SELECT count(*) FROM workflows) AS workflows,
                  (SELECT count(*) FROM task_counts_by_day) AS cells,
                  pg_size_pretty(pg_database_size(current_database())) AS size"""
    )
    console.print(
        f"seeded in {time.perf_counter() - start:.0f} s: {sizes['tasks']:,} tasks, "
        f"{sizes['workflows']:,} workflows, {sizes['cells']:,} counter cells, {sizes['size']}"
    )
