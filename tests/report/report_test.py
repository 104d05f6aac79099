#!/usr/bin/env python3
"""Opens and clicks the HTML report in a headless Chromium.

usage: report_test.py SAMPLE FOLDER [unittest arguments]

SAMPLE is the program that writes reports; they and pictures of them go to FOLDER.
"""

import pathlib
import subprocess
import sys
import unittest

sys.path.append(str(pathlib.Path(__file__).resolve().parent))
import chromium  # noqa: E402

FRAMES = "[...document.querySelectorAll('#suspect-1 .flame g.frame')]"
OPEN_ALL = "document.querySelectorAll('details').forEach((details) => details.open = true)"


def frame(name):
    """The first frame of the flame graph with a name."""
    return f"{FRAMES}.find((g) => g.getAttribute('name') === '{name}')"


class ReportTest(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        subprocess.run([SAMPLE, FOLDER], check=True)
        program = chromium.find()
        if not program:
            raise RuntimeError("Chromium is not there; Debian: apt-get install chromium")
        cls.browser = chromium.Chromium(program)

    @classmethod
    def tearDownClass(cls):
        cls.browser.close()

    def open(self, name="full.html", **how):
        page = chromium.Page(self.browser, **how)
        self.addCleanup(page.close)
        page.open(FOLDER / name)
        self.addCleanup(lambda: self.assertEqual((page.complaints(), page.requests()), ([], [])))
        return page

    def picture(self, page, name, whole=True):
        page.screenshot(FOLDER / f"{name}.png", whole)

    def test_opens(self):
        page = self.open()
        self.assertIn("leaky.sys leaks", page.evaluate("document.querySelector('h1').innerText"))
        self.assertEqual(page.evaluate("document.querySelectorAll('.suspect').length"), 3)
        page.wait_for(f"{FRAMES}.length > 8")
        page.evaluate(OPEN_ALL)
        self.picture(page, "light")

    def test_what_the_target_names_stays_text(self):
        page = self.open("hostile.html")
        page.evaluate(OPEN_ALL)
        page.wait_for(f"{FRAMES}[1]?.getBoundingClientRect().width > 100")
        self.assertIsNone(page.evaluate("window.broken"))
        self.assertEqual(page.evaluate("document.querySelectorAll('img').length"), 0)
        page.click(f"{FRAMES}[1]")
        page.wait_for("document.querySelector('#suspect-1 .path').innerText.includes('<img')")
        self.assertIsNone(page.evaluate("window.broken"))

    def test_frame_is_clicked_and_left(self):
        page = self.open()
        width = "Math.round({}.querySelector('rect').getBoundingClientRect().width)".format
        one, other = frame("leaky!LeakyServeRequests+0xc1"), frame("leaky!LeakyServeRequests+0x60")
        # It takes 112 of 1,150 blocks, once all have grown to their widths.
        place = "document.querySelector('.flame-chart').clientWidth"
        page.wait_for(f"{one} && Math.abs({width(one)} - {place} * 112 / 1150) < 2")
        before = page.evaluate(width(one))
        page.click(one)
        page.wait_for(f"{width(one)} > 5 * {before}")
        # Its siblings are gone, and the way to it is told.
        page.wait_for(f"!({other})")
        path = page.evaluate("document.querySelector('.path').innerText")
        self.assertRegex(path, r"(?s)Abc.*KiStartSystemThread.*PspSystemThreadStartup.*LeakyServeRequests\+0xc1")
        self.assertIn("112 blocks held", page.evaluate("document.querySelector('.flame-detail').innerText"))
        self.picture(page, "zoomed", whole=False)
        page.click("document.querySelector('.path button')")
        page.wait_for(f"{other} && Math.abs({width(one)} - {before}) < 3")
        self.assertIn("All stacks", page.evaluate("document.querySelector('.path').innerText"))

    def test_flame_graph_goes_by_keys(self):
        page = self.open()
        page.wait_for(f"{FRAMES}.length > 8")
        self.assertEqual(page.evaluate(f"{FRAMES}.filter((g) => g.getAttribute('tabindex') === '0').length"), 1)
        page.evaluate("document.querySelector('#suspect-1 .choice:last-child button:last-child').focus()")
        page.press("Tab")
        self.assertEqual(page.evaluate("document.activeElement.getAttribute('name')"), "Abc")
        focused = "document.activeElement.getAttribute('name')"
        for key, name in (("ArrowDown", "nt!KiStartSystemThread+0x19"), ("ArrowRight", "nt!KiSystemServiceExit+0x3"),
                          ("ArrowLeft", "nt!KiStartSystemThread+0x19"), ("ArrowDown", "nt!PspSystemThreadStartup+0xc")):
            page.press(key)
            self.assertEqual(page.evaluate(focused), name)
        page.press("Enter")
        page.wait_for("document.querySelectorAll('.path button').length === 2")
        page.press("Escape")
        page.wait_for("document.querySelectorAll('.path button').length === 0")

    def test_flame_graph_shows_other_measures_and_order(self):
        page = self.open()
        page.wait_for(f"{FRAMES}.length > 8")
        choice = "[...document.querySelectorAll('.choice button')].find((b) => b.textContent === '{}')".format
        detail = "document.querySelector('.flame-detail').innerText"
        self.assertIn("1,150 blocks held", page.evaluate(detail))
        page.click(choice("Bytes held"))
        self.assertIn("827 KB held", page.evaluate(detail))
        page.click(choice("Allocations"))
        self.assertIn("1,839 allocations", page.evaluate(detail))
        page.click(choice("From call site"))
        page.wait_for(f"{FRAMES}[1]?.getAttribute('name') === 'leaky!LeakyAllocateBuffer+0x18'")

    def test_long_names_are_told_apart(self):
        page = self.open("long.html")
        page.wait_for(f"{FRAMES}.length > 8")
        names = page.evaluate(f"{FRAMES}.map((g) => g.getAttribute('name'))")
        self.assertEqual(names[0], r"\x01O\xfe\x09")
        self.assertIn("TakeOrAllocateContextWithReference+0x123", names)

    def test_chart_is_read(self):
        page = self.open()
        page.wait_for("document.querySelector('.growth canvas')")
        value = "document.querySelector('.legend .value').innerText"
        at_end = page.evaluate(value)
        page.hover("document.querySelector('.growth .u-over')", 0.05)
        page.wait_for(f"{value} !== '{at_end}'")
        self.assertRegex(page.evaluate("document.querySelector('.when').innerText"), r"^2026-06-01 08:00:\d\d UTC$")
        page.evaluate("document.querySelector('.growth .plot').focus()")
        page.press("End")
        page.wait_for(f"document.querySelector('.when').innerText === '2026-06-01 08:05:00 UTC'")
        page.press("Escape")
        page.wait_for(f"{value} === '{at_end}'")
        page.click("document.querySelector('.legend button')")
        self.assertEqual(page.evaluate("document.querySelector('.legend button').getAttribute('aria-pressed')"), "false")

    def test_table_sorts_and_narrows(self):
        page = self.open()
        self.assertFalse(page.evaluate("document.querySelector('details.tags').open"))
        page.click("document.querySelector('details.tags > summary')")
        column = "[...document.querySelectorAll('table.tags tbody tr:not([hidden])')].map((r) => r.cells[{}].textContent.trim())".format
        numbers = "[...document.querySelectorAll('table.tags tbody tr')].map((r) => Number(r.cells[4].dataset.v))"
        heading = "document.querySelectorAll('table.tags th button')[{}]".format
        page.click(heading(4))
        self.assertEqual(page.evaluate(numbers), sorted(page.evaluate(numbers), reverse=True))
        self.assertEqual(page.evaluate("document.querySelector('th[aria-sort]').getAttribute('aria-sort')"), "descending")
        page.click(heading(4))
        self.assertEqual(page.evaluate(numbers), sorted(page.evaluate(numbers)))
        page.click(heading(0))
        self.assertEqual(page.evaluate(column(0))[:2], ["T000", "T001"])
        # What is not known is last, whichever way.
        for _ in range(2):
            page.click(heading(3))
            self.assertEqual(page.evaluate(column(3))[-1], "-")
        page.click("document.querySelector('.filter input')")
        page.call("Input.insertText", text="sawTooth")
        self.assertEqual(set(page.evaluate(column(2))), {"sawtooth"})
        self.picture(page, "table", whole=False)

    def test_commands_are_copied(self):
        page = self.open()
        self.browser.call("Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"])
        page.click("document.querySelector('.confirm .copy-button')")
        page.wait_for("document.querySelector('.confirm .copy-button').textContent === 'Copied'")
        self.assertEqual(page.evaluate("navigator.clipboard.readText()"), "poolkd trace Abc --seconds 600 --age 60s")

    def test_link_opens_a_suspect(self):
        page = self.open()
        self.assertFalse(page.evaluate("document.querySelector('#suspect-2 details').open"))
        page.click("document.querySelector('a[href=\"#suspect-2\"]')")
        page.wait_for("document.querySelector('#suspect-2 details').open")

    def test_fits_a_phone(self):
        for name in ("full", "long", "hostile", "partial", "empty"):
            page = self.open(f"{name}.html", width=390, height=844, phone=True)
            page.evaluate(OPEN_ALL)
            # The drawings follow the width of their places.
            page.wait_for("!document.querySelector('.flame') || document.querySelector('.flame svg')")
            self.assertLessEqual(page.evaluate("document.documentElement.scrollWidth"), 390, name)
            widest = page.evaluate("""Math.max(...[...document.querySelectorAll('body *')]
                .filter((e) => !e.closest('svg, .flame-chart, .uplot')).map((e) => e.getBoundingClientRect().right))""")
            self.assertLessEqual(widest, 390, name)
            self.picture(page, f"phone-{name}", whole=name != "hostile")

    def test_is_readable_in_the_light_and_in_the_dark(self):
        contrast = """(() => {
            const level = (c) => { c /= 255; return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
            const light = (colour) => { const [r, g, b] = colour.match(/[\\d.]+/g).map(Number);
                return 0.2126 * level(r) + 0.7152 * level(g) + 0.0722 * level(b); };
            const paper = light(getComputedStyle(document.body).backgroundColor);
            return ['body', '.kicker', 'dt', '.unit', 'a', '.outcome'].map((name) => {
                const ink = light(getComputedStyle(document.querySelector(name)).color);
                return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05); });
        })()"""
        for dark in (False, True):
            page = self.open(dark=dark)
            red = page.evaluate("Number(getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0])")
            self.assertEqual(red < 64, dark)
            self.assertGreaterEqual(min(page.evaluate(contrast)), 4.5)
            if dark:
                page.wait_for(f"{FRAMES}.length > 8")
                page.evaluate(OPEN_ALL)
                self.picture(page, "dark")

    def test_is_printed(self):
        page = self.open(dark=True)
        shown = "getComputedStyle(document.querySelector('{}')).display !== 'none'".format
        self.assertTrue(page.evaluate(shown(".uplot")))
        pdf = page.call("Page.printToPDF", printBackground=True)["data"]
        self.assertGreater(len(pdf), 20_000)
        page.call("Emulation.setEmulatedMedia", media="print")
        self.assertFalse(page.evaluate(shown(".uplot")))
        self.assertTrue(page.evaluate(shown(".growth .chart")))
        self.assertFalse(page.evaluate(shown("button")))
        self.assertEqual(page.evaluate("getComputedStyle(document.querySelector('h1')).color"), "rgb(28, 29, 31)")

    def test_is_whole_without_script(self):
        page = self.open(script=False)
        self.picture(page, "no-script", whole=False)
        # Expressions of the debugger's still run.
        self.assertEqual(page.evaluate("document.querySelectorAll('button').length"), 0)
        self.assertTrue(page.evaluate("document.querySelector('.growth .chart').getBoundingClientRect().height > 50"))
        self.assertIn("LeakyOpenStream", page.evaluate("document.querySelector('#suspect-1 .frames').textContent"))


if __name__ == "__main__":
    SAMPLE, FOLDER = sys.argv[1], pathlib.Path(sys.argv[2])
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])
