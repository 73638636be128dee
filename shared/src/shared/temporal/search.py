"""Search attributes: set once when a run starts, to be filtered by in the Web UI."""

from temporalio.common import SearchAttributeKey

KIND = SearchAttributeKey.for_keyword("Kind")
TASK_TYPE = SearchAttributeKey.for_keyword("TaskType")
PROVIDER = SearchAttributeKey.for_keyword("Provider")
ORIGIN_INSTANCE = SearchAttributeKey.for_keyword("OriginInstance")
TENANT_ID = SearchAttributeKey.for_keyword("TenantId")
