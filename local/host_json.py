"""What of host.json the embedded host keeps to; the names and defaults are the Functions host's own."""

# No annotations from the future: pydantic would compile each from its text, at every start.
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError
from pydantic.alias_generators import to_camel

from shared.messages import SettingError


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True, defer_build=True)


class ServiceBusOptions(_Section):
    """`extensions.serviceBus`. An option that is not named here is refused rather than ignored."""

    model_config = ConfigDict(
        frozen=True, alias_generator=to_camel, populate_by_name=True, extra="forbid", defer_build=True
    )

    prefetch_count: Literal[0] = 0
    auto_complete_messages: Literal[True] = True
    max_auto_lock_renewal_duration: timedelta = timedelta(minutes=5)
    max_concurrent_calls: PositiveInt = 16
    max_concurrent_sessions: PositiveInt = 8
    session_idle_timeout: timedelta = timedelta(minutes=1)


class HttpOptions(_Section):
    """`extensions.http`."""

    route_prefix: str = "api"


class DurableTaskOptions(_Section):
    """`extensions.durableTask`. The storage provider is the deployment's; the defaults are those of one core."""

    model_config = ConfigDict(
        frozen=True, alias_generator=to_camel, populate_by_name=True, extra="forbid", defer_build=True
    )

    hub_name: str = Field(default="TestHubName", pattern="^[A-Za-z][A-Za-z0-9]{2,44}$")
    max_concurrent_activity_functions: PositiveInt = 10
    max_concurrent_orchestrator_functions: PositiveInt = 10
    storage_provider: dict[str, Any] = {}


class Extensions(_Section):
    """`extensions`."""

    http: HttpOptions = HttpOptions()
    service_bus: ServiceBusOptions = ServiceBusOptions()
    durable_task: DurableTaskOptions = DurableTaskOptions()


class HostJson(_Section):
    """host.json. Its other sections, such as the extension bundle, are for Azure."""

    version: Literal["2.0"]
    function_timeout: timedelta = timedelta(minutes=30)
    extensions: Extensions = Extensions()


def read(path: Path) -> HostJson:
    """Read the file. Raises SettingError: one line that names the option and what is wrong."""
    try:
        return HostJson.model_validate_json(path.read_bytes())
    except OSError as error:
        raise SettingError(f"{path.name} cannot be read: {error.strerror}") from None
    except ValidationError as error:
        first: Any = error.errors(include_input=False, include_url=False)[0]
        option = ".".join(str(part) for part in first["loc"]) or "the file"
        raise SettingError(f"{path.name}: {option} is not what the local host implements: {first['msg']}") from None
