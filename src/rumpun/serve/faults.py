"""Errors as OpenAI shapes them: a status and `{"error": {"message", "type", "param", "code"}}`."""

from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.responses import Response

from rumpun.errors import EnvironmentFault, InputError, RumpunError, UsageError

__all__ = ["Fault", "as_fault", "bad", "error_body", "error_response"]

_TYPES = {401: "authentication_error", 403: "permission_error", 408: "timeout_error", 429: "rate_limit_error"}


class Fault(Exception):  # noqa: N818 - it is an answer, not a failure of ours
    """What a client is told when its request cannot be served."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.code = code
        self.headers = dict(headers or {})

    @property
    def type(self) -> str:
        """OpenAI's word for this kind of error."""
        return _TYPES.get(self.status, "invalid_request_error" if self.status < 500 else "server_error")


def bad(message: str, param: str | None = None, code: str | None = None) -> Fault:
    """A request that must be changed before it can be served: 400."""
    return Fault(400, message, param=param, code=code)


def as_fault(error: BaseException) -> Fault | None:
    """The answer to an error that people may meet; None for one that is a bug of ours."""
    if isinstance(error, Fault):
        return error
    if not isinstance(error, RumpunError):
        return None
    message = f"{error.message}; {error.hint}" if error.hint else error.message
    if isinstance(error, UsageError | InputError):
        return bad(message)
    status = 502 if isinstance(error, EnvironmentFault) else 503
    return Fault(status, message, code="engine_unavailable")


def error_body(fault: Fault) -> dict[str, Any]:
    """The JSON body of a fault."""
    return {"error": {"message": fault.message, "type": fault.type, "param": fault.param, "code": fault.code}}


def error_response(fault: Fault) -> Response:
    """A fault as a response."""
    return Response(
        msgspec.json.encode(error_body(fault)),
        status_code=fault.status,
        media_type="application/json",
        headers=fault.headers,
    )
