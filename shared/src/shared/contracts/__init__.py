"""Messages, enums, activity interfaces and the provider registry: pydantic and temporalio only."""
