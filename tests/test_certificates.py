"""Which pairs of certificate and key are served, and what is said of the others."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from chaos.tls_pair import make_pair
from statnive.certificates import Certificate, make_context
from statnive.config import ServerConfig, load
from statnive.errors import BrokenInput, ConfigError


def test_a_pair_that_fits_gives_tls_1_2_and_up_with_forward_secrecy_only(tmp_path: Path) -> None:
    context = make_context(*make_pair(tmp_path))
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.options & ssl.OP_NO_COMPRESSION
    assert context.options & ssl.OP_NO_RENEGOTIATION
    for cipher in context.get_ciphers():
        assert cipher["aead"], cipher["name"]
        assert cipher["protocol"] == "TLSv1.3" or cipher["kea"] == "kx-ecdhe", cipher["name"]


@pytest.mark.parametrize("missing", ["crt", "key"])
def test_a_file_that_is_not_there_is_named(tmp_path: Path, missing: str) -> None:
    pair = make_pair(tmp_path)
    (tmp_path / f"tls.{missing}").unlink()
    with pytest.raises(BrokenInput, match=rf"tls\.{missing} can't be read: No such file"):
        make_context(*pair)


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o660, 0o777])
def test_a_key_that_others_can_read_or_a_group_can_change_is_refused(tmp_path: Path, mode: int) -> None:
    pair = make_pair(tmp_path)
    pair.key.chmod(mode)
    with pytest.raises(BrokenInput, match=rf"tls\.key has mode {mode:03o}: .*chmod 640"):
        make_context(*pair)


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o640, 0o440])
def test_a_key_of_one_user_or_one_group_is_taken(tmp_path: Path, mode: int) -> None:
    pair = make_pair(tmp_path)
    pair.key.chmod(mode)
    make_context(*pair)


def test_a_key_of_another_certificate_is_refused(tmp_path: Path) -> None:
    one, other = make_pair(tmp_path, "one"), make_pair(tmp_path, "other")
    with pytest.raises(BrokenInput, match=r"other\.key does not belong to the certificate .*one\.crt"):
        make_context(one.certificate, other.key)


def test_a_key_with_a_passphrase_is_refused_and_nobody_is_asked_for_it(tmp_path: Path) -> None:
    pair = make_pair(tmp_path, passphrase="correct horse")
    with pytest.raises(BrokenInput, match=r"tls\.key is encrypted"):
        make_context(*pair)


@pytest.mark.parametrize("content", [b"", b"\x30\x82\x01\x00", b"-----BEGIN CERTIFICATE-----\nAAAA\n"])
@pytest.mark.parametrize("which", ["crt", "key"])
def test_a_file_that_is_no_pem_is_named(tmp_path: Path, content: bytes, which: str) -> None:
    pair = make_pair(tmp_path)
    (tmp_path / f"tls.{which}").write_bytes(content)
    with pytest.raises(BrokenInput, match=rf"tls\.{which}"):
        make_context(*pair)


def test_a_broken_new_pair_leaves_the_old_one_in_use(tmp_path: Path) -> None:
    pair = make_pair(tmp_path)
    kept = Certificate(*pair)
    before = kept.context
    pair.key.write_bytes(b"half a k")
    assert kept.changed()
    with pytest.raises(BrokenInput):
        kept.reload()
    assert kept.context is before
    assert not kept.changed()  # tried, and told once
    make_pair(tmp_path)
    kept.reload()
    assert kept.context is not before


@pytest.mark.parametrize("given", ["tls_listen", "tls_certificate", "tls_key"])
def test_one_setting_of_tls_alone_is_refused_by_the_name_of_another(given: str) -> None:
    with pytest.raises(ConfigError, match=r"server\.tls_\w+ = '': must be set"):
        load(None, {}, {"server": {given: "x"}})
    assert ServerConfig().tls_listen == ""


@pytest.mark.parametrize(("mode", "fits"), [(0o600, True), (0o640, True), (0o644, False), (0o666, False)])
def test_a_settings_file_with_a_password_is_for_its_owner_alone(
    tmp_path: Path, mode: int, fits: bool
) -> None:
    file = tmp_path / "statnive.toml"
    file.write_text('[clickhouse]\nurl = "http://default:secret@db:8123"\n')
    file.chmod(mode)
    if fits:
        assert load(file, {}, {}).clickhouse.url.endswith("@db:8123")
    else:
        with pytest.raises(ConfigError, match=r"holds the password of clickhouse\.url") as caught:
            load(file, {}, {})
        assert "secret@" not in str(caught.value)


def test_a_settings_file_without_a_password_may_be_read_by_all(tmp_path: Path) -> None:
    file = tmp_path / "statnive.toml"
    file.write_text('[clickhouse]\nurl = "http://db:8123"\n')
    file.chmod(0o644)
    assert load(file, {}, {}).clickhouse.url == "http://db:8123"
