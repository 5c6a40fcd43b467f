"""Ids: the same for the same thing, different for different things, and allowed everywhere they go."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import ids

ANY = st.text(max_size=400)
FORBIDDEN = re.compile(r"[/\\?#$]")


@given(ANY)
def test_broker_ids_fit_and_have_no_forbidden_character(text: str) -> None:
    for made, length in ((ids.message(text), 128), (ids.session(text), 128), (ids.instance(text), 100)):
        assert len(made) <= length
        assert not FORBIDDEN.search(made)


@given(ANY, ANY)
def test_different_names_have_different_ids(one: str, other: str) -> None:
    if one != other:
        assert ids.message(one) != ids.message(other)
        assert ids.document("entry", one) != ids.document("entry", other)


@given(ANY)
def test_fitting_twice_is_fitting_once(text: str) -> None:
    assert ids.partition(ids.partition(text)) == ids.partition(text)


@given(st.tuples(ANY, ANY), st.tuples(ANY, ANY))
def test_the_fields_of_an_id_cannot_run_into_each_other(one: tuple[str, str], other: tuple[str, str]) -> None:
    def made(pair: tuple[str, str]) -> str:
        return ids.conversation(tenant="t", channel="c", account=pair[0], chat=pair[1])

    if one != other:
        assert made(one) != made(other)


def test_a_thread_is_a_conversation_of_its_own() -> None:
    chat = ids.conversation(tenant="t", channel="c", account="a", chat="1")
    assert ids.conversation(tenant="t", channel="c", account="a", chat="1", thread="2") == chat + ":2"


@given(ANY)
def test_secret_names_have_the_characters_that_key_vault_allows(text: str) -> None:
    assert re.fullmatch(r"[0-9A-Za-z-]{1,127}", ids.secret("cred", text))


def test_a_secret_prefix_is_checked() -> None:
    with pytest.raises(ValueError, match="prefix"):
        ids.secret("a_b", "x")


def test_bells_are_never_the_same() -> None:
    assert len({ids.fresh() for _ in range(1000)}) == 1000
