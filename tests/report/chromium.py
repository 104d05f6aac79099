"""A headless Chromium, driven over its DevTools protocol through a pair of pipes: messages are JSON, each ended by a zero byte."""

import base64
import collections
import fcntl
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

TIMEOUT_SECONDS = 60


def find():
    """The program, or None."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Chromium:
    def __init__(self, program):
        self.folder = tempfile.TemporaryDirectory(prefix="poolkd-chromium-", ignore_cleanup_errors=True)
        # High numbers, so that what becomes 3 and 4 in the child overwrites none of them.
        ours_in, theirs_out = (fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in os.pipe())
        theirs_in, ours_out = (fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in os.pipe())

        def take_pipes():
            os.dup2(theirs_in, 3)
            os.dup2(theirs_out, 4)

        # Only pages of our own are opened, so that it needs no sandbox, which does not work for root and in containers.
        self.process = subprocess.Popen(
            [program, "--headless", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
             "--no-first-run", "--disable-extensions", "--disable-background-networking", "--force-color-profile=srgb",
             f"--user-data-dir={self.folder.name}", "about:blank"],
            preexec_fn=take_pipes, close_fds=False, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        os.close(theirs_in)
        os.close(theirs_out)
        self.input, self.output, self.received = ours_in, ours_out, b""
        self.answers, self.events, self.last_id = {}, collections.deque(), 0

    def close(self):
        try:
            self.call("Browser.close")
            self.process.wait(10)
        except (RuntimeError, TimeoutError, OSError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()
        os.close(self.input)
        os.close(self.output)
        self.folder.cleanup()

    def call(self, method, session=None, **parameters):
        self.last_id += 1
        message = {"id": self.last_id, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self.output, data):]
        self.wait(lambda: self.last_id in self.answers, method)
        answer = self.answers.pop(self.last_id)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def wait(self, there, what):
        """Reads messages until `there`."""
        end = time.monotonic() + TIMEOUT_SECONDS
        while not there():
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.input], [], [], left)[0]:
                raise TimeoutError(f"no answer to {what}")
            data = os.read(self.input, 1 << 20)
            if not data:
                raise RuntimeError(f"Chromium ended during {what}")
            *messages, self.received = (self.received + data).split(b"\0")
            for message in map(json.loads, messages):
                if "id" in message:
                    self.answers[message["id"]] = message
                else:
                    self.events.append(message)


class Page:
    """One tab. What its page complained about and what it asked of the network is kept."""

    def __init__(self, browser, width=1280, height=900, phone=False, dark=False, script=True, media=""):
        self.browser = browser
        self.target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = browser.call("Target.attachToTarget", targetId=self.target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                  mobile=phone)
        self.call("Emulation.setEmulatedMedia", media=media,
                  features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
                            {"name": "prefers-reduced-motion", "value": "reduce"}])
        if not script:
            self.call("Emulation.setScriptExecutionDisabled", value=True)
        self.events = []

    def close(self):
        self.browser.call("Target.closeTarget", targetId=self.target)

    def call(self, method, **parameters):
        return self.browser.call(method, self.session, **parameters)

    def collect(self):
        """Takes this tab's events from the browser's queue."""
        others = collections.deque()
        for event in self.browser.events:
            (self.events if event.get("sessionId") == self.session else others).append(event)
        self.browser.events = others
        return self.events

    def open(self, file):
        self.events.clear()
        self.url = file.resolve().as_uri()
        self.call("Page.navigate", url=self.url)
        self.browser.wait(lambda: any(e["method"] == "Page.loadEventFired" for e in self.collect()), f"opening {file}")

    def complaints(self):
        """Errors and warnings of the page, as lines."""
        lines = []
        for event in self.collect():
            if event["method"] == "Runtime.exceptionThrown":
                details = event["params"]["exceptionDetails"]
                lines.append(details.get("exception", {}).get("description", details["text"]))
            elif event["method"] == "Runtime.consoleAPICalled" and event["params"]["type"] in ("error", "warning", "assert"):
                lines.append(str([a.get("value", a.get("description")) for a in event["params"]["args"]]))
            elif event["method"] == "Log.entryAdded" and event["params"]["entry"]["level"] in ("error", "warning"):
                lines.append(event["params"]["entry"]["text"])
        return lines

    def requests(self):
        """What was asked for beside the file itself."""
        urls = [e["params"]["request"]["url"] for e in self.collect() if e["method"] == "Network.requestWillBeSent"]
        return [url for url in urls if url != self.url]

    def evaluate(self, expression):
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True,
                           userGesture=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"]["exception"].get("description", expression))
        return answer["result"].get("value")

    def wait_for(self, condition):
        """Until an expression is true."""
        end = time.monotonic() + TIMEOUT_SECONDS
        while not self.evaluate(f"!!({condition})"):
            if time.monotonic() > end:
                raise TimeoutError(f"never true: {condition}")
            time.sleep(0.02)

    def point_at(self, element, x=0.5):
        """The place of an element, given as an expression; it is brought into view."""
        place = self.evaluate(f"""(() => {{ const e = {element}; e.scrollIntoView({{block: 'center'}});
            const r = e.getBoundingClientRect(); return [r.left + r.width * {x}, r.top + r.height / 2]; }})()""")
        return {"x": place[0], "y": place[1]}

    def hover(self, element, x=0.5):
        self.call("Input.dispatchMouseEvent", type="mouseMoved", **self.point_at(element, x))

    def click(self, element):
        place = self.point_at(element)
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **place)

    def press(self, key):
        for kind in ("keyDown", "keyUp"):
            text = {"text": "\r"} if key == "Enter" and kind == "keyDown" else {}
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, **text)

    def screenshot(self, file, whole=True):
        data = self.call("Page.captureScreenshot", captureBeyondViewport=whole, optimizeForSpeed=True)["data"]
        file.write_bytes(base64.b64decode(data))
