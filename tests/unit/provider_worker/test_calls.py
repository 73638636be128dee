from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from provider_worker.calls import Call, CallLog, shown_url
from shared.contracts.enums import ProviderType

_START = datetime(2026, 1, 1, tzinfo=UTC)


def _log(*polls: int | None) -> CallLog:
    """Log a submission, then one poll a second with these statuses."""
    log = CallLog(ProviderType.FAL_STANDARD, 2)
    log.add(Call("POST", "https://fal.test/a/b", status=200, at=_START))
    for second, status in enumerate(polls, start=1):
        at = _START + timedelta(seconds=second)
        log.add(Call("GET", "https://fal.test/a/b", "r-1", status, at), is_poll=True)
    return log


def test_successful_polls_are_shown_by_their_first_and_last() -> None:
    shown = _log(*[202] * 300, 200).requests
    assert [(r.method, r.status, (r.at - _START).seconds) for r in shown] == [
        ("POST", 200, 0),
        ("GET", 202, 1),
        ("GET", 200, 301),
    ]
    assert {r.attempt for r in shown} == {2}
    assert shown[-1].provider_request_id == "r-1"


def test_failed_polls_between_them_are_shown() -> None:
    shown = _log(202, 503, None, 202, 202).requests
    assert [r.status for r in shown] == [200, 202, 503, None, 202]


@given(st.lists(st.sampled_from([200, 202, 429, 503, None])))
def test_the_log_stays_short_and_in_order(polls: list[int | None]) -> None:
    shown = _log(*polls * 20).requests
    assert len(shown) <= 51
    assert [r.at for r in shown] == sorted(r.at for r in shown)


def test_shown_urls_have_no_secrets() -> None:
    url = "https://user:word@s3.test/a/b.png?X-Amz-Signature=abc#part"
    assert shown_url(url) == "https://s3.test/a/b.png"
    assert shown_url("http://a\x00b") == "(malformed)"
