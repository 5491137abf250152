"""A bundle on nginx, as replicas read it: a usual web server, with the usual ETags."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from cors_service.bundle import BundleSource
from cors_service.bundle.form import write_bundle
from tests.answering import free_port
from tests.bundle.bundles import FILE, KeyPair, files, key_pair, shop
from tests.certificates import Authority, written
from tests.e2e.daemons import Process, wait_for
from tests.e2e.requirements import need

CONFIGURATION = """\
daemon off;
master_process off;
worker_processes 1;
error_log stderr;
pid {directory}/nginx.pid;
events {{}}
http {{
    access_log {directory}/access.log;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    keepalive_requests 3;
    gzip on;
    gzip_types application/json;
    gzip_min_length 1;
    types {{ application/json json dsse; }}
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {certificate};
        ssl_certificate_key {key};
        root {directory}/site;
    }}
}}
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Give the directory that the server gives out."""
    directory = tmp_path / "site"
    directory.mkdir()
    return directory


@pytest.fixture
def url(site: Path, tmp_path: Path) -> Iterator[str]:
    """Give the URL of a bundle on a server that runs, with the file of credentials that names its authority."""
    [nginx] = need("nginx")
    authority, port = Authority("bundles"), free_port()
    key, certificate = written(tmp_path, authority.sign("nginx"), "nginx")
    (tmp_path / "authority.pem").write_bytes(authority.certificate)
    credentials = tmp_path / "credentials.toml"
    credentials.write_text(f'cacert = "{tmp_path / "authority.pem"}"\n')
    configuration = tmp_path / "nginx.conf"
    configuration.write_text(
        CONFIGURATION.format(directory=tmp_path, port=port, key=key, certificate=certificate), encoding="utf-8"
    )
    process = Process([nginx, "-e", "stderr", "-p", str(tmp_path), "-c", str(configuration)], tmp_path)
    try:
        wait_for((tmp_path / "nginx.pid").exists, "nginx")
        yield f"https://127.0.0.1:{port}{FILE}?credentials={credentials}"
    finally:
        process.kill()


def put(site: Path, given: dict[str, bytes], moment: int) -> None:
    """Publish files, each at once, and all at the same second."""
    for path, content in given.items():
        new = site / "new"
        new.write_bytes(content)
        os.utime(new, (moment, moment))
        new.chmod(stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH)
        new.replace(site / path.removeprefix("/"))


def asked(site: Path) -> list[str]:
    """The lines of the log, of requests that are answered."""
    return (site.parent / "access.log").read_text(encoding="utf-8").splitlines()


def test_published_twice_in_a_second(site: Path, url: str, tmp_path: Path) -> None:
    """Two signed bundles of the same length, published in the same second, have the same ETag: the second is found
    nevertheless, also where the server closes connections after a few requests.
    """
    key: KeyPair = key_pair(tmp_path, "one.key")
    put(site, files(shop(7), [key]), 1_800_000_000)
    source = BundleSource(url, keys=[key.public])
    try:
        assert source.everything().head == shop(7).head
        for seq in (8, 9):
            put(site, files(shop(seq), [key]), 1_800_000_000)
            assert source.head() == shop(seq).head
            assert source.everything().bodies == shop(seq).bodies
    finally:
        source.close()


def test_not_sent_again(site: Path, url: str) -> None:
    """An unsigned bundle is sent once for each change: between changes, nginx answers with 304."""
    put(site, {FILE: write_bundle(shop(7))}, 1_800_000_000)
    source = BundleSource(url, is_unsigned=True)
    try:
        source.everything()
        for _ in range(3):
            assert source.head() == shop(7).head
        put(site, {FILE: write_bundle(shop(8))}, 1_800_000_001)
        assert source.head() == shop(8).head
        assert source.everything().bodies == shop(8).bodies
    finally:
        source.close()
    wait_for(lambda: len(asked(site)) >= 6, "the log")
    assert [line.split('" ')[1].split()[0] for line in asked(site)] == ["200", "304", "304", "304", "200", "304"]
