"""Images from outside: what counts as one, and which addresses may be fetched."""

import base64
import io
import os
import struct
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from omni_router.errors import BadImage, InvalidRequest
from omni_router.images import FORMATS, MAX_BYTES, MAX_PIXELS, fetch, load_image
from omni_router.images.fetch import MAX_REDIRECTS
from omni_router.messages import user_message

PUBLIC = "93.184.216.34"
URL = "https://images.example/flower.png"
Answer = Callable[[httpx.Request], httpx.Response]


def encoded(name: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.effect_noise((40, 30), 80).convert("RGB").save(file, format=name)
    return file.getvalue()


PNG = encoded()


def declared(width: int, height: int) -> bytes:
    """Write a small PNG that claims to be a large one."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


def data_url(data: bytes, mime_type: str = "image/png") -> str:
    return f"data:{mime_type};base64,{base64.b64encode(data).decode()}"


class Net:
    """A web that exists nowhere: names, what answers, and every request that arrived."""

    def __init__(self, answer: Answer | None = None, **names: Iterable[str]) -> None:
        self.answer = answer or (lambda _: httpx.Response(200, content=PNG))
        self.names, self.seen, self.looked_up = names, list[httpx.Request](), list[str]()

    def resolve(self, host: str) -> Iterable[str]:
        self.looked_up.append(host)
        return self.names.get(host.replace(".", "_"), [PUBLIC])

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request)
        return self.answer(request)

    def load(self, url: str = URL) -> bytes:
        return load_image(url, resolve=self.resolve, transport=httpx.MockTransport(self._answer))


def redirect(location: str, status: int = 302) -> httpx.Response:
    return httpx.Response(status, headers={"location": location})


def image_url_of(message: Any) -> str:
    (block,) = [block for block in message.content if block["type"] == "image_url"]
    return str(block["image_url"]["url"])


# ---- messages and local files


@pytest.mark.parametrize(("name", "mime_type"), FORMATS.items())
def test_a_local_image_becomes_a_data_url_of_its_real_type(tmp_path: Path, name: str, mime_type: str) -> None:
    path = tmp_path / "image.dat"  # the name says nothing
    path.write_bytes(encoded(name))
    url = image_url_of(user_message("What is this?", image=path))
    assert url == data_url(path.read_bytes(), mime_type)
    assert load_image(url) == path.read_bytes()
    assert image_url_of(user_message("What is this?", image=str(path))) == url


def test_text_alone_is_a_plain_message_and_an_image_alone_has_no_text_block(tmp_path: Path) -> None:
    assert user_message("Hello").content == "Hello"
    path = tmp_path / "image.png"
    path.write_bytes(PNG)
    assert [block["type"] for block in user_message(" ", image=path).content if isinstance(block, dict)] == [
        "image_url"
    ]


@pytest.mark.parametrize("text", ["", " \n\t"])
def test_a_message_without_text_and_image_is_not_a_request(text: str) -> None:
    with pytest.raises(InvalidRequest, match="empty"):
        user_message(text)


@pytest.mark.parametrize("url", ["https://example.org/a.png", "http://10.0.0.1/a.png"])
def test_an_address_goes_on_as_it_is(url: str) -> None:
    assert image_url_of(user_message("What is this?", image=url)) == url


def test_a_data_url_goes_on_as_it_is_once_it_is_checked() -> None:
    url = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
    assert image_url_of(user_message("What is this?", image=url)) == url


@pytest.mark.parametrize(
    "url",
    ["data:image/png;base64,AAAA", "data:text/plain,hi", "https://", "http:///a", "http://exa mple.com/a"],
)
def test_what_cannot_be_an_images_address_is_refused(url: str) -> None:
    with pytest.raises(BadImage):
        user_message("What is this?", image=url)


def test_the_scheme_of_an_address_may_be_in_capitals() -> None:
    assert image_url_of(user_message("What?", image="HTTPS://example.org/a.png")) == "HTTPS://example.org/a.png"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("notes.txt", b"not an image"),
        ("page.png", b"<!DOCTYPE html><html></html>"),
        ("empty.png", b""),
        ("half.png", PNG[: len(PNG) // 2]),
        ("start.png", PNG[:20]),
        ("drawing.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
        ("old.bmp", encoded("BMP")),
        ("paper.tiff", encoded("TIFF")),
    ],
)
def test_a_file_that_is_not_a_usable_image_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(BadImage, match="not a readable image") as exc_info:
        user_message("What is this?", image=path)
    assert str(path) in str(exc_info.value)
    assert isinstance(exc_info.value, InvalidRequest)


@pytest.mark.parametrize("name", ["missing.png", "no/such/folder.png", "x" * 300, "a\0b"])
def test_a_file_that_is_not_there_is_named(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadImage, match="cannot be read") as exc_info:
        user_message("What is this?", image=name)
    assert name.replace("\0", "\\x00") in str(exc_info.value)


@pytest.mark.parametrize("address", ["ftp://example.org/a.png", "file:///etc/passwd", "s3://bucket/a.png"])
def test_an_address_that_is_not_read_is_named_in_a_message(address: str) -> None:
    with pytest.raises(BadImage, match="http") as exc_info:
        user_message("What is this?", image=address)
    assert address in str(exc_info.value)


@pytest.mark.parametrize("name", ["flower.png", "{folder}/flower.png", "file://{folder}/flower.png", "", "  "])
def test_over_a_network_no_local_file_is_read(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "flower.png").write_bytes(PNG)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadImage, match=r"use an http\(s\) address or a data URL"):
        user_message("What is this?", image=name.format(folder=tmp_path), local_files=False)


@pytest.mark.parametrize("url", ["https://example.org/a.png", data_url(PNG)])
def test_over_a_network_addresses_and_data_urls_are_taken(url: str) -> None:
    assert image_url_of(user_message("What is this?", image=url, local_files=False)) == url


def test_a_folder_is_not_an_image(tmp_path: Path) -> None:
    with pytest.raises(BadImage, match="not a file") as exc_info:
        user_message("What is this?", image=tmp_path)
    assert str(tmp_path) in str(exc_info.value)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="POSIX pipes")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(BadImage, match="not a file"):
        user_message("What is this?", image=tmp_path / "pipe.png")


def test_a_file_over_the_byte_limit_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.png"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(BadImage, match=f"{MAX_BYTES + 1} bytes") as exc_info:
        user_message("What is this?", image=path)
    assert str(path) in str(exc_info.value)


@pytest.mark.parametrize(("width", "height"), [(10_000, 5_001), (20_000, 20_000), (2**31 - 1, 2**31 - 1)])
def test_more_pixels_than_allowed_are_refused_whatever_the_file_size(tmp_path: Path, width: int, height: int) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(declared(width, height))
    assert path.stat().st_size < 200
    with pytest.raises(BadImage, match="pixels") as exc_info:
        user_message("What is this?", image=path)
    assert str(path) in str(exc_info.value)
    assert str(MAX_PIXELS) in str(exc_info.value)


def test_as_many_pixels_as_allowed_are_taken() -> None:
    assert load_image(data_url(declared(10_000, 5_000)))


# ---- data URLs


def test_a_good_data_url_gives_its_bytes() -> None:
    assert load_image(data_url(PNG)) == PNG
    assert load_image(data_url(PNG, "image/jpeg")) == PNG  # what it is counts, not what it says
    assert load_image(data_url(PNG).replace("data:", "DATA:")) == PNG


@pytest.mark.parametrize(
    "url",
    [
        "data:",
        "data:image/png;base64",
        "data:image/png;base64,",
        "data:image/png,plain",
        "data:image/png;base64,%%%",
        "data:image/png;base64,AAA",
        "data:image/png;base64,ÄÖÜ=",
        data_url(b"not an image"),
        data_url(PNG[:50]),
    ],
)
def test_a_bad_data_url_is_a_bad_image(url: str) -> None:
    with pytest.raises(BadImage):
        load_image(url)


def test_a_data_url_over_the_byte_limit_is_refused() -> None:
    with pytest.raises(BadImage, match=f"at most {MAX_BYTES}"):
        load_image(data_url(PNG + bytes(MAX_BYTES)))


# ---- what may be fetched


@pytest.mark.parametrize(
    "address",
    [
        *("10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1"),  # private
        *("127.0.0.1", "127.1.2.3", "::1"),  # loopback
        *("169.254.169.254", "fe80::1", "fe80::1%eth0"),  # link-local, where clouds keep their secrets
        *("224.0.0.1", "239.255.255.250", "ff02::1", "255.255.255.255"),  # multicast, broadcast
        *("0.0.0.0", "0.1.2.3", "::"),  # noqa: S104 (unspecified; nothing is bound to it)
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254"),  # IPv4-mapped
        *("64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::7f00:1"),  # NAT64
        *("2002:7f00:1::", "2002:c0a8:101::1", "::127.0.0.1", "2001::1"),  # 6to4, IPv4-compatible, Teredo
        *("fc00::1", "fd12:3456::1", "fec0::1", "240.0.0.1", "192.0.2.1", "198.18.0.1", "2001:db8::1"),
    ],
)
def test_an_address_that_is_not_public_is_never_connected_to(address: str) -> None:
    net = Net(images_example=[address])
    with pytest.raises(BadImage, match=r"images\.example is not a public address"):
        net.load()
    assert net.seen == []


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700:4700::1111", "64:ff9b::1.1.1.1", "::ffff:1.1.1.1"])
def test_a_public_address_is_connected_to(address: str) -> None:
    assert Net(images_example=[address]).load() == PNG


def test_one_private_address_among_public_ones_is_enough_to_refuse() -> None:
    net = Net(images_example=[PUBLIC, "10.0.0.1"])
    with pytest.raises(BadImage, match="public"):
        net.load()
    assert net.seen == []


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "2130706433", "0x7f.1", "127.1", "[::ffff:7f00:1]"]
)
@pytest.mark.enable_socket  # for the look-up of names that need no name server; nothing is connected to
def test_with_the_real_look_up_every_spelling_of_this_machine_is_refused(host: str) -> None:
    with pytest.raises(BadImage):
        load_image(f"http://{host}:9/a.png", transport=httpx.MockTransport(lambda _: httpx.Response(200, content=PNG)))


@pytest.mark.parametrize(
    "url",
    [
        *("ftp://images.example/a.png", "file:///etc/passwd", "gopher://images.example/", "images.example/a.png"),
        *(
            "/etc/passwd",
            "",
            "http://",
            "http:///a.png",
            "//images.example/a.png",
            "javascript:alert(1)",
            "http://[::1",
        ),
        *("http://\x00/", "https://images.example/" + "a" * 70_000),
    ],
)
def test_an_address_that_is_not_http_is_refused_without_a_look_up(url: str) -> None:
    net = Net()
    with pytest.raises(BadImage):
        net.load(url)
    assert net.seen == []
    assert net.looked_up == []


def test_the_connection_goes_to_the_checked_address_under_the_name() -> None:
    net = Net()
    assert net.load("https://images.example:8443/a/b.png?size=2") == PNG
    (request,) = net.seen
    assert str(request.url) == f"https://{PUBLIC}:8443/a/b.png?size=2"
    assert request.headers["host"] == "images.example:8443"
    assert request.extensions["sni_hostname"] == "images.example"
    assert "authorization" not in request.headers
    assert 0 < request.extensions["timeout"]["read"] <= fetch.TIMEOUT


def test_an_ipv6_address_is_put_in_brackets() -> None:
    net = Net(images_example=["2606:4700:4700::1111"])
    net.load()
    assert str(net.seen[0].url) == "https://[2606:4700:4700::1111]/flower.png"
    assert net.seen[0].headers["host"] == "images.example"


def test_a_name_that_changes_its_address_cannot_matter_as_it_is_looked_up_once() -> None:
    answers = iter([[PUBLIC], ["127.0.0.1"]])
    hosts: list[str] = []
    seen: list[httpx.Request] = []

    def resolve(host: str) -> Iterable[str]:
        hosts.append(host)
        return next(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, content=PNG)

    assert load_image(URL, resolve=resolve, transport=httpx.MockTransport(answer)) == PNG
    assert hosts == ["images.example"]
    assert [request.url.host for request in seen] == [PUBLIC]


def test_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://proxy.invalid:3128")
    net = Net()
    assert net.load() == PNG
    assert net.seen[0].url.host == PUBLIC


# ---- redirects


def test_each_redirect_is_looked_up_and_checked_anew() -> None:
    hops = {"/flower.png": redirect("https://cdn.example/2"), "/2": redirect("http://img.example/3", 307)}
    net = Net(lambda request: hops.get(request.url.path) or httpx.Response(200, content=PNG), cdn_example=["1.1.1.1"])
    assert net.load() == PNG
    assert net.looked_up == ["images.example", "cdn.example", "img.example"]
    assert [request.url.host for request in net.seen] == [PUBLIC, "1.1.1.1", PUBLIC]
    assert [request.extensions["sni_hostname"] for request in net.seen] == net.looked_up


@pytest.mark.parametrize(
    "location", ["http://inside.example/secret", "http://inside.example:22/", "//inside.example/x"]
)
def test_a_redirect_to_a_private_address_is_refused(location: str) -> None:
    net = Net(lambda _: redirect(location), inside_example=["169.254.169.254"])
    with pytest.raises(BadImage, match=r"inside\.example is not a public address"):
        net.load()
    assert len(net.seen) == 1


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://images.example/a.png", "data:image/png;base64,AAAA"])
def test_a_redirect_to_another_scheme_is_refused(location: str) -> None:
    net = Net(lambda _: redirect(location))
    with pytest.raises(BadImage):
        net.load()
    assert len(net.seen) == 1


def test_a_relative_redirect_stays_with_the_name() -> None:
    net = Net(
        lambda request: httpx.Response(200, content=PNG) if request.url.path == "/b/c.png" else redirect("../b/c.png")
    )
    assert net.load("https://images.example:8443/a/x.png") == PNG
    assert net.seen[1].headers["host"] == "images.example:8443"
    assert net.seen[1].url.host == PUBLIC


def test_a_redirect_loop_ends() -> None:
    net = Net(lambda request: redirect(str(request.url.copy_with(host="images.example"))))
    with pytest.raises(BadImage, match="redirects"):
        net.load()
    assert len(net.seen) == MAX_REDIRECTS + 1


def test_slow_redirects_share_one_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "TIMEOUT", 0.2)

    def slow(_: httpx.Request) -> httpx.Response:
        time.sleep(0.15)
        return redirect("/again")

    net = Net(slow)
    with pytest.raises(BadImage, match="did not arrive"):
        net.load()
    assert len(net.seen) == 2


# ---- what arrives


class Drip(httpx.SyncByteStream):
    """A body without end."""

    def __init__(self, piece: bytes, pause: float) -> None:
        self.piece, self.pause, self.given, self.closed = piece, pause, 0, False

    def __iter__(self) -> Iterator[bytes]:
        while True:
            time.sleep(self.pause)
            self.given += len(self.piece)
            yield self.piece

    def close(self) -> None:
        self.closed = True


def test_too_many_bytes_are_noticed_while_they_stream() -> None:
    body = Drip(bytes(2**20), 0)
    with pytest.raises(BadImage, match=f"more than {MAX_BYTES} bytes"):
        Net(lambda _: httpx.Response(200, stream=body)).load()
    assert body.given == MAX_BYTES + 2**20
    assert body.closed


def test_a_slow_drip_ends_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "TIMEOUT", 0.2)
    body = Drip(b"x", 0.03)
    with pytest.raises(BadImage, match="did not arrive"):  # the body itself never ends
        Net(lambda _: httpx.Response(200, stream=body)).load()
    assert body.closed


@pytest.mark.parametrize("status", [201, 204, 304, 400, 401, 403, 404, 410, 429, 500, 503])
def test_an_http_error_is_a_bad_image_that_names_host_and_status(status: int) -> None:
    with pytest.raises(BadImage, match=rf"images\.example answered {status}"):
        Net(lambda _: httpx.Response(status, content=PNG if status not in (204, 304) else b"")).load()


@pytest.mark.parametrize("failure", [httpx.ConnectError, httpx.ReadTimeout, httpx.RemoteProtocolError, httpx.ReadError])
def test_a_broken_connection_is_a_bad_image(failure: type[httpx.TransportError]) -> None:
    def fail(request: httpx.Request) -> httpx.Response:
        raise failure("broken", request=request)

    with pytest.raises(BadImage, match=failure.__name__):
        Net(fail).load()


def test_a_body_whose_encoding_is_broken_is_a_bad_image() -> None:
    headers = {"content-encoding": "gzip"}
    with pytest.raises(BadImage):
        Net(lambda _: httpx.Response(200, headers=headers, stream=httpx.ByteStream(b"no gzip"))).load()


def test_a_page_in_place_of_an_image_is_a_bad_image() -> None:
    with pytest.raises(BadImage, match="not a readable image"):
        Net(lambda _: httpx.Response(200, html="<html></html>", headers={"content-type": "image/png"})).load()


@pytest.mark.parametrize("failure", [OSError("no such name"), UnicodeError("label too long"), ValueError("odd")])
def test_a_name_that_cannot_be_looked_up_is_a_bad_image(failure: Exception) -> None:
    def resolve(_: str) -> Iterable[str]:
        raise failure

    with pytest.raises(BadImage, match=r"images\.example cannot be looked up"):
        load_image(URL, resolve=resolve)


@pytest.mark.parametrize("addresses", [[], ["not an address"]])
def test_a_look_up_that_gives_no_address_is_a_bad_image(addresses: list[str]) -> None:
    net = Net(images_example=addresses)
    with pytest.raises(BadImage):
        net.load()
    assert net.seen == []
