"""The one parse: what it reads differently from CommonMark, and that it loses nothing."""

import pytest

from shared.markdown import MAX_LENGTH, parse, parser


def html(text):
    return parser().renderer.render(parse(text), parser().options, {}).strip()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("**Status:**OK", "<p><strong>Status:</strong>OK</p>"),
        ("**Price:**$5 and **Total:**€6", "<p><strong>Price:</strong>$5 and <strong>Total:</strong>€6</p>"),
        ("这是**“重点”**内容", "<p>这是<strong>“重点”</strong>内容</p>"),
        ("2*3*4=24", "<p>2*3*4=24</p>"),
        ("2**3**4", "<p>2**3**4</p>"),
        ("g(**a,**b)", "<p>g(**a,**b)</p>"),
        ("(**a**)", "<p>(<strong>a</strong>)</p>"),
        ("**a**, **b**.", "<p><strong>a</strong>, <strong>b</strong>.</p>"),
        ("***a*** b", "<p><em><strong>a</strong></em> b</p>"),
        ("a ** b ** c", "<p>a ** b ** c</p>"),
    ],
)
def test_asterisks_mean_what_people_mean(text, expected):
    assert html(text) == expected


def test_html_is_text():
    assert html("<b>a</b>") == "<p>&lt;b&gt;a&lt;/b&gt;</p>"


def test_a_definition_is_kept_unless_every_one_is_used():
    assert html("[a]\n\n[a]: /b") == '<p><a href="/b">a</a></p>'
    assert html("[a]: /b") == "<p>[a]: /b</p>"
    assert html("[a]\n\n[a]: /b") == '<p><a href="/b">a</a></p>', "the rule is on again"


def test_what_is_too_deep_or_too_long_is_plain():
    assert "deep" in html("> " * 30 + "deep")
    long = "**a** " * (MAX_LENGTH // 6 + 1)
    assert html(long).startswith("<p>**a**")
