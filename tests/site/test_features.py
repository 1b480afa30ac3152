"""What readers do with the site: switch language, copy code, print, read without JavaScript."""

import code
import re
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCREENSHOTS = ROOT / "build" / "screenshots"
LESSON = "tutorials/backpropagation"
SHOWN = ["index", "start", LESSON, "tutorials/overfit", "reference/glossary", "guides/resume"]
PHONE = {"viewport": {"width": 360, "height": 780}}
TABLET = {"viewport": {"width": 768, "height": 1024}}
LCP = """() => new Promise(done => new PerformanceObserver(list => done(
  Math.max(...list.getEntries().map(entry => entry.startTime))
)).observe({type: "largest-contentful-paint", buffered: true}))"""


# ------------------------------------------------------------------ languages


@pytest.mark.parametrize("size", [{}, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize(("here", "there"), [("en", "zh_CN"), ("zh_CN", "en")])
def test_the_language_switch_keeps_page_and_heading(visit, soups, here, there, size):
    heading = soups[f"en/{LESSON}.html"].select("article section section")[1]["id"]
    page = visit(**size).open(f"{here}/{LESSON}.html#{heading}")
    page.locator(".lang-switch a:visible").click()
    page.wait_for_url(f"**/{there}/{LESSON}.html#{heading}")
    assert page.locator("html").get_attribute("lang") == there.replace("_", "-")
    page.wait_for_function(
        "id => Math.abs(document.getElementById(id).getBoundingClientRect().top) < innerHeight / 2",
        arg=heading,
    )


@pytest.mark.parametrize(("locale", "folder"), [("zh-CN", "zh_CN"), ("en-GB", "en"), ("fr", "en")])
def test_the_root_leads_to_the_readers_language(visit, locale, folder):
    page = visit(locale=locale).open("")
    page.wait_for_url(f"**/{folder}/index.html")


# ------------------------------------------------------------------ parts of a page


def copy(page, block):
    """Click the copy button of a block of code and return what it puts on the clipboard."""
    block.hover()
    block.locator("button.copybtn").click()
    page.wait_for_function("navigator.clipboard.readText().then(text => text !== '')")
    return page.evaluate("navigator.clipboard.readText()")


@pytest.mark.parametrize("language", ["en", "zh_CN"])
def test_the_copy_button_takes_the_code_without_prompts_and_outputs(visit, language):
    one = visit(permissions=["clipboard-read", "clipboard-write"])
    page = one.open(f"{language}/{LESSON}.html")
    block = page.locator("div.highlight:has(pre .go)").first
    shown = block.locator("pre").inner_text()
    prompts = re.findall(r"^(?:>>>|\.\.\.) ?(.*)$", shown, re.MULTILINE)
    assert len(prompts) < len(shown.strip().splitlines())  # there is an output to leave out
    copied = copy(page, block).splitlines()
    # empty: the end of a block, which the next test looks at
    assert [line.rstrip() for line in copied if line] == [line.rstrip() for line in prompts]


@pytest.mark.parametrize(
    ("name", "part"),
    [("reference/corrections", "steps += 1"), ("reference/glossary", "enumerate")],
    ids=["a line after the block", "a block at the end"],
)
def test_what_the_copy_button_takes_runs_line_by_line_at_pythons_prompt(visit, capsys, name, part):
    one = visit(permissions=["clipboard-read", "clipboard-write"])
    page = one.open(f"en/{name}.html")
    block = page.locator("div.highlight:has(pre .go)", has_text=part).first
    assert "\n\n" not in block.locator("pre").inner_text()  # the page shows no empty line
    console = code.InteractiveConsole()
    for line in copy(page, block).split("\n"):
        waits_for_more = console.push(line)
    assert not waits_for_more
    printed = capsys.readouterr()
    assert printed.err == ""
    assert printed.out.splitlines() == block.locator("pre .go").all_text_contents()


def test_dark_and_light_follow_the_reader_and_the_choice_is_kept(visit):
    one = visit(color_scheme="dark")
    page = one.open("en/index.html")
    theme = "document.documentElement.dataset.theme"
    assert page.evaluate(theme) == "dark"
    page.locator(".theme-switch-button:visible").click()
    page.locator("button[data-mode=light]:visible").click()
    assert page.evaluate(theme) == "light"
    assert one.open("zh_CN/index.html").evaluate(theme) == "light"


def test_the_icons_and_formulas_have_their_fonts(visit, soups):
    one = visit()
    page = one.open(f"en/{LESSON}.html")
    page.evaluate("document.fonts.ready")
    assert page.evaluate("document.fonts.check('900 16px \"Font Awesome 7 Free\"')")
    formulas = {sign for soup in soups.values() for f in soup.find_all("math") for sign in f.text}
    signs = {s for s in formulas if s.isprintable() and not s.isspace() and not "一" <= s <= "鿿"}
    assert len(signs) > 80
    page.evaluate(
        """signs => {
      const line = document.createElement("p");
      line.id = "signs"; line.style.fontFamily = "'STIX Two Math'"; line.textContent = signs;
      document.body.append(line);
    }""",
        "".join(sorted(signs)),
    )
    client = one.context.new_cdp_session(page)
    for domain in ("DOM", "CSS"):
        client.send(f"{domain}.enable")
    root = client.send("DOM.getDocument")["root"]["nodeId"]
    node = client.send("DOM.querySelector", {"nodeId": root, "selector": "#signs"})["nodeId"]
    fonts = client.send("CSS.getPlatformFontsForNode", {"nodeId": node})["fonts"]
    assert [font["familyName"] for font in fonts] == ["STIX Two Math"], fonts


def test_previous_and_next_lead_through_the_course_and_back(visit):
    page = visit().open("en/tutorials/index.html")
    first = page.url
    page.locator("a.right-next").click()
    page.wait_for_url(lambda url: url != first)
    page.locator("a.left-prev").click()
    page.wait_for_url(first)


@pytest.mark.parametrize("size", [{}, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("name", ["index", LESSON, "tutorials/overfit", "tutorials/overfit-steps"])
def test_the_keyboard_alone_reaches_every_link_and_button(visit, name, size):
    page = visit(**size).open(f"en/{name}.html")
    targets = page.evaluate(
        """() => {
      const all = [...document.querySelectorAll("a[href], button, input, summary")];
      const seen = all.filter(e => e.checkVisibility({visibilityProperty: true}));
      seen.forEach((e, i) => e.dataset.target = i);
      return seen.length;
    }"""
    )
    reached = set()
    for _ in range(2 * targets):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.dataset.target ?? null"))
        if len(reached - {None}) == targets:
            break
    missing = set(map(str, range(targets))) - reached
    assert not missing, [
        page.locator(f"[data-target='{i}']").evaluate("e => e.outerHTML") for i in missing
    ]


def test_the_keyboard_opens_the_search(visit):
    page = visit().open("en/index.html")
    page.keyboard.press("Control+k")
    page.locator("#pst-search-dialog input").wait_for(state="visible")
    page.keyboard.type("softmax")
    page.keyboard.press("Enter")
    page.wait_for_url("**/en/search.html?q=softmax*")
    page.wait_for_selector("#search-results ul.search li a")


# ------------------------------------------------------------------ other ways to read


@pytest.mark.parametrize(
    ("path", "language"), [("en/no/such/page.html", "en"), ("zh_CN/nowhere", "zh_CN"), ("x", "en")]
)
def test_an_unknown_address_shows_the_404_page_with_search(visit, address, path, language):
    one = visit()
    page = one.page
    response = page.goto(f"{address}/{path}")
    assert response.status == 404
    page.wait_for_function(
        "tag => document.documentElement.lang === tag", arg=language.replace("_", "-")
    )
    field = page.locator(".bd-article input[type=search]")
    field.fill("softmax")
    field.press("Enter")
    page.wait_for_url(f"**/{language}/search.html?q=softmax")
    page.wait_for_selector("#search-results ul.search li a")
    ours = [complaint for complaint in one.complaints if path not in complaint]
    assert [c for c in ours if "status of 404" not in c] == []


@pytest.mark.parametrize("language", ["en", "zh_CN"])
@pytest.mark.parametrize("size", [{}, TABLET, PHONE], ids=["desktop", "tablet", "phone"])
def test_without_javascript_all_but_the_search_works(visit, language, size):
    one = visit(java_script_enabled=False, **size)
    page = one.open(f"{language}/{LESSON}.html")
    assert page.locator(".bd-sidebar-primary a:visible").count() > 10  # the menu of the course
    assert page.locator(":is(.primary-toggle, .secondary-toggle):visible").count() == 0
    assert page.locator("math").first.bounding_box()["height"] > 5
    assert page.locator(".search-button:visible").count() == 0
    answer = page.locator("details.sd-dropdown").first
    answer.locator("summary").click()
    assert answer.locator(".sd-card-body, .sd-summary-content").first.is_visible()
    picture = page.locator("article img").first
    picture.scroll_into_view_if_needed()
    assert picture.bounding_box()["height"] > 50
    page.locator("a.right-next").click()
    assert LESSON not in page.url
    page.locator(".lang-switch a:visible").click()
    assert f"/{language}/" not in page.url
    assert one.complaints == []


def test_without_javascript_the_root_leads_to_a_page_in_english(visit):
    page = visit(java_script_enabled=False).open("")
    page.get_by_role("link", name="简体中文").wait_for()
    page.wait_for_url("**/en/index.html")


def test_on_paper_there_is_the_lesson_and_nothing_else(visit):
    page = visit(viewport={"width": 640, "height": 900}).open(f"en/{LESSON}.html")
    page.emulate_media(media="print")
    for part in (".bd-header", ".bd-sidebar-primary", ".bd-sidebar-secondary", ".prev-next-area"):
        assert page.locator(f"{part}:visible").count() == 0, part
    article = page.locator("article").bounding_box()
    assert article["width"] > 560
    # a box that scrolls would cut off what page breaks push out of it: the end of the lesson
    clips = "all => all.filter(box => getComputedStyle(box).overflowX !== 'visible').length"
    assert page.locator(":has(> article), :has(> * > article)").evaluate_all(clips) == 0
    wide = "pre => pre.scrollWidth > pre.clientWidth"
    assert not any(page.locator("article pre:visible").evaluate_all(f"all => all.map({wide})"))
    assert len(page.pdf()) > 50_000


def test_the_unpacked_archive_is_read_and_searched_from_the_file_system(site, visit, tmp_path):
    with zipfile.ZipFile(site / "refnet-site.zip") as archive:
        archive.extractall(tmp_path)
    assert visit().open("en/index.html").locator(".archive a").is_visible()  # offered on the Web
    one = visit()
    one.address = (tmp_path / "refnet-site").as_uri()
    page = one.open("index.html")
    page.wait_for_url("**/en/index.html")
    assert page.locator(".archive").count() == 0
    page = one.open(f"zh_CN/{LESSON}.html")
    assert page.locator("math").first.is_visible()
    page = one.open("en/search.html?q=softmax")
    page.wait_for_selector("#search-results ul.search li a")
    assert one.complaints == []


# ------------------------------------------------------------------ how fast, how it looks


def test_the_largest_content_is_painted_within_a_second_and_a_half(visit):
    times = []
    for _ in range(5):  # the machine may be busy with other work: the best of five counts
        one = visit()
        times.append(one.open(f"zh_CN/{LESSON}.html").evaluate(LCP))
        one.context.close()
        if times[-1] < 1500:
            break
    assert min(times) < 1500, times


@pytest.mark.usefixtures("chinese_font")
@pytest.mark.parametrize("name", SHOWN)
def test_a_picture_of_the_page_is_kept_as_a_file_of_the_run(visit, name):
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    for language, scheme, size in (("en", "light", {}), ("zh_CN", "dark", PHONE)):
        page = visit(color_scheme=scheme, **size).open(f"{language}/{name}.html")
        target = SCREENSHOTS / f"{name.replace('/', '-')}-{language}-{scheme}.png"
        page.screenshot(path=target)
        assert target.stat().st_size > 10_000
