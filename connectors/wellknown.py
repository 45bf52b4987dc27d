"""Names under which inference logs write the canonical fields, best first."""

from __future__ import annotations

import re

FIELD_NAMES: dict[str, tuple[str, ...]] = {
    "ts": (
        "ts", "timestamp", "time", "event_time", "event_timestamp", "request_time", "request_timestamp", "datetime",
        "date_time", "inference_time", "prediction_time", "occurrence_time", "occurred_at", "created_at", "logged_at",
        "logging_time", "start_time", "timestamp_ms", "timestamp_us", "timestamp_ns", "ts_ms", "ts_us", "ts_ns",
        "epoch_ms", "unix_time", "asctime", "date", "epoch",
    ),
    "request_id": (
        "request_id", "req_id", "requestid", "inference_id", "prediction_id", "event_id", "databricks_request_id",
        "trace_id", "correlation_id", "uuid", "id",
    ),
    "model": (
        "model", "model_name", "modelname", "model_id", "served_model", "served_entity_name", "deployed_model",
        "deployed_model_id", "inference_service", "endpoint_name",
    ),
    "version": (
        "version", "model_version", "model_ver", "deployment_version", "model_revision", "revision", "release", "build",
    ),
    "error_message": (
        "error_message", "error_msg", "err_msg", "exception_message", "exception_string", "error_detail",
        "error_details", "status_message",
    ),
    "prediction": (
        "prediction", "predicted", "pred", "y_pred", "predicted_label", "predicted_class", "prediction_label", "output",
        "decision",
    ),
    "confidence": (
        "confidence", "conf", "score", "proba", "probability", "prob", "y_pred_proba", "prediction_score",
        "prediction_proba", "predicted_proba", "max_proba", "model_score", "certainty",
    ),
    "label": ("label", "target", "ground_truth", "groundtruth", "y_true", "actual", "truth"),
    "label_ts": ("label_ts", "label_time", "label_timestamp", "labeled_at", "labelled_at", "ground_truth_time"),
    "weight": ("weight", "sample_weight", "sampling_weight"),
    "shadow": ("shadow", "is_shadow", "shadow_mode", "shadow_traffic", "mirrored"),
}  # fmt: skip

ERROR_TYPE_NAMES = (
    "error_type", "error_class", "error_kind", "exception_type", "error_code", "error", "err", "exception",
    "failure_reason", "status",
)  # fmt: skip
STATUS_NAMES = ("status_code", "http_status", "http_status_code", "response_code", "http_code", "status")
SAMPLING_NAMES = ("sampling_fraction", "sampling_rate", "sample_rate")

NOT_ERRORS = ("", "ok", "success", "succeeded", "none", "null", "nan", "false", "0", "200", "no_error", "completed")
"""Texts in an error column that mean "no error"."""

DIM_NAMES = frozenset(
    (
        "region", "zone", "az", "availability_zone", "dc", "datacenter", "tier", "plan", "device", "device_type",
        "platform", "os", "country", "client", "endpoint", "route", "host", "hostname", "pod", "node", "cluster",
        "namespace", "customer", "tenant", "segment", "canary", "env", "environment", "stage", "replica",
        "instance", "deployment", "variant", "experiment", "arm", "channel", "app", "app_version", "service", "gpu",
        "hardware", "locale", "language",
    )
)  # fmt: skip

SHADOW_WORDS = ("true", "t", "1", "yes", "y", "shadow", "mirror", "mirrored")
"""Texts in a shadow column that mean "nobody was served by this row"."""

_LATENCY = re.compile(
    r"(?:(?:request|inference|response|execution|prediction|model|total|end_to_end|e2e)_)?"
    r"(?:latency|duration|elapsed|elapsed_time|response_time|execution_time|inference_time|processing_time|took)"
    r"(?:_(?P<unit>ms|millis|milliseconds|msec|s|sec|secs|seconds|us|micros|microseconds|ns|nanos|nanoseconds))?"
)
_MS_PER_UNIT = {"s": 1e3, "u": 1e-3, "n": 1e-6, "m": 1.0}


def normal(name: str) -> str:
    """A column name as the tables above spell it: `eventMetadata.inferenceTime` is event_metadata_inference_time."""
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    return re.sub(r"[^a-z0-9]+", "_", snake).strip("_")


def latency_unit(name: str) -> tuple[float, bool] | None:
    """(milliseconds per unit, whether the name says so) for a latency column, None for any other name.

    `micros` and `millis` differ in their second letter: units are told apart by m(s|il|sec), u, mic, n, s.
    """
    found = _LATENCY.fullmatch(name)
    if not found:
        return None
    unit = found["unit"]
    return (1.0, False) if unit is None else (_ms_per(unit), True)


def _ms_per(unit: str) -> float:
    return _MS_PER_UNIT["u"] if unit.startswith("mic") else _MS_PER_UNIT[unit[0]]


_CALLEE = (
    r"feature_store|feast|features?_lookup|db|database|sql|postgres|mysql|mongo(?:db)?|redis|cache|memcached|dynamodb|"
    r"cassandra|bigtable|elasticsearch|opensearch|kafka|s3|upstream|downstream|backend|retrieval|retriever|"
    r"vector_(?:db|store|search)|embeddings?|reranker|auth|geoip|grpc|rpc|api"
)
_MEASURE = r"latency|duration|elapsed|time|wait|call|lookup|query|fetch|took"
_UNIT = r"ms|millis|milliseconds|msec|s|sec|secs|seconds|us|micros|microseconds|ns|nanos|nanoseconds"
_CALL = re.compile(rf"(?P<name>{_CALLEE})(?:_(?:{_MEASURE}))*_(?P<unit>{_UNIT})")
_TIMING = re.compile(
    rf"(?:timings?|latencies|durations|dependencies|upstreams)_(?P<name>.+?)(?:_(?:{_MEASURE}))*(?:_(?P<unit>{_UNIT}))?"
)


def call_duration(column: str) -> tuple[str, float] | None:
    """(dependency, milliseconds per unit) where a column is the time of a request's calls to another service.

    `feature_store_ms`, `db_query_seconds`, `timings.pricing` (milliseconds where the name has no unit).
    """
    found = _CALL.fullmatch(normal(column)) or _TIMING.fullmatch(normal(column))
    if not found:
        return None
    return found["name"], _ms_per(found["unit"] or "ms")


def feature_prefix(name: str) -> str | None:
    """The name without `features.`, `feature_` or `f_`; None when it has no such prefix."""
    found = re.match(r"(?:features?|inputs?)[._]|f_", name, re.IGNORECASE)
    return name[found.end() :] if found and found.end() < len(name) else None
