"""The report page as a reader meets it, in real Chromium."""

import json
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from conftest import Visit, visit
from playwright.sync_api import Browser, expect
from pydantic_core import to_json
from record_factory import outcomes, record
from report_folder import HOSTILE, HOSTILE_NAME, five_hundred_rows, material_of, samples, steps

from rlvr_bench.record.samples import samples_path, write_samples
from rlvr_bench.report.document import document
from rlvr_bench.report.material import gather
from rlvr_bench.report.page import render

SECTIONS = [
    "price", "curves", "stability", "gates", "rewards", "signals", "transfer", "frontier", "promises", "ageing",
    "findings",
]  # fmt: skip
WHERE = "organism-steps, chain-4"
SWEEP = "organism-steps.chain-4.rlvr.exact.abcd00"


def test_the_page_asks_for_nothing_and_complains_of_nothing(opened: Visit, report: Path) -> None:
    assert opened.requests == [report.as_uri()]
    assert opened.complaints == []


def test_the_network_is_out_of_reach_even_for_a_script(opened: Visit) -> None:
    told = opened.page.evaluate("fetch('https://example.org/').then(() => 'reached', () => 'refused')")
    assert told == "refused" and len(opened.requests) == 1


def test_rows_and_runs_read_back_as_they_were_before_they_became_columns(
    opened: Visit, report: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RLVR_BENCH_CACHE", str(report.parents[1] / "cache"))
    data, _ = document(gather(report.parent))
    rows = json.loads(to_json(data["rows"], inf_nan_mode="null"))
    for row in rows:
        row["runs"] = [without_nothing(run) for run in row.get("runs", ())] or None
    written = [without_nothing(row) for row in rows]
    assert any("curves" in run for row in written for run in row.get("runs", ()))
    assert opened.page.evaluate("DATA.rows") == written


def without_nothing(value: Any) -> Any:
    """Return JSON whose objects have no key for a null or for an object that is empty then; what lists hold stays."""
    if not isinstance(value, dict):
        return value
    kept = {name: without_nothing(each) for name, each in value.items()}
    return {name: each for name, each in kept.items() if each is not None and each != {}}


def test_every_section_with_data_is_drawn(opened: Visit) -> None:
    assert [node.get_attribute("id") for node in opened.page.locator("#sections > section").all()] == SECTIONS
    assert opened.page.locator("#sections svg[aria-label]").count() >= 6
    expect(opened.page.locator("#absent")).to_have_text(
        "Left out, for want of data: learning-rate sensitivity (no method at two rates); "
        "methods over bases (no setting with five methods on two bases); "
        "organisms beside real models (no method trained on both)."
    )


def test_a_promise_stands_beside_what_became_of_it(opened: Visit) -> None:
    lines = opened.page.locator("#promises tbody tr")
    expect(lines.nth(0)).to_contain_text("1.0 [−2.0, 4.0] (128)")
    expect(lines.nth(0)).to_contain_text("not decided")
    expect(lines.nth(1)).to_contain_text("400 of 528")
    expect(lines.nth(1)).to_contain_text("2.0 [0.9, 3.9]")
    expect(opened.page.locator("#promises")).to_contain_text("0 of 1 promises")
    opened.page.get_by_text("Other trainings, and other kinds of policy, promised together with these").click()
    expect(opened.page.locator("#promises details tbody tr")).to_contain_text("not tried on fresh problems")
    expect(opened.page.locator("#ageing tbody tr").nth(0)).to_contain_text("0.800")
    assert "0.650 [0.650, 0.650]" in opened.page.locator("#ageing").text_content()


def test_sorting_by_a_heading_and_back(opened: Visit) -> None:
    heading = opened.page.locator("#rows thead th", has_text="accuracy if sound, %")
    heading.get_by_role("button").click()
    descending = opened.rows()
    expect(heading).to_have_attribute("aria-sort", "descending")
    assert descending[0] == "full" and descending[-1] == "lift"  # failed: no accuracy, last either way
    heading.get_by_role("button").press("Enter")
    expect(heading).to_have_attribute("aria-sort", "ascending")
    assert opened.rows() == [*reversed(descending[:-1]), "lift"]
    opened.page.locator("#rows thead th").first.get_by_role("button").press("Space")
    assert opened.rows() == sorted(descending)
    assert opened.page.locator("#rows thead th[aria-sort]").count() == 1


def test_searching_and_choosing_a_comparison(opened: Visit) -> None:
    opened.page.get_by_label("Filter rows").fill("LOR")
    assert opened.rows() == ["lora"]
    expect(opened.page.locator("#count")).to_contain_text("1 of 6 rows")
    opened.page.get_by_label("Filter rows").fill("no such method")
    assert opened.rows() == []
    opened.page.get_by_label("Filter rows").fill("")
    opened.page.get_by_label("What is compared").select_option(SWEEP)
    expect(opened.page.locator(f'body[data-drawn="{SWEEP}"]')).to_be_attached()
    assert sorted(opened.rows()) == ["base", "lora@0.0001", "lora@0.0003", "lora@0.001", "lora@0.003"]
    assert opened.page.locator("#rates .small-curve circle").count() == 4
    opened.page.get_by_label("Base and task").select_option("")
    opened.page.locator("#unranked").check()
    assert len(opened.rows()) == opened.page.locator("#rows tbody tr").count()
    assert opened.complaints == []


def test_a_row_opens_by_keyboard_and_gives_the_focus_back(opened: Visit) -> None:
    button = opened.page.locator("button.open:visible", has_text="lora").first
    button.focus()
    opened.page.keyboard.press("Enter")
    dialog = opened.page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    expect(dialog.get_by_role("heading", name="lora")).to_be_visible()
    expect(dialog).to_contain_text("rlvr-bench run again.toml --seeds 0,1,2,3,4")
    assert dialog.locator("table tbody tr").count() == 5
    dialog.get_by_role("button", name="seed 3").click()
    expect(dialog).to_contain_text("Test CPU x 2")
    opened.page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(button).to_be_focused()


def test_hostile_strings_are_text(opened: Visit) -> None:
    opened.page.locator("button.open:visible", has_text="lora").first.click()
    opened.page.get_by_role("button", name="seed 0").click()
    expect(opened.page.locator("dialog .sample pre").first).to_have_text(HOSTILE)
    opened.page.keyboard.press("Escape")
    opened.page.locator("button.open:visible", has_text="lift").first.click()
    opened.page.get_by_role("button", name="seed 0").click()
    expect(opened.page.locator("dialog")).to_contain_text(HOSTILE.split("\u2028")[0])
    opened.page.keyboard.press("Escape")
    assert HOSTILE_NAME in opened.rows()
    expect(opened.page.locator("#findings")).to_contain_text("onerror")
    assert opened.page.evaluate("window.hacked") is None
    assert opened.page.locator("img").count() == 0 and opened.complaints == []


def test_a_script_that_is_written_into_the_page_does_not_run(opened: Visit) -> None:
    opened.page.evaluate("document.body.append(Object.assign(document.createElement('script'), {text: 'hacked = 1'}))")
    assert opened.page.evaluate("window.hacked") is None


def test_unranked_rows_that_would_drown_the_ranked_ones_are_folded(browser: Browser, tmp_path: Path) -> None:
    ranked = [record("full", seed, outcomes(0.8, seed=seed)) for seed in range(5)]
    single = [record(f"single-{place:02d}", 0, outcomes(0.5, seed=place)) for place in range(30)]
    (tmp_path / "report.html").write_text(render(material_of([*ranked, *single], steps(3)))[0], encoding="utf-8")
    found = visit(browser, tmp_path / "report.html")
    assert found.rows() == ["full", "base"]
    expect(found.page.locator("#count")).to_contain_text("2 of 32 rows")
    found.page.get_by_label("Filter rows").fill("single-07")
    assert found.rows() == ["single-07"]
    found.page.get_by_label("Filter rows").fill("")
    found.page.get_by_label("with 30 unranked rows").check()
    assert len(found.rows()) == 32 and found.rows()[:2] == ["full", "base"]
    curves = found.page.locator("#curves")
    assert curves.locator("figure table tbody tr").count() == 24
    curves.get_by_label("Rows").select_option("all")
    assert curves.locator("figure table tbody tr").count() == 31
    assert found.complaints == []
    found.page.context.close()


def colours(found: Visit) -> tuple[str, ...]:
    return tuple(
        found.page.evaluate(f"getComputedStyle(document.querySelector('{place}')).{what}")
        for place, what in (("html", "backgroundColor"), ("h1", "color"), ("#curves svg text", "fill"))
    )


def test_dark_follows_the_system_and_so_do_the_pictures(browser: Browser, report: Path, opened: Visit) -> None:
    dark = visit(browser, report, color_scheme="dark")
    assert all(one != other for one, other in zip(colours(opened), colours(dark), strict=True))
    dark.page.context.close()


@pytest.mark.parametrize("width", [320, 390, 768])
def test_no_page_scrolls_sideways(browser: Browser, report: Path, width: int) -> None:
    phone = visit(browser, report, viewport={"width": width, "height": 800})
    size = phone.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert size[0] <= size[1]
    table = phone.page.evaluate("(box => [box.scrollWidth, box.clientWidth])(document.querySelector('#board .scroll'))")
    assert table[0] > table[1]  # it scrolls inside its box
    phone.page.locator("button.open:visible").first.click()
    assert phone.page.evaluate("document.querySelector('dialog').scrollWidth") <= width
    assert phone.complaints == []
    phone.page.context.close()


def test_print_shows_the_table_and_leaves_out_the_controls(opened: Visit) -> None:
    opened.page.emulate_media(media="print", color_scheme="dark")
    expect(opened.page.locator("#controls")).to_be_hidden()
    expect(opened.page.locator("#rows")).to_be_visible()
    assert opened.page.evaluate("getComputedStyle(document.querySelector('#board .scroll')).overflowX") == "visible"
    assert opened.page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(255, 255, 255)"
    assert opened.page.pdf().startswith(b"%PDF")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_barrier(browser: Browser, report: Path, scheme: str) -> None:
    found = visit(browser, report, color_scheme=scheme, bypass_csp=True)
    results = Axe().run(found.page)
    assert results.violations_count == 0, results.generate_report()
    found.page.locator("button.open:visible", has_text="lora").first.click()
    results = Axe().run(found.page, context="dialog")
    assert results.violations_count == 0, results.generate_report()
    found.page.context.close()


def test_five_hundred_rows_stay_small_and_are_usable(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RLVR_BENCH_CACHE", str(tmp_path))
    material = five_hundred_rows()
    assert len(material.rows) == 500
    written = write_samples("a" * 12, samples("a" * 12, ["1+2=3 " * 70] * 3)).read_bytes()
    for records in material.runs.values():
        path = samples_path(records[0].cell_id)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(written)
    page, _ = render(material)
    (tmp_path / "report.html").write_text(page, encoding="utf-8")
    size = (tmp_path / "report.html").stat().st_size
    large = visit(browser, tmp_path / "report.html", viewport={"width": 1280, "height": 900})
    usable = int(large.page.evaluate("document.body.dataset.usable"))
    # Shown and not asserted: both depend on the machine, and the clock on what else it does.
    print(f"{size / 1e6:.2f} MB, usable after {usable} ms, {large.seconds():.2f} s of work with all pictures")
    assert size < 6e6
    assert large.page.locator("#rows tbody tr").count() == 500 and len(large.rows()) == 20
    large.page.locator("button.open:visible").first.click()
    large.page.get_by_role("button", name="seed 0").click()
    expect(large.page.locator("dialog")).to_contain_text("1+2=3")
    assert large.complaints == []
    large.page.context.close()


def test_a_page_of_one_run_is_drawn(browser: Browser, tmp_path: Path) -> None:
    page, _ = render(material_of([record("lora", 0)], steps(3)))
    (tmp_path / "report.html").write_text(page, encoding="utf-8")
    single = visit(browser, tmp_path / "report.html")
    assert sorted(single.rows()) == ["base", "lora"] and single.complaints == []
    single.page.context.close()
