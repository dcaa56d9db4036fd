"""Users, roles, sessions, setup links and shared links in the control database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from statnive.control.accounts import AccountStore
from statnive.control.passwords import (
    check_new_password,
    digest_of,
    new_recovery_codes,
    new_secret,
    recovery_digest,
    totp_code,
    totp_step,
    totp_uri,
)
from statnive.control.store import ControlStore
from statnive.control.users import NOBODY, Role, canonical_email
from statnive.errors import Rejected


class World:
    def __init__(self, path: Path) -> None:
        self.now = 1_000_000.0
        self.path = path
        self.control = ControlStore.open(path, now_s=lambda: self.now)
        self.accounts = AccountStore(self.control, now_s=lambda: self.now)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path / "control.db")
    yield made
    made.control.close()


@pytest.mark.parametrize(
    "text", ["", "ann", "ann@", "@example.com", "a b@example.com", "a\nb@c", "<a@b.c>", "a@" + "b" * 300]
)
def test_what_is_no_e_mail_is_refused_by_field(world: World, text: str) -> None:
    with pytest.raises(Rejected) as caught:
        world.accounts.add_user(text, is_operator=False)
    assert caught.value.field == "email"


def test_an_e_mail_is_one_account_however_it_is_written(world: World) -> None:
    assert canonical_email("  Ann@Example.COM ") == "ann@example.com"
    world.accounts.add_user("ann@example.com", is_operator=False)
    with pytest.raises(Rejected, match="has an account already"):
        world.accounts.add_user("ANN@example.com", is_operator=True)


def test_a_role_holds_what_the_ones_before_it_do() -> None:
    order = [Role.VIEWER, Role.ADMIN, Role.OWNER]
    held = [[role.holds(least) for least in order] for role in order]
    assert held == [[True, False, False], [True, True, False], [True, True, True]]


def test_roles_go_with_their_site_and_with_their_removal(world: World) -> None:
    sites = [world.control.add_site(f"{name}.example", "UTC") for name in "ab"]
    for site in sites:
        user = world.accounts.set_role("ann@example.com", site.id, "admin", add_user=True)
    assert dict(user.roles) == {site.id: Role.ADMIN for site in sites}
    assert user.role_on(99) is None
    world.control.remove_site("a.example")
    assert dict(world.accounts.find("ann@example.com").roles) == {sites[1].id: Role.ADMIN}
    assert dict(world.accounts.set_role("ann@example.com", sites[1].id, None).roles) == {}
    for role in ("king", ""):
        with pytest.raises(Rejected) as caught:
            world.accounts.set_role("ann@example.com", sites[1].id, role)
        assert caught.value.field == "role"


def test_a_user_that_was_refused_a_role_is_not_left_behind(world: World) -> None:
    site = world.control.add_site("a.example", "UTC")
    with pytest.raises(Rejected):
        world.accounts.set_role("ann@example.com", site.id, "king", add_user=True)
    assert world.accounts.list_users() == []


def test_who_has_no_password_or_is_disabled_has_no_credentials(world: World) -> None:
    user = world.accounts.add_user("ann@example.com", is_operator=False)
    assert world.accounts.credentials("ann@example.com") == NOBODY
    world.accounts.set_password(user.id, "hash")
    assert world.accounts.credentials("Ann@example.com").password == "hash"
    world.accounts.disable("ann@example.com")
    assert world.accounts.credentials("ann@example.com") == NOBODY
    world.accounts.enable("ann@example.com")
    assert world.accounts.credentials("ann@example.com").user_id == user.id
    assert "hash" not in repr(world.accounts.credentials("ann@example.com"))


def test_the_last_operator_stays_even_when_another_has_no_password_yet(world: World) -> None:
    first = world.accounts.add_user("root@example.com", is_operator=True)
    world.accounts.set_password(first.id, "hash")
    second = world.accounts.add_user("other@example.com", is_operator=True)
    with pytest.raises(Rejected, match="last operator"):
        world.accounts.disable("root@example.com")
    world.accounts.set_password(second.id, "hash")
    world.accounts.disable("root@example.com")
    with pytest.raises(Rejected, match="last operator"):
        world.accounts.disable("other@example.com")


def test_a_link_is_used_up_and_replaced_by_the_next_one(world: World) -> None:
    user = world.accounts.add_user("ann@example.com", is_operator=False)
    first, second = new_secret(), new_secret()
    world.accounts.setup_link(user.id, first, 60)
    world.accounts.setup_link(user.id, second, 60)
    with pytest.raises(Rejected):
        world.accounts.check_link(first)
    assert world.accounts.check_link(second) == user
    world.accounts.use_link(second, "", "hash")
    with pytest.raises(Rejected):
        world.accounts.use_link(second, "", "other")
    assert world.accounts.credentials("ann@example.com").password == "hash"


def test_a_step_is_taken_once_and_never_an_older_one(world: World) -> None:
    user = world.accounts.add_user("ann@example.com", is_operator=False)
    world.accounts.set_totp(user.id, b"s" * 20, 5, new_recovery_codes())
    taken = [world.accounts.take_step(user.id, step) for step in (5, 7, 7, 6, 8)]
    assert taken == [False, True, False, False, True]


def test_sessions_survive_the_file_and_end_with_their_user(world: World) -> None:
    user = world.accounts.add_user("ann@example.com", is_operator=False)
    secret = new_secret()
    made = world.accounts.add_session(user.id, secret, "Firefox\n\x00, Linux" + "x" * 200, 3_600)
    assert (len(made.label), "\n" in made.label) == (80, False)
    world.control.close()
    world.control = ControlStore.open(world.path)
    again = AccountStore(world.control)
    assert again.directory().sessions == {digest_of(secret): made}
    again.disable("ann@example.com")
    assert again.directory().sessions == {}


def test_a_shared_link_belongs_to_its_site(world: World) -> None:
    a, b = (world.control.add_site(f"{name}.example", "UTC") for name in "ab")
    link = world.accounts.add_link(a.id, "board", new_secret(), "", 1)
    assert (link.is_open(world.now + 86_399), link.is_open(world.now + 86_400)) == (True, False)
    assert link.secret not in repr(link)
    with pytest.raises(Rejected, match="no link of this site"):
        world.accounts.remove_link(b.id, link.id)
    with pytest.raises(Rejected, match="has a link board already"):
        world.accounts.add_link(a.id, "board", new_secret(), "", None)
    for name, days in (("", None), ("x" * 101, None), ("x", 0), ("x", 4_000)):
        with pytest.raises(Rejected):
            world.accounts.add_link(a.id, name, new_secret(), "", days)
    world.accounts.set_public(b.id, True)
    world.accounts.set_public(b.id, True)
    assert world.accounts.directory().public_site_ids == {b.id}
    for site in ("a.example", "b.example"):
        world.control.remove_site(site)
    assert world.accounts.directory().links == {}
    assert world.accounts.directory().public_site_ids == set()


def test_a_renamed_site_keeps_its_id_and_its_old_name(world: World) -> None:
    site = world.control.add_site("a.example", "UTC")
    world.control.add_site("taken.example", "UTC")
    renamed = world.control.rename_site("a.example", "New.example")
    assert (renamed.id, renamed.domain, renamed.aliases) == (site.id, "new.example", ["a.example"])
    assert [found.domain for found in world.control.list_sites()] == ["new.example", "taken.example"]
    with pytest.raises(Rejected, match="already belongs"):
        world.control.rename_site("new.example", "taken.example")


@pytest.mark.parametrize(
    ("time_s", "code"),
    [(59, "287082"), (1_111_111_109, "081804"), (1_234_567_890, "005924"), (20_000_000_000, "353130")],
)
def test_codes_are_those_of_the_standard(time_s: int, code: str) -> None:
    secret = b"12345678901234567890"  # RFC 6238, appendix B, the last six digits
    assert totp_code(secret, time_s // 30) == code
    assert totp_step(secret, code, time_s, 0) == time_s // 30
    assert totp_step(secret, code, time_s, time_s // 30) is None
    assert totp_step(secret, "", time_s, 0) is None
    assert totp_step(secret, "٠٠٠٠٠٠", time_s, 0) is None


def test_what_an_app_reads_is_escaped() -> None:
    uri = totp_uri(b"s" * 20, "a&b=c?@example.com")
    assert uri.split("?")[0] == "otpauth://totp/statnive%3Aa%26b%3Dc%3F%40example.com"


def test_recovery_codes_differ_and_are_known_however_they_are_typed() -> None:
    codes = new_recovery_codes()
    assert len({code.replace("-", "") for code in codes}) == 10
    assert recovery_digest(codes[0]) == recovery_digest(codes[0].upper().replace("-", " ") + " ")
    assert recovery_digest(codes[0]) != recovery_digest(codes[1])


def test_a_password_has_some_length_and_some_letters() -> None:
    check_new_password("four plain words here", "ann@example.com")
    for wrong in ("123456789", "abababababab", "x" * 201, "Ann@Example.com"):
        with pytest.raises(Rejected) as caught:
            check_new_password(wrong, "ann@example.com")
        assert caught.value.field == "password"
