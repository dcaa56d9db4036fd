"""Goals in the control store: what is kept, what is refused, and what a removal leaves."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statnive.control.goals import GOALS_MAX, NewGoal, money_text
from statnive.control.snapshot import Goal, GoalKind
from statnive.control.store import MIGRATIONS, ControlStore
from statnive.errors import Rejected

SIGNUP = NewGoal("event", "Signup")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "control.db"


@pytest.fixture
def store(path: Path) -> Iterator[ControlStore]:
    with ControlStore.open(path, now_s=lambda: 1_700_000_000.9) as opened:
        opened.add_site("example.com", "UTC")
        opened.add_site("other.example", "UTC")
        yield opened


def test_goals_survive_the_process_and_are_in_the_snapshot(path: Path, store: ControlStore) -> None:
    worth = store.add_goal("example.com", NewGoal("event", " Signup ", value="9.9", currency="eur"))
    page = store.add_goal("example.com", NewGoal("page", "/blog/**"))
    deep = store.add_goal("example.com", NewGoal("scroll", "**", scroll_depth=75))
    assert worth == Goal(1, GoalKind.EVENT, "Signup", 0, 9_900, "EUR")
    assert [goal.name for goal in (worth, page, deep)] == [
        "Signup",
        "Visit /blog/**",
        "Scroll 75% of any page",
    ]
    store.close()
    with ControlStore.open(path) as again:
        assert again.snapshot().by_host["example.com"].goals == (worth, page, deep)
        assert again.snapshot().by_host["other.example"].goals == ()


def test_a_removed_goal_leaves_the_snapshot_and_keeps_its_number_and_name(store: ControlStore) -> None:
    goal = store.add_goal("example.com", SIGNUP)
    assert store.remove_goal("example.com", goal.id) == goal
    assert store.snapshot().by_id[1].goals == ()
    assert store.list_goals("example.com") == [(goal, True)]
    again = store.add_goal("example.com", SIGNUP)
    assert again.id == goal.id + 1
    assert store.list_goals("example.com") == [(again, False), (goal, True)]  # the removed ones last


def test_a_goal_there_already_is_refused_whatever_its_value(store: ControlStore) -> None:
    store.add_goal("example.com", SIGNUP)
    with pytest.raises(Rejected, match="has the goal 'Signup' already"):
        store.add_goal("example.com", NewGoal("event", "Signup", value="1", currency="EUR"))
    assert store.add_goal("other.example", SIGNUP).id == 2
    store.add_goal("example.com", NewGoal("scroll", "/a", scroll_depth=50))
    store.add_goal("example.com", NewGoal("scroll", "/a", scroll_depth=90))


def test_a_goal_of_another_site_can_not_be_removed(store: ControlStore) -> None:
    goal = store.add_goal("example.com", SIGNUP)
    with pytest.raises(Rejected, match="the site has no goal 1"):
        store.remove_goal("other.example", goal.id)
    store.remove_goal("example.com", goal.id)
    with pytest.raises(Rejected, match="the site has no goal 1"):
        store.remove_goal("example.com", goal.id)


@pytest.mark.parametrize(
    ("goal", "field"),
    [
        (NewGoal("click", "x"), "kind"),
        (NewGoal("event", " "), "target"),
        (NewGoal("event", "x" * 121), "target"),
        (NewGoal("event", "a\nb"), "target"),
        (NewGoal("event", "pageview"), "target"),
        (NewGoal("event", "engagement"), "target"),
        (NewGoal("page", "blog"), "target"),
        (NewGoal("page", "/" + "x" * 500), "target"),
        (NewGoal("page", "/a", scroll_depth=3), "scroll_depth"),
        (NewGoal("scroll", "/a"), "scroll_depth"),
        (NewGoal("scroll", "/a", scroll_depth=101), "scroll_depth"),
        (NewGoal("event", "x", value="1"), "currency"),
        (NewGoal("event", "x", value="1", currency="EURO"), "currency"),
        (NewGoal("event", "x", currency="EUR"), "value"),
        (NewGoal("event", "x", value="nan", currency="EUR"), "value"),
        (NewGoal("event", "x", value="-1", currency="EUR"), "value"),
        (NewGoal("event", "x", value="0", currency="EUR"), "value"),
        (NewGoal("event", "x", value="1.0001", currency="EUR"), "value"),
        (NewGoal("event", "x", value="1e12", currency="EUR"), "value"),
        (NewGoal("event", "x", value="1e999999", currency="EUR"), "value"),
        (NewGoal("event", "x", value="1,50", currency="EUR"), "value"),
    ],
)
def test_a_bad_goal_is_refused_by_field_and_nothing_is_kept(
    store: ControlStore, goal: NewGoal, field: str
) -> None:
    with pytest.raises(Rejected) as caught:
        store.add_goal("example.com", goal)
    assert caught.value.field == field
    assert store.list_goals("example.com") == []


def test_a_site_has_so_many_goals_at_most(store: ControlStore) -> None:
    for number in range(GOALS_MAX):
        store.add_goal("example.com", NewGoal("page", f"/{number}"))
    with pytest.raises(Rejected, match=f"limit of {GOALS_MAX}"):
        store.add_goal("example.com", SIGNUP)
    store.remove_goal("example.com", 1)
    store.add_goal("example.com", SIGNUP)


def test_a_store_without_goals_gains_them_and_keeps_its_sites(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from statnive.control import store as module

    monkeypatch.setattr(module, "MIGRATIONS", MIGRATIONS[:1])
    with ControlStore.open(path), sqlite3.connect(path) as old:
        old.execute("INSERT INTO sites VALUES (7, 'old.example', 'UTC', 1)")
        old.execute("INSERT INTO aliases VALUES ('old.example', 7)")
    old.close()
    monkeypatch.undo()
    with ControlStore.open(path) as store:
        assert store.add_goal("old.example", SIGNUP).id == 1
        assert store.snapshot().by_id[7].goals[0].target == "Signup"


def test_removing_a_site_removes_its_goals_and_frees_no_number(store: ControlStore) -> None:
    store.add_goal("example.com", SIGNUP)
    store.remove_site("example.com")
    assert store.add_goal("other.example", SIGNUP).id == 2


@given(st.integers(-(2**63), 2**63 - 1))
def test_money_is_a_decimal_and_loses_nothing(thousandths: int) -> None:
    whole, _, part = money_text(thousandths).partition(".")
    assert len(part) in (2, 3)
    assert int(whole + part.ljust(3, "0")) == thousandths
