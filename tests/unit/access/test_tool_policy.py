"""Which tools are called at once, which ask, which never."""

from __future__ import annotations

from typing import Any

import pytest

from shared.access.records import User
from shared.access.tool_policy import ToolPolicy
from shared.messages import SettingError
from shared.ports import Effect, Permission
from shared.settings import Settings
from tests.fakes.clock import START

ANN = User(id="ann", created_at=START)


def permission(tool: str, effect: Effect, **settings: Any) -> Permission:
    policy = ToolPolicy(Settings.model_validate(settings))
    return policy.permission(tool=tool, effect=effect, user=ANN)


@pytest.mark.parametrize(
    ("effect", "allowed"),
    [
        (Effect.READ, Permission.ALLOW),
        (Effect.WRITE, Permission.ALLOW),
        (Effect.DESTRUCTIVE, Permission.ASK),
    ],
)
def test_without_rules_only_what_destroys_asks(effect: Effect, allowed: Permission) -> None:
    assert permission("anything", effect) is allowed


def test_deny_wins_then_ask_then_allow() -> None:
    rules = {"PRAXOS_TOOLS_DENY": "a", "PRAXOS_TOOLS_ASK": "a, b", "PRAXOS_TOOLS_ALLOW": " a,b ,c,"}
    assert permission("a", Effect.READ, **rules) is Permission.DENY
    assert permission("b", Effect.READ, **rules) is Permission.ASK
    assert permission("c", Effect.DESTRUCTIVE, **rules) is Permission.ALLOW
    assert permission("d", Effect.DESTRUCTIVE, **rules) is Permission.ASK
    assert permission("d", Effect.WRITE, **rules) is Permission.ALLOW


def test_a_misspelt_name_can_be_found() -> None:
    policy = ToolPolicy(Settings.model_validate({"PRAXOS_TOOLS_DENY": "forgett, web"}))
    assert policy.unknown(["forget", "web"]) == ["forgett"]


@pytest.mark.parametrize("value", ["somebody", ":7", "telegram:"])
def test_an_approver_is_the_owner_or_an_identity(value: str) -> None:
    with pytest.raises(SettingError, match="PRAXOS_APPROVER"):
        Settings.from_environ({"PRAXOS_APPROVER": value})


@pytest.mark.parametrize("value", ["", "owner", "telegram:7", "web:terminal", "teams:29:x:y"])
def test_what_an_approver_may_be(value: str) -> None:
    assert Settings.from_environ({"PRAXOS_APPROVER": value}).approver == value
