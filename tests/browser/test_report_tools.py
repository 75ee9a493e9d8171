"""What a reader does with the report page: asks, filters, saves, follows a link, walks a picture, opens a run."""

import csv
import io
import re
from pathlib import Path

import pytest
from conftest import Visit, visit
from playwright.sync_api import Browser, Locator, expect
from record_factory import outcomes, record
from report_folder import everything, material_of, steps, variant

from rlvr_bench.record.schema import RunRecord
from rlvr_bench.report.live import LivePage
from rlvr_bench.report.material import gather
from rlvr_bench.report.page import render

SWEEP = "organism-steps.chain-4.rlvr.exact.abcd00"
PAGES = re.compile(rb"/Type\s*/Page\b")


def on_bases(*bases: str) -> list[RunRecord]:
    """Five methods on several bases, one of them breaking now and then."""
    found = []
    for place, base in enumerate(bases):
        for method in range(5):
            for seed in range(5):
                one = record(f"m{method}", seed, outcomes(0.5 + 0.08 * method, 64, seed=seed + 7 * place))
                name = f"{base}.chain-4.rlvr.exact.{place:06x}"
                found.append(variant(one, name, base=one.cell["base"] | {"name": base, "label": base}))
    return found


@pytest.fixture(scope="module")
def asked(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("asked") / "report.html"
    path.write_text(render(material_of(on_bases("organism-direct", "organism-steps"), steps(6)))[0], encoding="utf-8")
    return path


def choice_rows(found: Visit) -> list[str]:
    return found.page.locator("#choice tbody th").all_inner_texts()


def test_the_first_screen_answers_with_its_caveat(browser: Browser, asked: Path) -> None:
    found = visit(browser, asked, viewport={"width": 1440, "height": 900})
    for text in ("First choice: m4. It has the best mean rank over 2 bases", "By trainable share", "By P(broken)"):
        expect(found.page.get_by_text(text).first).to_be_in_viewport()
    expect(found.page.locator(".caveat")).to_contain_text("agree at a tau of")
    expect(found.page.locator(".caveat")).to_be_in_viewport()
    assert choice_rows(found) == ["m4", "m3", "m2", "m1", "m0"]
    assert found.complaints == []
    found.page.context.close()


def test_a_budget_narrows_the_answer_and_a_reload_keeps_it(opened: Visit) -> None:
    assert len(choice_rows(opened)) == 4
    limit = opened.page.get_by_label("P(broken), at most")
    limit.select_option("0")
    expect(opened.page.locator("#choice [role=status]")).to_contain_text("3 of 4 methods are within this")
    assert "pissa" not in choice_rows(opened)
    opened.page.reload()
    expect(opened.page.locator("body[data-drawn]")).to_be_attached()
    expect(opened.page.get_by_label("P(broken), at most")).to_have_value("0")
    assert "pissa" not in choice_rows(opened)


def test_choices_are_in_the_address_and_a_link_carries_them(browser: Browser, opened: Visit, report: Path) -> None:
    opened.page.get_by_label("What is compared").select_option(SWEEP)
    opened.page.get_by_label("Filter rows").fill("lr > 0.0005")
    expect(opened.page.locator(f'body[data-drawn="{SWEEP}"]')).to_be_attached()
    link = opened.page.evaluate("location.hash")
    other = visit(browser, report)
    other.page.goto(report.as_uri() + "?" + link)
    expect(other.page.locator(f'body[data-drawn="{SWEEP}"]')).to_be_attached()
    assert sorted(other.rows()) == ["lora@0.001", "lora@0.003"]
    other.page.context.close()


def test_two_selectors_lead_to_every_comparison(opened: Visit) -> None:
    where, what = opened.page.get_by_label("Base and task"), opened.page.get_by_label("What is compared")
    total = opened.page.evaluate("DATA.comparisons.length")
    seen = set()
    for option in where.locator("option").all()[:-1]:
        where.select_option(option.get_attribute("value"))
        seen |= {each.get_attribute("value") for each in what.locator("option").all()}
    assert len(seen) == total and where.locator("option").count() - 1 < total
    where.select_option("")
    expect(what).to_be_disabled()


def test_the_navigation_stays_and_uncovers_what_it_leads_to(opened: Visit) -> None:
    opened.page.get_by_role("link", name="Published claims").click()
    nav, title = opened.page.locator("nav"), opened.page.locator("#findings-title")
    expect(title).to_be_focused()
    expect(nav).to_be_in_viewport()
    expect(title).to_be_in_viewport()
    while opened.page.evaluate("scrollY") <= 500:  # the page's policy forbids what wait_for_function would evaluate
        opened.page.wait_for_timeout(20)
    boxes = [box for box in (nav.bounding_box(), title.bounding_box()) if box]
    assert boxes[0]["y"] <= 0 and boxes[1]["y"] >= boxes[0]["y"] + boxes[0]["height"] - 1
    assert "at=findings" in opened.page.evaluate("location.hash")


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("accuracy > 0.7", ["full", "hostile"]),
        ("accuracy > 70%", ["full", "hostile"]),
        ("method ~ o and not method ~ 'onerror'", ["lora"]),
        ("(method = full or method = lora) and accuracy >= base_accuracy", ["full", "lora"]),
        ("accuracy = empty", ["lift"]),
        ("collapsed > 0", ["pissa"]),
        ("method = FULL", ["full"]),
        ('"full" or pissa', ["full", "pissa"]),
        ("accuracy > 2", []),
    ],
)
def test_rows_are_filtered_by_an_expression(opened: Visit, text: str, kept: list[str]) -> None:
    opened.page.get_by_label("Filter rows").fill(text)
    expect(opened.page.locator("#filter-error")).to_have_text("")
    assert sorted("hostile" if "onerror" in name else name for name in opened.rows()) == kept


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("acuracy > 1", "there is no column “acuracy”"),
        ("accuracy > high", "“high” is no number and no column of numbers"),
        ("method > full", "method holds texts"),
        ("accuracy ~ 1", "accuracy holds numbers"),
        ("accuracy >", "nothing follows “>”"),
        ("(accuracy > 1", "a bracket is not closed"),
        ("accuracy > 1)", "“)” is out of place"),
        ("accuracy > 0.1 and", "something is missing at the end"),
        ("method = 'full", "cannot be read"),
        ("accuracy < empty", "empty is compared by = or !="),
    ],
)
def test_a_wrong_expression_says_what_is_wrong_and_leaves_no_row_out(opened: Visit, text: str, said: str) -> None:
    field = opened.page.get_by_label("Filter rows")
    field.fill(text)
    expect(opened.page.locator("#filter-error")).to_contain_text(said)
    expect(field).to_have_attribute("aria-invalid", "true")
    assert len(opened.rows()) == 6 and opened.complaints == []


def test_an_expression_is_never_run(opened: Visit) -> None:
    for text in ("constructor = 1", "__proto__ ~ x", "accuracy > window.hacked=1", "alert(1)", "method ~ ${hacked=1}"):
        opened.page.get_by_label("Filter rows").fill(text)
    assert opened.page.evaluate("window.hacked") is None and opened.complaints == []


def saved(found: Visit, button: Locator) -> tuple[str, str]:
    with found.page.expect_download() as download:
        button.click()
    return download.value.suggested_filename, Path(download.value.path()).read_text(encoding="utf-8")


def test_what_is_shown_is_saved_as_csv(opened: Visit) -> None:
    opened.page.get_by_label("Filter rows").fill("full or onerror")
    name, text = saved(opened, opened.page.get_by_role("button", name="Leaderboard: save as CSV"))
    rows = list(csv.DictReader(io.StringIO(text)))
    assert name == "leaderboard.csv" and {row["method"] for row in rows} == set(opened.rows())
    full = next(row for row in rows if row["method"] == "full")
    column = "accuracy if sound, %"
    assert float(full[f"{column} low"]) < float(full[column]) < float(full[f"{column} high"])
    assert float(full["gain, points"]) == pytest.approx(float(full["gain, points"].lstrip("+")))
    assert "comparison" not in rows[0]  # a column that is not shown


def test_what_is_shown_is_saved_as_latex(opened: Visit) -> None:
    name, text = saved(opened, opened.page.get_by_role("button", name="Leaderboard: save as LaTeX"))
    lines = text.splitlines()
    assert name == "leaderboard.tex" and lines[0].startswith("\\begin{tabular}{l") and lines[-1] == "\\end{tabular}"
    body = lines[lines.index("\\midrule") + 1 : lines.index("\\bottomrule")]
    columns = {line.count("&") for line in body}
    assert len(body) == 6 and columns == {lines[2].count("&")}
    assert all(line.endswith(" \\\\") for line in body) and "accuracy if sound, \\%" in lines[2]


def test_a_saved_text_is_no_formula_and_no_command(opened: Visit) -> None:
    texts = ["=1+1", "@x", "-a", "'=b", 'say "a, b"', "−1.5", "1\u202f024", "+3.0"]
    table = {"headings": ["t"], "numeric": [False], "rows": [[text] for text in texts]}
    held = opened.page.evaluate("table => toCsv(table)", table)
    assert [row[0] for row in csv.reader(io.StringIO(held))][1:] == [
        "'=1+1", "'@x", "'-a", "''=b", 'say "a, b"', "-1.5", "1024", "3.0",
    ]  # fmt: skip
    written = opened.page.evaluate("table => toLatex(table)", table | {"rows": [["\\input{x} 5 % a_b ~ ^ # $ &"]]})
    assert "\\textbackslash{}input\\{x\\} 5 \\% a\\_b \\textasciitilde{} \\textasciicircum{} \\# \\$ \\&" in written


def test_any_two_metrics_are_set_against_each_other(opened: Visit) -> None:
    section = opened.page.locator("#price")
    section.locator("select").first.select_option("collapsed")
    section.locator("select").nth(1).select_option("accuracy_worst_seed")
    expect(section.locator("svg[role=img]")).to_have_attribute(
        "aria-label", re.compile("accuracy worst seed, % against collapsed")
    )
    expect(section.locator("figcaption")).to_contain_text("less is better")
    hash_ = opened.page.evaluate("location.hash")
    assert "x=collapsed" in hash_ and "y=accuracy_worst_seed" in hash_


def test_the_front_holds_what_nothing_beats(opened: Visit) -> None:
    points = [{"x": x, "y": y} for x, y in ((1, 1), (2, 3), (3, 2), (2, 3), (4, 4), (5, 4))]
    find = "([points, lower]) => paretoFront(points, lower).map((p) => [p.x, p.y])"
    held = opened.page.evaluate(find, [points, {"x": True, "y": False}])
    assert held == [[1, 1], [2, 3], [2, 3], [4, 4]]
    assert opened.page.evaluate(find, [points, {"x": False, "y": False}]) == [[5, 4]]


def test_a_method_has_one_colour_everywhere(opened: Visit) -> None:
    colours = opened.page.evaluate(
        """() => {
          const seen = {};
          for (const row of document.querySelectorAll("#rows tbody tr")) {
            const name = row.querySelector("button.open").textContent.split("@")[0];
            (seen[name] ??= new Set()).add(getComputedStyle(row.querySelector(".swatch")).backgroundColor);
          }
          return Object.entries(seen).map(([name, colours]) => [name, [...colours]]);
        }"""
    )
    assert len(colours) >= 5 and all(len(held) == 1 for _, held in colours)
    assert len({held[0] for _, held in colours}) == len(colours)
    of_lora = dict(colours)["lora"][0]
    drawn = opened.page.evaluate(
        "[...document.querySelectorAll('#curves svg path[stroke]')].map((path) => getComputedStyle(path).stroke)"
    )
    assert of_lora in drawn


def test_an_explanation_comes_with_the_focus_and_goes_with_escape(opened: Visit) -> None:
    button = opened.page.locator("#rows thead button:visible", has_text="broken")
    button.focus()
    tip = opened.page.get_by_role("tooltip")
    expect(tip).to_be_visible()
    expect(tip).to_contain_text("P(broken)")
    expect(button).to_have_attribute("aria-describedby", "tip")
    opened.page.keyboard.press("Escape")
    expect(tip).to_be_hidden()
    button.hover()
    expect(tip).to_be_visible()


@pytest.mark.parametrize("section", ["price", "curves", "rewards"])
def test_the_points_of_a_picture_are_walked_by_arrow_keys(opened: Visit, section: str) -> None:
    svg = opened.page.locator(f"#{section} svg[tabindex='0']").first
    said = opened.page.locator("#said")
    svg.focus()
    opened.page.keyboard.press("ArrowRight")
    first = said.inner_text()
    expect(svg.locator("g[aria-label=tip], [text-anchor] tspan").first).to_be_attached()
    opened.page.keyboard.press("End")
    assert first and said.inner_text() != first
    shown = svg.evaluate("node => node.textContent.replace(/\\s|\\u200b/g, '')")
    assert re.sub(r"\s", "", said.inner_text().split(", ")[-1]) in shown
    opened.page.keyboard.press("Home")
    expect(said).to_have_text(first)


def test_rates_are_small_curves_whose_numbers_the_keyboard_reaches(opened: Visit) -> None:
    opened.page.get_by_label("What is compared").select_option(SWEEP)
    curve = opened.page.locator("#rates .small-curve span")
    expect(curve).to_have_attribute("aria-label", re.compile(r"lora at 0\.0001: .*%.*0\.003: "))
    curve.focus()
    expect(opened.page.get_by_role("tooltip")).to_contain_text("0.0003:")


def test_weights_and_signals_are_told_in_words_and_open_to_pictures(opened: Visit) -> None:
    weights = opened.page.locator("#gates")
    assert weights.locator("svg").count() == 0
    weights.locator("summary").first.click()
    expect(weights.locator("svg").first).to_be_visible()
    weights.get_by_label("Figure").last.select_option("stable_rank")
    expect(weights.locator("svg").first).to_be_visible()  # what is drawn anew stays open
    signals = opened.page.locator("#signals")
    assert signals.locator("svg").count() == 0
    signals.locator("summary").first.click()
    expect(signals.locator("svg").first).to_be_visible()
    assert opened.complaints == []


def test_a_run_has_a_page_of_its_own_with_an_address(opened: Visit) -> None:
    opened.page.locator("#rows button.open:visible", has_text="lora").first.click()
    dialog = opened.page.get_by_role("dialog")
    dialog.get_by_role("button", name="seed 2").click()
    expect(dialog.get_by_role("heading", name="lora, seed 2")).to_be_focused()
    for title in ("Curves", "Completions", "Scores", "Stability", "Attestation", "Environment", "Settings"):
        expect(dialog.get_by_role("heading", name=title, exact=True)).to_be_visible()
    assert dialog.locator("svg[role=img]").count() >= 3
    cell = opened.page.evaluate("address.run")
    opened.page.reload()
    expect(dialog.get_by_role("heading", name="lora, seed 2")).to_be_visible()
    expect(dialog).to_contain_text(cell)
    dialog.get_by_role("button", name="All runs of lora").click()
    expect(dialog.get_by_role("button", name="seed 4")).to_be_visible()
    opened.page.keyboard.press("Escape")
    assert opened.page.evaluate("address.run") is None and opened.complaints == []


def test_profiles_and_orders_over_bases(browser: Browser, asked: Path) -> None:
    found = visit(browser, asked)
    section = found.page.locator("#bases")
    expect(section.locator("svg[aria-label^='Performance profiles']")).to_be_visible()
    expect(section.locator("svg[aria-label^='Accuracy on organism-direct and on organism-steps']")).to_be_visible()
    expect(section.get_by_role("heading", name="Kendall’s tau 1.00")).to_be_visible()
    assert found.complaints == []
    found.page.context.close()


def test_organisms_stand_beside_real_models(browser: Browser, tmp_path: Path) -> None:
    held = [one for one in everything() if one.keys.method_name == "full"]
    real = [
        variant(one, one.comparison.replace("organism-steps", "smollm2"), base=one.cell["base"] | {"name": "smollm2"})
        for one in held
    ]
    path = tmp_path / "report.html"
    path.write_text(render(material_of([*held, *real], steps(4)))[0], encoding="utf-8")
    found = visit(browser, path)
    section = found.page.locator("#kinds")
    expect(section.locator("svg[role=img]")).to_be_visible()
    rows = section.locator("tbody tr").all_inner_texts()
    assert len(rows) == 2 and all("smollm2" in row and "organism-steps" in row for row in rows)
    assert found.complaints == []
    found.page.context.close()


def test_on_paper_headings_stay_with_what_follows_and_tables_stay_whole(opened: Visit) -> None:
    opened.page.emulate_media(media="print")
    styles = opened.page.evaluate(
        """() => Object.fromEntries(["h2", "#sections section > .note", ".table", "figure"].map((name) => {
          const { breakAfter, breakInside } = getComputedStyle(document.querySelector(name));
          return [name, [breakAfter, breakInside]];
        }))"""
    )
    assert styles["h2"] == styles["#sections section > .note"] == ["avoid", "avoid"]
    assert styles[".table"][1] == styles["figure"][1] == "avoid"
    widths = opened.page.evaluate(
        "[...document.querySelectorAll('.scroll')].filter((box) => box.offsetWidth)"
        ".map((box) => [box.scrollWidth, box.clientWidth, getComputedStyle(box).overflowX])"
    )
    assert widths and all(overflow == "visible" for _, _, overflow in widths)


CUT_TEXTS = """() => [...document.querySelectorAll("svg")].flatMap((svg) => {
  const box = svg.getBoundingClientRect();
  const texts = box.width ? [...svg.querySelectorAll("text")].filter((text) => text.getBoundingClientRect().width) : [];
  return texts.filter((text) => {
    const own = text.getBoundingClientRect();
    return own.left < box.left - 1 || own.right > box.right + 1 || own.top < box.top - 1 || own.bottom > box.bottom + 1;
  }).map((text) => text.textContent);
})"""
"""What stands in a picture and is not wholly inside it."""


def test_the_committed_results_are_at_most_twelve_pages_of_paper(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "results").symlink_to(Path(__file__).parents[2] / "results")
    page, _ = render(gather(tmp_path / "results"))
    (tmp_path / "report.html").write_text(page, encoding="utf-8")
    found = visit(browser, tmp_path / "report.html", viewport={"width": 1280, "height": 900})
    assert len(page) < 6e6 and found.complaints == []
    assert len(PAGES.findall(found.page.pdf(prefer_css_page_size=True))) <= 12
    assert found.page.locator("#rewards svg").count() > 1 and found.page.evaluate(CUT_TEXTS) == []
    # runs of the same rewards at two rates are no repetitions of each other
    for rate in ("0.0003", "0.0001"):
        expect(
            found.page.locator("#rewards figcaption", has_text=f"steps 480, max new tokens 48, learning rate {rate}")
        ).to_have_count(1)
    profiles = found.page.locator("#bases svg[aria-label^='Performance profiles']")
    assert profiles.count() == 1
    found.page.locator("#bases details.fold > summary").first.click()
    expect(profiles).to_have_count(2)
    assert found.complaints == []
    found.page.context.close()


def test_a_page_that_is_served_becomes_the_newer_one(browser: Browser) -> None:
    made = []

    def make(state: object) -> str:
        made.append(state)
        count = len(made)
        return render(material_of([record("lora", seed) for seed in range(count)], steps(3)), state)[0]  # type: ignore[arg-type]

    with LivePage(make) as live:
        live.stage(2)
        page = browser.new_context().new_page()
        page.goto(live.address + "#filter=lora")
        expect(page.locator("#live")).to_have_text("Live: 0 of 2 cells of this run have ended.", timeout=60_000)
        live._next = 0.0  # as if it had rested
        live.ended()
        expect(page.locator("#live")).to_have_text("Live: 1 of 2 cells of this run have ended.", timeout=60_000)
        expect(page.get_by_label("Filter rows")).to_have_value("lora")
        assert len(made) == 2
    expect(page.locator("#live")).to_contain_text("The run has ended", timeout=60_000)
    page.context.close()
