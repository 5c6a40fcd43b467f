"""The host's side of the protocol by which Azure Functions talks to its Python worker, enough to index and invoke.

The worker is Microsoft's own library, the one that Azure loads on Python 3.13. It asks for the protocol's message
classes by name; they are made from the published .proto files.
"""

from __future__ import annotations

import json
import tempfile
import uuid
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

Json = dict[str, Any]


class WorkerFailure(AssertionError):
    """The worker answered with a failure; the message is its own, with its stack trace."""


def protocol(specs: Path) -> ModuleType:
    """A module with every message class of FunctionRpc.proto."""
    import grpc_tools
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
    from grpc_tools import protoc

    source = specs / "functions-rpc"
    bundled = Path(grpc_tools.__file__).parent / "_proto"
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "rpc.bin"
        arguments = [f"-I{source}", f"-I{bundled}", "--include_imports", f"--descriptor_set_out={target}"]
        if protoc.main(["protoc", *arguments, str(source / "FunctionRpc.proto")]):
            raise RuntimeError(f"{source} could not be compiled")
        files = descriptor_pb2.FileDescriptorSet.FromString(target.read_bytes()).file

    pool = descriptor_pool.DescriptorPool()
    module = ModuleType("protos")
    for file in files:
        pool.AddSerializedFile(file.SerializeToString())
        for name, descriptor in pool.FindFileByName(file.name).message_types_by_name.items():
            if not file.package.startswith("google."):
                setattr(module, name, message_factory.GetMessageClass(descriptor))
    return module


class AzureWorker:
    """One worker with one function app."""

    def __init__(self, *, specs: Path, app: Path) -> None:
        import azure_functions_runtime as worker

        self._worker = worker
        self._protos = protocol(specs)
        self._app = str(app)
        self._ids: dict[str, str] = {}

    async def index(self) -> dict[str, Json]:
        """Initialise the worker; return what it reports of each function: its script, its retry policy, its bindings."""
        protos = self._protos
        init = protos.WorkerInitRequest(host_version="4.1044.0", function_app_directory=self._app)
        self._checked(await self._worker.worker_init_request(self._request(worker_init_request=init)))
        wanted = protos.FunctionsMetadataRequest(function_app_directory=self._app)
        answer = self._checked(
            await self._worker.functions_metadata_request(self._request(functions_metadata_request=wanted))
        )
        for function in answer.function_metadata_results:
            self._ids[function.name] = function.function_id
            load = protos.FunctionLoadRequest(function_id=function.function_id, metadata=function)
            self._checked(await self._worker.function_load_request(self._request(function_load_request=load)))
        return {
            function.name: {
                "script": function.script_file,
                "retries": function.HasField("retry_options"),
                "bindings": [json.loads(binding) for binding in function.raw_bindings],
            }
            for function in answer.function_metadata_results
        }

    async def http(
        self,
        function: str,
        *,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Json:
        """Invoke an HTTP function; return its response as status, headers and body."""
        protos = self._protos
        content = protos.TypedData(bytes=body)
        request = protos.RpcHttp(
            method=method, url=url, headers=headers or {}, params=params or {}, body=content, rawBody=content
        )
        answer = await self._invoke(function, "req", protos.TypedData(http=request))
        http = answer.return_value.http
        kind = http.body.WhichOneof("data")
        text = getattr(http.body, kind) if kind else ""
        return {
            "status": int(http.status_code),
            "headers": {name.lower(): value for name, value in http.headers.items()},
            "body": text.decode() if isinstance(text, bytes) else text,
        }

    async def message(self, function: str, body: bytes, *, client: str = "", **metadata: Any) -> None:
        """Invoke a Service Bus function; the metadata's names are the extension's (MessageId, SessionId…).

        `client` is what the Durable extension hands to a function that takes a client.
        """
        protos = self._protos
        known = {
            name: protos.TypedData(string=value) if isinstance(value, str) else protos.TypedData(json=json.dumps(value))
            for name, value in {"UserProperties": {}, **metadata}.items()
        }
        more = {"client": protos.TypedData(string=client)} if client else {}
        await self._invoke(function, "message", protos.TypedData(string=body.decode()), known, more)

    async def orchestration(self, function: str, history: Json) -> Json:
        """Let an orchestrator run over a history; return what it says."""
        data = self._protos.TypedData(string=json.dumps(history))
        return json.loads(_text((await self._invoke(function, "context", data)).return_value))

    async def activity(self, function: str, argument: str, value: object) -> object:
        """Invoke an activity with its input; return its output."""
        answer = await self._invoke(function, argument, self._protos.TypedData(json=json.dumps(value)))
        return json.loads(_text(answer.return_value))

    async def timer(self, function: str) -> None:
        """Invoke a timer function."""
        body = {"Schedule": {"AdjustForDST": True}, "ScheduleStatus": None, "IsPastDue": False}
        await self._invoke(function, "timer", self._protos.TypedData(json=json.dumps(body)))

    async def _invoke(
        self,
        function: str,
        argument: str,
        data: object,
        metadata: Mapping[str, object] | None = None,
        more: Mapping[str, object] | None = None,
    ) -> Any:
        protos = self._protos
        inputs = {argument: data, **(more or {})}
        invocation = protos.InvocationRequest(
            invocation_id=str(uuid.uuid4()),
            function_id=self._ids[function],
            input_data=[protos.ParameterBinding(name=name, data=each) for name, each in inputs.items()],
            trigger_metadata=metadata or {},
        )
        return self._checked(await self._worker.invocation_request(self._request(invocation_request=invocation)))

    def _request(self, **content: object) -> SimpleNamespace:
        message = self._protos.StreamingMessage(request_id=str(uuid.uuid4()), **content)
        return SimpleNamespace(request=message, properties={"host": "127.0.0.1", "protos": self._protos})

    def _checked(self, answer: Any) -> Any:
        if answer.result.status != self._protos.StatusResult.Success:
            exception = answer.result.exception
            raise WorkerFailure(f"{exception.message}\n{exception.stack_trace}")
        return answer


def _text(data: Any) -> str:
    """A returned value as text, whichever kind the worker chose."""
    return str(getattr(data, data.WhichOneof("data")))
