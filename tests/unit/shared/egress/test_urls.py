"""URLs of SSRF attacks are refused, and valid ones are accepted."""

from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.contracts.enums import ErrorCategory
from shared.egress.errors import ForbiddenUrlError
from shared.egress.guard import Exemptions, Guard
from shared.egress.urls import check_url
from shared.settings import EgressSettings

PASSING = [
    "http://example.com/a.png",
    "https://example.com",
    "HTTPS://EXAMPLE.COM/a.png",
    "https://example.com:443/a.png?b=c%2f..#d",
    "http://example.com:8080/a b.png",
    "https://bucket.s3.eu-west-1.amazonaws.com/k?X-Amz-Signature=abc%2B",
    "https://under_score.example.com/a",
    "https://xn--bcher-kva.example/a",
    "https://bücher.example/a",
    "http://8.8.8.8/a.png",
    "http://[2606:4700::1111]:8443/a",
    "https://localhost.example.com/",
    "https://1.example/",
]

FORBIDDEN = {
    "not public": [
        "http://127.0.0.1/",
        "http://127.0.0.1:8000/a.png",
        "http://0.0.0.0/",
        "http://10.0.0.1/",
        "http://172.16.0.1/",
        "http://192.168.0.1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://100.64.0.1/",
        "http://198.18.0.1/",
        "http://224.0.0.1/",
        "http://255.255.255.255/",
        "http://[::1]/",
        "http://[::]/",
        "http://[fc00::1]/",
        "http://[fe80::1]/",
        "http://[ff02::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:7f00:1]/",
        "http://[0:0:0:0:0:ffff:7f00:1]/",
        "http://[2002:7f00:1::]/",
        "http://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/",
        "http://[2a00:1450::5efe:7f00:1]/",
        "http://[64:ff9b::7f00:1]/",
        "http://[64:ff9b::169.254.169.254]/",
        "http://127。0。0。1/",
    ],
    "is a number": [
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0x7f.1/",
        "http://0X7F.0.0.1/",
        "http://017700000001/",
        "http://127.1/",
        "http://127.0.1/",
        "http://127.0.0.1./",
        "http://2130706433./",
        "http://1.2.3.4.5/",
        "http://134744072/",
    ],
    "ends with a dot": ["http://localhost./", "http://example.com./", "http://example.com../"],
    "percent-encoded": [
        "http://%6cocalhost/",
        "http://169.254.169%2e254/",
        "http://127.0.0.1%23.example.com/",
        "http://[fe80::1%25eth0]/",
        "http://example.com%00.evil.com/",
    ],
    "user information": [
        "http://a@b/",
        "http://user:secret@example.com/",
        "http://example.com@127.0.0.1/",
        "http://example.com\\@127.0.0.1/",
        "http://@example.com/",
    ],
    "backslash or a space": [
        "http://example.com\\.evil.com/",
        "http://exam ple.com/",
        "http://example.com\u3000/",
    ],
    "control characters": [
        "http://example.com/\r\nHost: x",
        "http://exa\tmple.com/",
        "http://example.com/\0",
        "\nhttp://example.com/",
    ],
    "this machine": [
        "http://localhost/",
        "http://LOCALHOST:8080/",
        "http://a.localhost/",
        "http://localhost.localdomain/",
        "http://ip6-localhost/",
    ],
    "scheme": [
        "ftp://example.com/",
        "gopher://127.0.0.1:6379/_x",
        "file:///etc/passwd",
        "ws://example.com/",
        "unix://example.com/a",
        "dict://example.com:11211/",
    ],
    "absolute": [
        "",
        "example.com/a.png",
        "//example.com/a.png",
        "/etc/passwd",
        "data:image/png;base64,aGk=",
        "javascript:alert(1)",
        "http:/example.com",
        "http:example.com",
        " http://example.com/",
        "jar:http://example.com!/",
    ],
    "port": [
        "http://example.com:22/",
        "http://example.com:25/",
        "http://example.com:0/",
        "http://example.com:1/",
        "https://example.com:465/",
        "https://example.com:993/",
        "http://example.com:1023/",
        "http://example.com:99999/",
    ],
    "host": ["http:///a", "http://?a", "http://:80/"],
    "malformed": [
        "http://0177.0.0.1/",
        "http://256.1.1.1/",
        "http://example.com:x/",
        "http://[::1/",
    ],
    "DNS name": [
        "http://!/",
        "http://" + "a" * 64 + ".com/",
        "http://a..com/",
        "http://" + "a." * 130 + "com/",
    ],
    "longer": ["http://example.com/" + "a" * 9000],
}


@pytest.mark.parametrize("url", PASSING)
def test_urls_of_public_hosts_pass(url: str) -> None:
    check_url(url)


@pytest.mark.parametrize(
    ("reason", "url"), [(why, url) for why, urls in FORBIDDEN.items() for url in urls]
)
def test_forbidden_urls_are_refused_with_their_reason(reason: str, url: str) -> None:
    with pytest.raises(ForbiddenUrlError, match=reason) as refused:
        check_url(url)
    assert refused.value.category == ErrorCategory.VALIDATION
    is_private = reason in {"not public", "this machine"}
    assert ("SARTIQ_EGRESS_ALLOWED_HOSTS" in str(refused.value)) == is_private


@given(st.integers(0, 2**32 - 1).map(IPv4Address))
def test_no_other_spelling_of_an_address_passes(address: IPv4Address) -> None:
    first, second, third, fourth = address.packed
    for host in (
        str(int(address)),
        hex(int(address)),
        f"0{int(address):o}",
        f"0{first:o}.0{second:o}.0{third:o}.0{fourth:o}",
        f"{first:#x}.{second}.{third}.{fourth}",
        f"{first}.{int.from_bytes(address.packed[1:])}",
        f"{first}.{second}.{int.from_bytes(address.packed[2:])}",
        f"{address}.",
    ):
        with pytest.raises(ForbiddenUrlError):
            check_url(f"http://{host}/")


@given(st.text(max_size=60), st.sampled_from(["", "http://", "https://", "http://["]))
def test_any_text_is_accepted_or_forbidden(text: str, start: str) -> None:
    try:
        check_url(start + text)
    except ForbiddenUrlError:
        return
    assert "@" not in text.partition("/")[0]


def test_exempt_hosts_and_networks_pass_and_nothing_else() -> None:
    guard = EgressSettings(allowed_hosts=("127.0.0.0/8", "::1", "Localhost", "images.internal"))
    for url in ("http://127.0.0.2:9000/", "http://[::1]:80/", "http://localhost:9000/"):
        check_url(url, guard.guard)
    for url in ("http://10.0.0.1/", "http://[::2]/", "http://a.localhost/", "http://127.0.0.1:22/"):
        with pytest.raises(ForbiddenUrlError):
            check_url(url, guard.guard)


def test_an_exemption_with_a_port_is_for_that_port_alone() -> None:
    hosts = ("127.0.0.1:8700", "[::1]:8700", "Images.internal:8700", "localhost:8700")
    guard = EgressSettings(allowed_hosts=hosts).guard
    for host in ("127.0.0.1", "[::1]", "localhost"):
        check_url(f"http://{host}:8700/", guard)
        for port in ("", ":8701", ":80"):
            with pytest.raises(ForbiddenUrlError, match=r"not public|this machine"):
                check_url(f"http://{host}{port}/", guard)
    with pytest.raises(ForbiddenUrlError):
        check_url("http://127.0.0.2:8700/", guard)


async def test_a_name_is_exempt_on_its_port_alone_when_it_is_resolved() -> None:
    async def resolve(_host: str, _port: int) -> list[str]:
        return ["10.0.0.7"]

    guard = Guard(Exemptions.parse(["images.internal:8700"]), resolve)
    assert await guard.find_addresses("Images.internal", 8700) == ["10.0.0.7"]
    with pytest.raises(ForbiddenUrlError):
        await guard.find_addresses("images.internal", 80)
    by_address = Guard(Exemptions.parse(["10.0.0.7:8700"]), resolve)
    assert await by_address.find_addresses("images.internal", 8700) == ["10.0.0.7"]
    with pytest.raises(ForbiddenUrlError):
        await by_address.find_addresses("images.internal", 8701)


def test_exemption_that_is_no_network_is_refused_at_start() -> None:
    with pytest.raises(ValidationError):
        EgressSettings(allowed_hosts=("10.0.0.0/99",))


def test_nothing_is_exempt_by_default() -> None:
    assert EgressSettings(allowed_hosts=()).guard.exemptions == Guard().exemptions == Exemptions()
