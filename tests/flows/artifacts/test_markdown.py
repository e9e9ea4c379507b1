"""What others wrote is shown as they wrote it: read back by a parser of Markdown that knows nothing of this one."""

import re
from html import unescape

import pytest
from markdown_it import MarkdownIt

from flows.artifacts.markdown import block, bullets, code, link, printable, table, text

NASTY = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "a | b || c",
    "**bold** _it_ ~~no~~ `code` ``more``",
    "[label](javascript:alert(1)) ![x](http://e.org/x.png)",
    "back\\slash \\| \\` \\<",
    "&lt;b&gt; &amp; &#60;",
    "# not a heading",
    "$x$ {y}",
    "loss: 2.5, 100% of 1_000_000 (done)",
]
MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


def seen(rendered: str) -> str:
    """The text of HTML, of which a reader sees all but the tags."""
    return unescape(re.sub(r"<[^>]*>", "", rendered)).strip()


@pytest.mark.parametrize("value", NASTY)
def test_text_is_seen_as_it_was_written(value: str) -> None:
    rendered = MARKDOWN.renderInline(f"before {text(value)} after")
    assert "<" not in rendered.replace("&lt;", ""), "no tag of whatever kind"
    assert seen(rendered) == f"before {value} after"


@pytest.mark.parametrize("value", [*NASTY, "`", "``x``", "a ``` b", "`begins", "ends`"])
def test_code_is_seen_as_it_was_written(value: str) -> None:
    rendered = MARKDOWN.renderInline(f"before {code(value)} after")
    assert re.fullmatch(r"before <code>[^<]*</code> after", rendered)
    assert seen(rendered) == f"before {value} after"


@pytest.mark.parametrize("fence", ["```", "````", "~~~", "``` html", "   ```", "`" * 40])
def test_nothing_in_a_block_of_lines_ends_it(fence: str) -> None:
    lines = ["first", fence, *NASTY, fence, "last"]
    rendered = MARKDOWN.render(f"{block(lines)}\n\nafter")
    assert rendered.count("<pre>") == 1
    inside = rendered.partition("<pre><code>")[2].partition("</code></pre>")
    assert unescape(inside[0]).splitlines() == lines
    assert inside[2].strip() == "<p>after</p>"


def test_a_table_has_a_cell_for_each_value() -> None:
    rows = [(value, number) for number, value in enumerate(NASTY)]
    rendered = MARKDOWN.render(table(("a|b", "<n>"), rows))
    cells = [seen(cell) for cell in re.findall(r"<t[hd]>(.*?)</t[hd]>", rendered)]
    assert cells == ["a|b", "<n>", *(str(value) for row in rows for value in row)]


def test_only_addresses_of_the_web_become_links() -> None:
    rendered = MARKDOWN.renderInline(link("run <1>", "http://host:5000/#/runs/ab(c)?x=<y> z"))
    assert rendered == '<a href="http://host:5000/#/runs/ab%28c%29?x=%3Cy%3E%20z">run &lt;1&gt;</a>'
    for address in ("javascript:alert(1)", "file:///etc/passwd", "sqlite:///var/mlflow.db", "data:text/html,x"):
        assert "href" not in MARKDOWN.renderInline(link("run", address))


def test_lines_have_no_control_characters() -> None:
    assert printable("a\x00b\x1b[31mc\td\u2028e") == "a�b�[31mc\td�e"
    assert text("two\nlines\tand  gaps") == "two lines and gaps"


def test_items_are_one_list() -> None:
    assert MARKDOWN.render(bullets(["one", "two"])) == "<ul>\n<li>one</li>\n<li>two</li>\n</ul>\n"
