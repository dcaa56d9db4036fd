from __future__ import annotations

from pathlib import Path

import pytest

from statnive.actors.salts import CONFIRM_S, SaltsHandle
from statnive.errors import BrokenInput, Fatal
from statnive.ingest.visitor import visitor_hash

DAY = 86_400
NOON = 20_000 * DAY + 12 * 3_600


class Time:
    """Wall and monotonic time that a test moves."""

    def __init__(self) -> None:
        self.wall = float(NOON)
        self.mono = 500.0

    def pass_s(self, seconds: float, step: float = 60.0) -> None:
        self.wall += seconds
        self.mono += seconds


def handle(directory: Path, time: Time) -> SaltsHandle:
    return SaltsHandle(directory / "identity.key", lambda: time.wall, lambda: time.mono)


def rotate(salts: SaltsHandle) -> bool:
    day = salts.due()
    if day <= salts.ratchet.day:
        return False
    salts.persist(day, salts.ratchet.key(day))
    salts.erase_before(day)
    return True


def test_salts_differ_by_site_and_by_day_and_last_over_a_restart(tmp_path: Path) -> None:
    time = Time()
    salts = handle(tmp_path, time)
    today = NOON // DAY
    one = salts.salt(1, today)
    assert len({one, salts.salt(2, today), salts.salt(1, today + 1), salts.salt(1, today - 1)}) == 4
    assert handle(tmp_path, time).salt(1, today) == one


def test_same_visitor_has_another_hash_on_another_day(tmp_path: Path) -> None:
    salts = handle(tmp_path, Time())
    today = NOON // DAY
    first, second = (visitor_hash(salts.salt(1, day), b"\x7f\0\0\1", b"agent") for day in (today, today + 1))
    assert first != second
    assert len(first) == 16


def test_no_salt_is_ever_in_a_file(tmp_path: Path) -> None:
    salts = handle(tmp_path, Time())
    today = NOON // DAY
    known = [salts.salt(site, today + delta) for site in range(5) for delta in (-1, 0, 1)]
    for file in tmp_path.rglob("*"):
        content = file.read_bytes()
        assert not any(salt in content or salt.hex().encode() in content for salt in known)


def test_an_old_days_key_is_erased_from_disk_and_memory(tmp_path: Path) -> None:
    time = Time()
    salts = handle(tmp_path, time)
    old_day = salts.ratchet.day
    old_key = salts.ratchet.key(old_day)
    old_salt = salts.salt(1, old_day)
    for _ in range(3 * 24):
        time.pass_s(3_600)
        rotate(salts)
    assert salts.ratchet.day == old_day + 3
    assert old_key not in (tmp_path / "identity.key").read_bytes()
    assert salts.salt(1, old_day) != old_salt  # nobody can compute it again
    assert handle(tmp_path, time).salt(1, old_day) != old_salt


def test_a_day_keeps_its_key_until_the_last_zone_left_it_and_the_grace_is_over(tmp_path: Path) -> None:
    time = Time()
    salts = handle(tmp_path, time)
    day = NOON // DAY
    salt = salts.salt(1, day)
    # The date lasts until 12:00 UTC of the next day in UTC-12, plus 30 minutes.
    for _ in range(24):
        time.pass_s(3_600)
        rotate(salts)
        assert salts.salt(1, day) == salt
    time.pass_s(1_900)
    assert rotate(salts)
    assert salts.ratchet.day == day + 1


def test_a_wall_clock_that_jumps_two_days_and_back_burns_no_key(tmp_path: Path) -> None:
    time = Time()
    salts = handle(tmp_path, time)
    day = NOON // DAY
    salt = salts.salt(1, day)
    time.wall += 2 * DAY
    for _ in range(int(CONFIRM_S / 3_600) - 1):
        time.pass_s(3_600)
        rotate(salts)
        assert salts.ratchet.day <= day
    assert salts.salt(1, day + 2) != salt  # the new date is served all the same
    time.wall -= 2 * DAY
    time.pass_s(60)
    rotate(salts)
    assert salts.ratchet.day <= day
    assert salts.salt(1, day) == salt


def test_a_start_with_a_clock_two_days_ahead_burns_no_key(tmp_path: Path) -> None:
    time = Time()
    time.wall += (
        3_600  # past the beginning of the second half of the day: its own key is the oldest one needed
    )
    day = NOON // DAY
    salt = handle(tmp_path, time).salt(1, day)
    time.wall += 2 * DAY
    salts = handle(tmp_path, time)
    for _ in range(int(CONFIRM_S / 3_600) - 1):
        assert not rotate(salts)
        time.pass_s(3_600)
    time.wall -= 2 * DAY
    assert not rotate(salts)
    assert salts.salt(1, day) == salt


def test_a_jump_that_stays_is_believed_in_the_end(tmp_path: Path) -> None:
    time = Time()
    salts = handle(tmp_path, time)
    time.wall += 2 * DAY
    for _ in range(int(CONFIRM_S / 3_600) + 1):
        rotate(salts)
        time.pass_s(3_600)
    assert rotate(salts) or salts.rotations
    assert salts.ratchet.day >= NOON // DAY + 1


def test_a_clock_that_steps_back_behind_the_oldest_key_still_gives_a_salt(tmp_path: Path) -> None:
    salts = handle(tmp_path, Time())
    assert len(salts.salt(1, salts.ratchet.day - 5)) == 32


def test_a_key_file_that_others_can_read_stops_the_start_by_name(tmp_path: Path) -> None:
    handle(tmp_path, Time())
    (tmp_path / "identity.key").chmod(0o644)
    with pytest.raises(BrokenInput, match=r"identity\.key has mode 644"):
        handle(tmp_path, Time())


@pytest.mark.parametrize("content", [b"", b"junk", bytes(55)])
def test_a_damaged_key_file_stops_the_start_by_name(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "identity.key"
    file.write_bytes(content)
    file.chmod(0o600)
    with pytest.raises(Fatal, match=r"identity\.key is damaged"):
        handle(tmp_path, Time())
