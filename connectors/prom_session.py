"""prometheus-api-client where a thread serves: `doctor` and exports. Its session is repaired, the library is not.

The library sends parameters of a POST in the address, retries four times without saying so, waits for ever by default
and drops the server's warnings. All of it passes through the `requests.Session` that it is given.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from analysis.view import Window
from connectors.base import RejectedError, UnreachableError
from connectors.discretion import bare_url, without_proof
from connectors.http import Access, Answer
from connectors.prom_api import Reply, decode

if TYPE_CHECKING:
    import pandas as pd
    import requests

TIMEOUT_S = (3.0, 10.0)
FORM_PATHS = ("/api/v1/query", "/api/v1/query_range", "/api/v1/labels", "/api/v1/series")


def prom_session(access: Access | None = None) -> requests.Session:
    """A session that posts forms, tries once, gives up after 3 s to connect or 10 s to read, and keeps warnings.

    The returned session has `remarks`, a list of what the servers remarked. It raises `SourceError`s.
    """
    import requests

    class PromSession(requests.Session):
        def __init__(self) -> None:
            super().__init__()
            self.remarks: list[str] = []

        def request(self, method: str | bytes, url: str | bytes, *args: Any, **kwargs: Any) -> requests.Response:
            place = bare_url(str(url))
            if method == "POST" and place.endswith(FORM_PATHS):
                kwargs["data"], kwargs["params"] = kwargs.get("params"), None
            kwargs["timeout"] = kwargs.get("timeout") or TIMEOUT_S
            kwargs["allow_redirects"] = False
            proof = access or Access()
            kwargs["headers"] = {**proof.own_headers(), **(kwargs.get("headers") or {}), **proof.bearer()}
            try:
                response = super().request(method, url, *args, **kwargs)
            except requests.exceptions.SSLError as error:
                raise UnreachableError("TLS failed", place, "check ca, cert and the host name") from error
            except requests.exceptions.Timeout as error:
                raise UnreachableError("no answer in time", place) from error
            except requests.exceptions.ConnectionError as error:
                raise UnreachableError("no connection", place, "check port and tunnel") from error
            self.remarks += _checked(response, place).remarks
            return response

    session = PromSession()
    session.headers["Accept-Encoding"] = "identity"
    if access and access.auth:
        session.auth = access.auth
    if access and access.ca:
        session.verify = str(access.ca)
    if access and access.cert:
        session.cert = (str(access.cert[0]), str(access.cert[1]))
    return session


def _checked(response: requests.Response, place: str) -> Reply:
    content_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    location = bare_url(response.headers.get("location", ""))
    content = without_proof(response.content, response.request.headers)
    return decode(Answer(response.status_code, content_type, location, None, content), place, Any)


class PromClient:
    """Blocking calls for `doctor` and exports: run them in a thread.

    Args:
        url: address of the API, with its path prefix if there is one.
    """

    def __init__(self, url: str, access: Access | None = None) -> None:
        from prometheus_api_client import PrometheusConnect
        from urllib3.util.retry import Retry

        self._session: Any = prom_session(access)
        self._connect = PrometheusConnect(
            url=url.rstrip("/"), session=self._session, retry=Retry(total=0), timeout=TIMEOUT_S, method="POST"
        )

    @property
    def remarks(self) -> tuple[str, ...]:
        """Warnings of the servers so far, without repetition."""
        return tuple(dict.fromkeys(self._session.remarks))

    def export_frame(self, query: str, window: Window, step: int) -> pd.DataFrame:
        """One row per sample: index `timestamp` (UTC), a column per label, and `value`.

        An empty answer is an empty frame. Native histograms cannot be a column.

        Raises:
            RejectedError: the query answers native histograms.
            SourceError: the source did not answer, or refused.
        """
        from datetime import UTC, datetime

        import pandas as pd

        start, end = (datetime.fromtimestamp(moment, UTC) for moment in (window.start, window.end))
        result = self._connect.custom_query_range(query, start_time=start, end_time=end, step=str(step))
        if any("histograms" in series for series in result):
            hint = "use histogram_quantile, histogram_sum or histogram_count around it"
            raise RejectedError("native histograms cannot be exported", query[:300], hint)
        # Not the library's MetricRangeDataFrame: it fails on an empty answer, overwrites labels named value or
        # timestamp, drops the zone, and calls what pandas 4 removes.
        rows = [
            {**{f"label_{k}" if k in ("value", "timestamp") else k: v for k, v in series["metric"].items()}, "value": v}
            for series in result
            for v in (float(value) for _, value in series["values"])
        ]
        times = [float(at) for series in result for at, _ in series["values"]]
        index = pd.DatetimeIndex(pd.to_datetime(times, unit="s", utc=True), name="timestamp")
        return pd.DataFrame(rows, index=index, columns=None if rows else ["value"])

    def check(self) -> Mapping[str, str]:
        """What answers at the address: `version`, and `targets` as "up/all" where they are offered.

        Raises:
            SourceError: nothing that speaks the API answers.
        """
        self._connect.custom_query("vector(1)")
        found: dict[str, str] = {}
        base = self._connect.url
        for key, path in (("version", "status/buildinfo"), ("targets", "targets?state=active")):
            try:
                reply = self._session.get(f"{base}/api/v1/{path}").json()["data"]
            except (RejectedError, KeyError, TypeError):
                continue
            if key == "version":
                found[key] = str(reply.get("version", "unknown"))
            else:
                active = reply.get("activeTargets", [])
                found[key] = f"{sum(target.get('health') == 'up' for target in active)}/{len(active)}"
        return found

    def close(self) -> None:
        """Release the connections."""
        self._connect.close()
