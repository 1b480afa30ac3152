"""Films play in the page, the slider moves six nets: from a server and from the file system."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SLIDER = "tutorials/overfit-steps.html"
DOCS = Path(__file__).resolve().parents[2] / "docs"
RESULTS = DOCS / "results" / "overfit"
FRAMES = json.loads((RESULTS / "frames.json").read_text(encoding="utf-8"))


@pytest.fixture(params=["http", "file"])
def base(request, address, site):
    """Return where the site is: served from this machine, or opened from the file system."""
    return address if request.param == "http" else site.as_uri()


@pytest.fixture
def go(browser, base):
    """Open a page in a browser that has seen no other: go(page, **options of the context)."""
    contexts = []

    def start(path, **options):
        contexts.append(browser.new_context(**options))
        page = contexts[-1].new_page()
        page.set_default_timeout(30_000)
        page.goto(f"{base}/{path}", wait_until="load")
        return page

    yield start
    for context in contexts:
        context.close()


@pytest.mark.parametrize("language", ["en", "zh_CN"])
@pytest.mark.parametrize(("path", "count"), [("index.html", 1), ("tutorials/overfit.html", 8)])
def test_each_film_plays_to_its_end_and_only_when_asked(go, language, path, count):
    films = go(f"{language}/{path}").locator("video")
    assert films.count() == count
    for film in films.all():
        assert film.evaluate("v => [v.paused, v.autoplay, v.controls]") == [True, False, True]
        assert film.get_attribute("preload") == "none"
        assert film.get_attribute("aria-label")
        assert film.bounding_box()["width"] > 250
        seen = film.evaluate(
            """async video => {
                video.loop = false;
                video.playbackRate = 8;
                const end = new Promise(done => video.addEventListener("ended", done));
                await video.play();
                await end;
                return [video.currentTime, video.duration, video.videoWidth, video.error];
            }"""
        )
        assert seen[0] == pytest.approx(seen[1], abs=0.2)  # the last frame lasts 1/8 s
        assert seen[1] > 2
        assert seen[2:] == [500, None]


def test_a_film_shows_its_last_picture_before_it_plays(go):
    film = go("en/tutorials/overfit.html").locator("video").first
    width = film.evaluate(
        """async video => {
            const picture = new Image();
            picture.src = video.poster;
            await picture.decode();
            return picture.naturalWidth;
        }"""
    )
    assert width == 500


def shown(page):
    """Return the step, and each net's overlap and place in its frames, as the page shows them."""
    frames = page.locator(".training-frame").all()
    return (
        int(page.locator(".training output").inner_text()),
        [float(text.split()[1]) for text in page.locator("[data-iou]").all_inner_texts()],
        [frame.evaluate("f => parseFloat(f.style.backgroundPositionY)") for frame in frames],
    )


@pytest.mark.parametrize("language", ["en", "zh_CN"])
@pytest.mark.parametrize("width", [360, 1280])
def test_the_keyboard_moves_all_six_nets(go, language, width):
    page = go(f"{language}/{SLIDER}", viewport={"width": width, "height": 900})
    page.locator(".training input").focus()
    last = len(FRAMES["steps"]) - 1
    for key, index in (("Home", 0), ("ArrowRight", 1), ("ArrowRight", 2), ("End", last)):
        page.keyboard.press(key)
        step, overlaps, places = shown(page)
        assert step == FRAMES["steps"][index]
        wanted = [FRAMES["iou"][net["key"]][index] for net in FRAMES["configurations"]]
        assert overlaps == pytest.approx(wanted, abs=0.006)  # two digits are shown
        assert places == pytest.approx([100 * index / last] * 6, abs=0.01)
    value = page.locator(".training input").get_attribute("aria-valuetext")
    assert value == str(FRAMES["steps"][-1])
    assert page.locator(".training-nets").get_attribute("aria-live") == "polite"
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_the_frame_that_is_shown_is_that_of_the_step(go):
    page = go(f"en/{SLIDER}", viewport={"width": 1280, "height": 900})
    frame = page.locator(".training-frame").nth(4)  # cos on [-3, 3]: dark grey, then the word
    page.locator(".training input").focus()
    pictures = {}
    for key in ("Home", "End"):
        page.keyboard.press(key)
        pictures[key] = frame.screenshot()
    assert pictures["Home"] != pictures["End"]
    box = frame.bounding_box()
    assert box["width"] / box["height"] == pytest.approx(250 / 75, rel=0.02)


def test_the_sheets_of_frames_have_arrived(go):
    page = go(f"en/{SLIDER}")
    sizes = page.evaluate(
        """() => Promise.all([...document.querySelectorAll(".training-frame")].map(async frame => {
            const sheet = new Image();
            sheet.src = getComputedStyle(frame).backgroundImage.slice(5, -2);
            await sheet.decode();
            return [sheet.naturalWidth, sheet.naturalHeight];
        }))"""
    )
    wanted = [[n["width"], n["height"] * n["frames"]] for n in FRAMES["configurations"]]
    assert sizes == wanted


@pytest.mark.parametrize(
    ("language", "sentence"), [("en", "Without JavaScript"), ("zh_CN", "没有 JavaScript")]
)
def test_without_javascript_a_sentence_and_the_last_pictures_are_shown(go, language, sentence):
    page = go(f"{language}/{SLIDER}", java_script_enabled=False)
    assert sentence in page.locator(".training").inner_text()
    assert not page.locator(".training input").is_visible()
    assert page.locator(".training output").text_content() == str(FRAMES["steps"][-1])
    assert all(frame.is_visible() for frame in page.locator(".training-frame").all())


# ------------------------------------------------------------------ what a page may say wrongly


@pytest.mark.parametrize(
    ("page", "left_out", "reason"),
    [
        (
            "```{slider} frames.json\nHint.\n\n- Step\n- One net\n```",
            "nothing",
            "slider: expected a paragraph and a list of 7 lines, the control and 6 nets of",
        ),
        ("```{film} cos-3.png\n:alt: A film.\n```", "cos-3.webm", "cos-3.webm: expected a file"),
        ("```{film} cos-3.png\n:alt: A film.\n```", "cos-3.png", "image file not readable"),
        ("```{film} cos-3.png\n:alt: A film.\n```", "nothing", None),
    ],
)
def test_a_build_names_the_film_or_line_that_is_missing(tmp_path, page, left_out, reason):
    shutil.copytree(RESULTS, tmp_path, ignore=lambda *_: [left_out], dirs_exist_ok=True)
    (tmp_path / "index.md").write_text(f"# A page\n\n{page}\n", encoding="utf-8")
    settings = f"import sys\nsys.path.insert(0, {str(DOCS / '_ext')!r})\n"
    settings += "extensions = ['myst_parser', 'films']\n"
    (tmp_path / "conf.py").write_text(settings, encoding="utf-8")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", tmp_path, tmp_path / "site"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=240)
    if reason is None:
        assert done.returncode == 0, done.stderr
        assert (tmp_path / "site" / "_images" / "cos-3.webm").exists()
    else:
        assert done.returncode != 0
        assert reason in " ".join(done.stderr.split())
