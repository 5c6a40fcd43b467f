"""Which addresses may be fetched from, in every spelling that somebody might try."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from shared.egress import MAX_URL, NotPublicError, check, is_public

NOT_PUBLIC_V4 = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "168.63.129.16/32",
]


@st.composite
def not_public(draw: st.DrawFn) -> IPv4Address:
    network = ip_network(draw(st.sampled_from(NOT_PUBLIC_V4)))
    return IPv4Address(int(network.network_address) + draw(st.integers(0, network.num_addresses - 1)))


def _numbers(address: IPv4Address) -> list[tuple[int, ...]]:
    """The address in four, three, two and one number, as inet_aton(3) reads them."""
    a, b, c, d = address.packed
    return [(a, b, c, d), (a, b, c << 8 | d), (a, b << 16 | c << 8 | d), (int(address),)]


def spellings(address: IPv4Address) -> list[str]:
    written = []
    for numbers in _numbers(address):
        forms = ("{}", "0x{:x}", "0X{:X}", "0{:o}", "000{:o}", "0x000{:x}")
        written += [".".join(form.format(number) for number in numbers) for form in forms]
        written.append(".".join(("{}", "0x{:x}", "0{:o}", "{}")[i].format(n) for i, n in enumerate(numbers)))
    dotted = str(address)
    written.append(dotted.replace(".", "。"))
    written.append(dotted.translate({ord(str(n)): chr(0xFF10 + n) for n in range(10)}))
    written.append(dotted.translate({ord(str(n)): chr(0x1D7D8 + n) for n in range(10)}))
    written += [f"{each}." for each in written[:4]]
    hexadecimal = f"{int(address) >> 16:x}:{int(address) & 0xFFFF:x}"
    v6 = ["::", "::ffff:", "::ffff:0:", "64:ff9b::", "64:ff9b:1::"]
    written += [f"[{prefix}{tail}]" for prefix in v6 for tail in (dotted, hexadecimal)]
    written += [f"[0:0:0:0:0:ffff:{dotted}]", f"[2002:{hexadecimal}::1]", f"[2001:0:{hexadecimal}::1]"]
    written += [f"[2001:0:5ef5:79fd::{int(address) ^ 0xFFFF_FFFF:08x}"[:-4] + f":{int(address) & 0xFFFF ^ 0xFFFF:x}]"]
    return written


@given(not_public())
@example(IPv4Address("127.0.0.1"))
@example(IPv4Address("169.254.169.254"))
@example(IPv4Address("100.100.100.200"))
@example(IPv4Address("0.0.0.0"))
def test_every_spelling_of_an_address_that_is_not_public_is_refused(address: IPv4Address) -> None:
    for host in spellings(address):
        for url in (f"http://{host}/", f"https://{host}:8443/x?y"):
            with pytest.raises(NotPublicError):
                check(url)


@given(st.integers(0, 2**32 - 1).map(IPv4Address))
def test_what_python_calls_private_is_not_public(address: IPv4Address) -> None:
    if not address.is_global or address.is_multicast or address.is_reserved:
        assert not is_public(address)


@given(st.integers(0, 2**32 - 1).map(IPv4Address))
def test_a_public_address_is_read_in_its_one_spelling(address: IPv4Address) -> None:
    assume(is_public(address))
    assert check(f"http://{address}/").raw_host == str(address)
    with pytest.raises(NotPublicError):
        check(f"http://{int(address)}/")


@pytest.mark.parametrize(
    "address",
    ["::", "::1", "fe80::1", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1", "2002:808:808::1", "2001::1",
     "::ffff:8.8.8.8", "::8.8.8.8", "64:ff9b:1::808:808", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "100::1", "3fff::1",
     "fe80::1%eth0", "2606:4700::1%eth0"],
)  # fmt: skip
def test_ipv6_that_is_not_public(address: str) -> None:
    assert not is_public(IPv6Address(address))


@pytest.mark.parametrize("address", ["2606:4700:4700::1111", "2a00:1450:4001::1", "64:ff9b::808:808"])
def test_ipv6_that_is_public(address: str) -> None:
    assert is_public(ip_address(address))
    assert check(f"https://[{address}]/").raw_host == address


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com",
        "//example.com",
        "ftp://example.com/",
        "file:///etc/passwd",
        "gopher://example.com/",
        "javascript:alert(1)",
        "data:text/html,hello",
        "http://",
        "http:///path",
        "http://user@example.com/",
        "http://user:password@example.com/",
        "http://example.com@127.0.0.1/",
        "http://127.0.0.1#@example.com/",
        "http://127.0.0.1\\@example.com/",
        "http://example.com:22/",
        "http://example.com:0/",
        "http://example.com:6379/",
        "http://example.com:99999/",
        "http://localhost/",
        "http://LOCALHOST./",
        "http://printer/",
        "http://foo.localhost/",
        "http://nas.local/",
        "http://metadata.google.internal/",
        "http://router.lan/",
        "http://1.0.0.127.in-addr.arpa/",
        "http://ex%61mple.com/",
        "http://127.0.0.1%2eexample.com/",
        "http://exa mple.com/",
        "http://a..com/",
        "http://-a.com/",
        "http://[::1",
        "http://[fe80::1%25eth0]/",
        "http://\ud800.com/",
        "http://example.com\0.internal/",
        f"http://example.com/{'x' * MAX_URL}",
    ],
)
def test_what_is_no_page_of_the_public_internet_is_refused(url: str) -> None:
    with pytest.raises(NotPublicError):
        check(url)


@pytest.mark.parametrize(
    ("url", "read"),
    [
        ("https://example.com", "https://example.com/"),
        (" https://EXAMPLE.com./a?b=c#d ", "https://example.com/a?b=c"),
        ("http://example.com:8080/", "http://example.com:8080/"),
        ("https://bücher.example/", "https://xn--bcher-kva.example/"),
        ("https://a_b.example.com/", "https://a_b.example.com/"),
    ],
)
def test_what_is_read(url: str, read: str) -> None:
    found = check(url)
    assert f"{found.scheme}://{found.raw_authority}{found.raw_path_qs}" == read
