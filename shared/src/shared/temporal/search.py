"""Search attributes of runs, set at start, to filter by in Temporal's Web UI."""

from temporalio.common import SearchAttributeKey

KIND = SearchAttributeKey.for_keyword("Kind")
TASK_TYPE = SearchAttributeKey.for_keyword("TaskType")
PROVIDER = SearchAttributeKey.for_keyword("Provider")
ORIGIN_INSTANCE = SearchAttributeKey.for_keyword("OriginInstance")
TENANT_ID = SearchAttributeKey.for_keyword("TenantId")
