"""The token bucket keeps its limits for every rate and every rhythm of requests."""

from hypothesis import given
from hypothesis import strategies as st

from api_gateway.auth.rate_limits import RateLimiter, address_name, spend

MINUTE_NS = 60 * 10**9
limits = st.integers(1, 1_000_000)
gaps = st.lists(st.integers(0, 2 * MINUTE_NS), min_size=1, max_size=60)
small_limits = st.integers(1, 40)


def run(per_minute: int, waits: list[int]) -> list[tuple[int, bool]]:
    """Return the times of requests with those gaps, and whether each was accepted."""
    bucket, now, taken = 0, 10**12, []
    for wait in waits:
        now += wait
        bucket, quota = spend(bucket, now, per_minute)
        taken.append((now, quota.wait_ns == 0))
    return taken


@given(small_limits)
def test_a_full_bucket_gives_exactly_its_content_at_once(per_minute: int) -> None:
    taken = run(per_minute, [0] * (per_minute + 5))
    assert [is_taken for _, is_taken in taken] == [True] * per_minute + [False] * 5


@given(small_limits, gaps)
def test_no_minute_has_more_than_a_bucket_and_its_refill(per_minute: int, waits: list[int]) -> None:
    moments = [now for now, is_taken in run(per_minute, waits) if is_taken]
    for start in moments:
        within = [moment for moment in moments if start <= moment < start + MINUTE_NS]
        assert len(within) <= 2 * per_minute


@given(limits, st.integers(1, 200))
def test_an_even_rhythm_within_the_limit_is_never_refused(per_minute: int, count: int) -> None:
    each = -(-MINUTE_NS // per_minute)
    assert all(is_taken for _, is_taken in run(per_minute, [each] * count))


@given(small_limits, gaps)
def test_who_waits_as_told_is_taken_and_not_a_moment_earlier(
    per_minute: int, waits: list[int]
) -> None:
    bucket, now = 0, 10**12
    for wait in waits:
        now += wait
        bucket, quota = spend(bucket, now, per_minute)
        if quota.wait_ns:
            assert spend(bucket, now + quota.wait_ns, per_minute)[1].wait_ns == 0
            assert spend(bucket, now + quota.wait_ns - 1, per_minute)[1].wait_ns > 0
            assert quota.retry_after_s * 10**9 >= quota.wait_ns


@given(small_limits, gaps)
def test_remaining_is_what_can_be_taken_at_once(per_minute: int, waits: list[int]) -> None:
    bucket, now, quota = 0, 10**12, None
    for wait in waits:
        now += wait
        bucket, quota = spend(bucket, now, per_minute)
    assert quota is not None
    for _ in range(quota.remaining):
        bucket, further = spend(bucket, now, per_minute)
        assert further.wait_ns == 0
    assert spend(bucket, now, per_minute)[1].wait_ns > 0


@given(small_limits, gaps)
def test_refused_requests_cost_nothing(per_minute: int, waits: list[int]) -> None:
    bucket, now = 0, 10**12
    for wait in waits:
        now += wait
        after, quota = spend(bucket, now, per_minute)
        assert quota.wait_ns == 0 or after == bucket
        assert quota.reset_ns <= MINUTE_NS
        bucket = after


class Clock:
    def __init__(self) -> None:
        self.now = 10**12

    def __call__(self) -> int:
        return self.now


def test_names_have_a_bucket_each() -> None:
    limiter = RateLimiter(clock_ns=Clock())
    assert limiter.spend("a", 1).wait_ns == 0
    assert limiter.spend("a", 1).wait_ns > 0
    assert limiter.spend("b", 1).wait_ns == 0


def test_looking_takes_nothing() -> None:
    limiter = RateLimiter(clock_ns=Clock())
    assert [limiter.peek("a", 1).wait_ns for _ in range(3)] == [0, 0, 0]
    limiter.spend("a", 1)
    assert limiter.peek("a", 1).wait_ns > 0


def test_memory_is_bounded_and_the_emptiest_buckets_are_kept() -> None:
    clock = Clock()
    limiter = RateLimiter(max_names=10, clock_ns=clock)
    for _ in range(5):
        limiter.spend("greedy", 5)
    for number in range(100):
        limiter.spend(f"stranger-{number}", 5)
        assert len(limiter) <= 10
    assert limiter.peek("greedy", 5).wait_ns > 0
    clock.now += 2 * MINUTE_NS
    limiter.spend("one", 5)
    for number in range(10):
        limiter.spend(f"later-{number}", 5)
    assert len(limiter) <= 11


def test_headers_are_the_drafts() -> None:
    quota = RateLimiter(clock_ns=Clock()).spend("a", 60)
    assert quota.headers == {
        "RateLimit-Policy": '"default";q=60;w=60',
        "RateLimit": '"default";r=59;t=1',
    }


def test_address_is_counted_by_what_one_client_has_to_itself() -> None:
    assert address_name("192.0.2.7") == "192.0.2.7"
    assert address_name("::ffff:192.0.2.7") == "192.0.2.7"
    assert address_name("2001:db8::1") == address_name("2001:db8::ffff:2") == "2001:db8::/64"
    assert address_name("2001:db8:0:1::1") != address_name("2001:db8::1")
    assert address_name("testclient") == "testclient"
