"""Passkeys over HTTP: added with the password, good for signing in; and everything that must not be."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import httpx
import pytest

from statnive.control.passkey_check import from_base64, to_base64
from statnive.control.passkeys import PASSKEYS_MAX
from statnive.control.passwords import TOTP_SECRET_BYTES
from statnive.web import challenges
from statnive.web.challenges import LIFE_S, Challenges
from statnive.web.sign_in import FREE_AT_ACCOUNT, UNKNOWN_PASSKEY
from tests.web.accounts_world import PASSWORD, World, as_session
from tests.web.authenticator import PRESENT, Authenticator

ANN = "ann@example.com"
HOST = "stats.example"
ORIGIN = "https://stats.example"
TLS = {"x-forwarded-proto": "https", "host": HOST, "origin": ORIGIN}


class Keys(World):
    """A node behind a proxy that ends TLS, and Ann who is signed in."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.ann = self.user(ANN, a="viewer")
        self.browser = self.session(self.ann)

    async def call(
        self, path: str, body: Any, session: str = "", headers: Any = TLS, **more: Any
    ) -> httpx.Response:
        signed_in = as_session(session)
        if session:
            signed_in["cookie"] = f"__Host-{signed_in['cookie']}"
        given = {"address": "127.0.0.1", **more}
        return await self.ask(
            "POST", f"/api/account/{path}", json=body, headers={**headers, **signed_in}, **given
        )

    async def begin(self, password: str = PASSWORD, session: str | None = None) -> httpx.Response:
        return await self.call("passkeys/begin", {"password": password}, session or self.browser)

    async def added(self, device: Authenticator, **more: Any) -> httpx.Response:
        """The device's key, added to Ann's account."""
        options = (await self.begin()).json()["options"]
        return await self.call("passkeys", {"credential": device.create(options), **more}, self.browser)

    async def challenge(self) -> dict[str, Any]:
        answer = await self.call("passkey/begin", {})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()["options"]
        return found

    async def sign_in_with(self, credential: dict[str, Any], **more: Any) -> httpx.Response:
        return await self.call("passkey", {"credential": credential}, **more)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Keys]:
    made = Keys(tmp_path)
    yield made
    made.control.close()


def device(**more: Any) -> Authenticator:
    return Authenticator(ORIGIN, HOST, **more)


def refused(answer: httpx.Response) -> bool:
    """Refused as every sign-in with a passkey is that does not fit."""
    error = {"field": "passkey", "message": UNKNOWN_PASSKEY}
    return (
        answer.status_code == 401 and answer.json()["error"] == error and "set-cookie" not in answer.headers
    )


async def test_a_passkey_signs_in_without_password_and_code(world: Keys) -> None:
    phone = device()
    made = await world.added(phone, name="Ann's phone")
    assert made.status_code == 201, made.text
    (shown,) = made.json()["passkeys"]
    assert shown == {
        "id": 1,
        "name": "Ann's phone",
        "host": HOST,
        "created_at": int(world.now),
        "used_at": None,
    }
    world.store.set_totp(world.ann, bytes(TOTP_SECRET_BYTES), 0, [])
    answer = await world.sign_in_with(phone.get(await world.challenge()))
    assert answer.status_code == 200, answer.text
    assert answer.json()["account"]["email"] == ANN
    assert answer.headers["set-cookie"].startswith("__Host-statnive=")
    assert world.auditor.records[-1] == ("login", {"account": world.ann, "passkey": 1})
    listed = await world.ask(
        "GET", "/api/account/passkeys", address="127.0.0.1",
        headers={**TLS, "cookie": f"__Host-statnive={world.browser}"},
    )  # fmt: skip
    assert listed.json()["passkeys"][0]["used_at"] == int(world.now)


async def test_what_is_asked_of_the_authenticator_names_no_account_and_wants_the_person_verified(
    world: Keys,
) -> None:
    options = (await world.begin()).json()["options"]
    assert options["rp"] == {"id": HOST, "name": "statnive"}
    assert options["authenticatorSelection"]["userVerification"] == "required"
    assert options["authenticatorSelection"]["residentKey"] == "required"
    assert ANN.encode() not in from_base64(options["user"]["id"])
    again = (await world.begin()).json()["options"]
    assert again["user"]["id"] == options["user"]["id"], "one account on the device, however many keys"
    asked = await world.challenge()
    assert set(asked) == {"challenge", "rpId", "userVerification", "timeout"}
    await world.added(phone := device())
    excluded = (await world.begin()).json()["options"]["excludeCredentials"]
    assert [key["id"] for key in excluded] == [to_base64(phone.credential)]


async def test_a_passkey_is_added_and_removed_by_who_knows_the_password(world: Keys) -> None:
    assert (await world.begin(password="wrong wrong wrong")).status_code == 403
    await world.added(phone := device())
    wrong = await world.call("passkeys/remove", {"id": 1, "password": "wrong wrong wrong"}, world.browser)
    assert wrong.status_code == 403
    other = world.session(world.user("bob@example.com", a="owner"))
    foreign = await world.call("passkeys/remove", {"id": 1, "password": PASSWORD}, other)
    assert (foreign.status_code, foreign.json()["error"]["field"]) == (400, "id")
    gone = await world.call("passkeys/remove", {"id": 1, "password": PASSWORD}, world.browser)
    assert gone.json() == {"passkeys": []}
    assert refused(await world.sign_in_with(phone.get(await world.challenge())))
    changes = [fields for kind, fields in world.auditor.records if kind == "second_factor_changed"]
    assert [(each["passkey"], each["state"]) for each in changes] == [(1, "added"), (1, "removed")]


# --- what must not be --------------------------------------------------------------------------------------------


async def test_a_challenge_is_good_once(world: Keys) -> None:
    phone = device()
    await world.added(phone)
    signed = phone.get(await world.challenge())
    assert (await world.sign_in_with(signed)).status_code == 200
    assert refused(await world.sign_in_with(signed))
    assert refused(await world.sign_in_with(phone.get({"challenge": signed_challenge(signed)})))


def signed_challenge(credential: dict[str, Any]) -> str:
    found: str = json.loads(from_base64(credential["response"]["clientDataJSON"]))["challenge"]
    return found


async def test_a_challenge_that_failed_is_not_tried_again(world: Keys) -> None:
    phone = device()
    await world.added(phone)
    asked = await world.challenge()
    assert refused(await world.sign_in_with(phone.get(asked, flags=PRESENT)))
    assert refused(await world.sign_in_with(phone.get(asked)))


async def test_a_challenge_ends_by_itself_and_another_one_is_none(world: Keys) -> None:
    phone = device()
    await world.added(phone)
    asked = await world.challenge()
    world.now += LIFE_S
    assert refused(await world.sign_in_with(phone.get(asked)))
    for made_up in (bytes(56), b"", b"x" * 31):
        assert refused(await world.sign_in_with(phone.get({"challenge": to_base64(made_up)})))
    begun = (await world.begin()).json()["options"]
    assert refused(await world.sign_in_with(phone.get(begun))), "made for adding a passkey"


async def test_a_challenge_for_adding_is_of_the_session_that_typed_the_password(world: Keys) -> None:
    options = (await world.begin()).json()["options"]
    other = world.session(world.ann)
    stolen = await world.call("passkeys", {"credential": device().create(options)}, other)
    assert (stolen.status_code, stolen.json()["error"]["field"]) == (400, "passkey")
    asked = await world.challenge()
    unasked = await world.call(
        "passkeys", {"credential": device().create({**options, **asked})}, world.browser
    )
    assert unasked.status_code == 400
    twice = {"credential": device().create(options)}
    assert (await world.call("passkeys", twice, world.browser)).status_code == 201
    assert (await world.call("passkeys", twice, world.browser)).status_code == 400


@pytest.mark.parametrize(
    "wrong",
    [
        {"origin": "https://evil.example"},
        {"origin": "http://stats.example"},
        {"origin": f"{ORIGIN}:8443"},
        {"host": "evil.example"},
        {"host": "example"},
    ],
)
async def test_a_page_of_another_origin_or_host_gets_nowhere(world: Keys, wrong: dict[str, str]) -> None:
    phone = device()
    await world.added(phone)
    elsewhere = attrs.evolve(phone, **wrong)
    assert refused(await world.sign_in_with(elsewhere.get(await world.challenge())))
    options = (await world.begin()).json()["options"]
    made = await world.call(
        "passkeys", {"credential": attrs.evolve(device(), **wrong).create(options)}, world.browser
    )
    assert (made.status_code, made.json()["error"]["field"]) == (400, "passkey")
    assert (await world.sign_in_with(phone.get(await world.challenge()))).status_code == 200


@pytest.mark.parametrize(
    "changed",
    [
        {"flags": PRESENT},
        {"flags": 0x04},
        {"crossOrigin": True},
        {"type": "webauthn.create"},
        {"type": "payment.get"},
    ],
)
async def test_an_answer_without_the_person_or_of_another_kind_is_refused(
    world: Keys, changed: dict[str, Any]
) -> None:
    phone = device()
    await world.added(phone)
    answer = await world.sign_in_with(phone.get(await world.challenge(), **changed))
    assert refused(answer) or (answer.status_code, answer.json()["error"]["field"]) == (400, "passkey")
    options = (await world.begin()).json()["options"]
    if changed.get("type") != "webauthn.create":
        made = await world.call(
            "passkeys", {"credential": device().create(options, **changed)}, world.browser
        )
        assert made.status_code == 400


async def test_a_credential_of_another_user_does_not_open_this_one(world: Keys) -> None:
    phone, bobs = device(), device()
    await world.added(phone)
    bob = world.session(world.user("bob@example.com", a="owner"))
    options = (await world.begin(session=bob)).json()["options"]
    assert (await world.call("passkeys", {"credential": bobs.create(options)}, bob)).status_code == 201
    named_as_ann = attrs.evolve(bobs, handle=phone.handle)
    assert refused(await world.sign_in_with(named_as_ann.get(await world.challenge())))
    anns_id = attrs.evolve(bobs, credential=phone.credential, handle=phone.handle)
    assert refused(await world.sign_in_with(anns_id.get(await world.challenge())))
    own = await world.sign_in_with(bobs.get(await world.challenge()))
    assert own.json()["account"]["email"] == "bob@example.com"
    # Ann's key can't be added to Bob's account either: it is known already.
    options = (await world.begin(session=bob)).json()["options"]
    taken = await world.call("passkeys", {"credential": attrs.evolve(phone).create(options)}, bob)
    assert "is known already" in taken.json()["error"]["message"]


async def test_a_counter_that_goes_back_is_a_copy_of_the_key(world: Keys) -> None:
    key = device(counter=7)
    await world.added(key)
    copy = attrs.evolve(key)
    for _ in range(3):
        assert (await world.sign_in_with(key.get(await world.challenge()))).status_code == 200
    assert refused(await world.sign_in_with(copy.get(await world.challenge())))
    assert world.auditor.records[-1] == ("second_factor_failed", {"account": world.ann, "passkey": 1})
    uncounted = attrs.evolve(key, counter=None)
    assert refused(await world.sign_in_with(uncounted.get(await world.challenge())))
    assert (await world.sign_in_with(key.get(await world.challenge()))).status_code == 200


async def test_a_wrong_signature_and_a_bent_credential_are_refused(world: Keys) -> None:
    phone = device()
    await world.added(phone)
    good = phone.get(await world.challenge())
    signature = bytearray(from_base64(good["response"]["signature"]))
    signature[-1] ^= 1
    assert refused(
        await world.sign_in_with(
            {**good, "response": {**good["response"], "signature": to_base64(signature)}}
        )
    )
    for name in ("rawId", "response", "id", "type"):
        bent = phone.get(await world.challenge())
        del bent[name]
        answer = await world.sign_in_with(bent)
        assert refused(answer) or answer.status_code == 400, answer.text
    for name in ("clientDataJSON", "authenticatorData", "signature", "userHandle"):
        for value in (None, 7, "", "=", "é", "AAAA", [], {}):
            bent = phone.get(await world.challenge())
            bent["response"][name] = value
            world.now += 3_601  # nobody is slowed down here
            fresh = await world.challenge()
            if name != "clientDataJSON":
                bent["response"] = {**phone.get(fresh)["response"], name: value}
            answer = await world.sign_in_with(bent)
            assert refused(answer) or answer.status_code == 400, (name, value, answer.text)
    assert world.problems == []


async def test_a_disabled_account_is_not_opened_by_its_passkey(world: Keys) -> None:
    phone = device()
    await world.added(phone)
    world.user("root@example.com", operator=True)
    world.store.disable(ANN)
    assert refused(await world.sign_in_with(phone.get(await world.challenge())))


async def test_who_guesses_is_slowed_down(world: Keys) -> None:
    stranger = device()
    stranger.handle = bytes(32)
    for _ in range(FREE_AT_ACCOUNT):
        assert refused(await world.sign_in_with(stranger.get(await world.challenge())))
    slowed = await world.sign_in_with(stranger.get(await world.challenge()))
    assert (slowed.status_code, slowed.headers["retry-after"]) == (429, "1")
    assert {"login_failed", "login_limited"} <= set(world.auditor.kinds())


@pytest.mark.parametrize(
    "headers",
    [
        {"host": HOST, "origin": "http://stats.example"},
        {"host": "192.0.2.1", "origin": "https://192.0.2.1", "x-forwarded-proto": "https"},
        {"host": "[2001:db8::1]", "origin": "https://[2001:db8::1]", "x-forwarded-proto": "https"},
        {"host": "[", "x-forwarded-proto": "https"},
    ],
)
async def test_where_no_browser_makes_passkeys_the_answer_says_why(
    world: Keys, headers: dict[str, str]
) -> None:
    answer = await world.call("passkey/begin", {}, headers=headers)
    assert (answer.status_code, answer.json()["error"]["field"]) == (400, "passkey")
    assert "https://" in answer.json()["error"]["message"]


async def test_a_page_on_this_machine_may_have_passkeys_too(world: Keys) -> None:
    headers = {"host": "localhost:8080", "origin": "http://localhost:8080"}
    answer = await world.call("passkey/begin", {}, headers=headers)
    assert answer.json()["options"]["rpId"] == "localhost"


async def test_an_account_has_so_many_passkeys_at_most(world: Keys) -> None:
    for _ in range(PASSKEYS_MAX):
        assert (await world.added(device())).status_code == 201
    assert (await world.added(device())).status_code == 400
    named = await world.added(device(), name="a" * 61)
    assert (named.status_code, named.json()["error"]["field"]) == (400, "name")


def test_the_used_challenges_kept_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(challenges, "USED_MAX", 10)
    made = Challenges(lambda: 1_000.0)
    for _ in range(30):
        assert made.take("x", made.new("x"))
    assert len(made._used) <= 10
    assert not made.take("y", made.new("x"))
