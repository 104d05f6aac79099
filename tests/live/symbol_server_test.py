"""Symbols of a practice kernel from a symbol server on the loopback interface."""

import functools
import http.server
import json
import pathlib
import shutil
import threading
import unittest

from lab import LiveTest


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        self.server.requests.append(self.path)
        super().do_GET()


class SymbolServerTest(LiveTest):
    def serve(self, folder):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(QuietHandler, directory=folder))
        server.requests = []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return server, f"http://127.0.0.1:{server.server_port}"

    def missing(self, *options):
        """What `!sym missing` lists without any symbols."""
        nowhere = self.home / "nowhere"
        nowhere.mkdir(exist_ok=True)
        answer = self.poolkd("-k", "lab:live", *options, "-c", f".sympath {nowhere}; .reload; !sym missing --json; qd").stdout
        return json.loads(next(line for line in answer.splitlines() if line.startswith("{")))["missing"]

    def test_what_is_missing_is_fetched_and_kept(self):
        machine = self.start_lab("page")
        missing = self.missing()
        self.assertIn("ntkrnlmp.pdb", [file["name"] for file in missing])
        self.assertIn("leaky.pdb", [file["name"] for file in missing])
        # The list is enough to build the server from: somebody with a network does the same.
        store = self.home / "store"
        for file in missing:
            self.assertEqual(file["path"], f"{file['name']}/{file['index']}/{file['name']}")
            place = store / file["path"]
            place.parent.mkdir(parents=True)
            shutil.copy(pathlib.Path(machine["images"]) / file["name"], place)
        server, url = self.serve(str(store))
        cache = self.home / "cache of symbols"
        path = f"srv*{cache}*{url}"
        script = f".sympath {path}; !sym noisy; .reload /f; lm; !poolused 4; !sym missing; qd"
        first = self.poolkd("-k", "lab:live", "-c", script).stdout
        self.assertIn(f"SYMSRV:  HTTPGET: {url}/ntkrnlmp.pdb/", first)
        self.assertIn("private pdb symbols", first)
        self.assertRegex(first, r"Abc +0 +0 +36\d\d\d +339\d+")
        self.assertIn("No file is missing", first)
        kept = sorted(str(file.relative_to(cache)) for file in cache.rglob("*") if file.is_file())
        self.assertEqual(kept, sorted(file["path"] for file in missing))
        asked = len(server.requests)
        self.assertEqual(asked, len(missing))
        second = self.poolkd("-k", "lab:live", "-c", script).stdout
        self.assertRegex(second, r"Abc +0 +0 +36\d\d\d +339\d+")
        self.assertEqual(len(server.requests), asked, "the cache was there")

    def test_a_server_that_is_down_costs_one_try(self):
        self.start_lab("page")
        server, url = self.serve(str(self.home))
        server.shutdown()
        server.server_close()
        text = self.poolkd("-k", "lab:live", "-c", f".sympath srv*{self.home / 'c'}*{url}; !sym noisy; .reload /f; qd", check=False).stdout
        self.assertEqual(text.count("HTTPGET"), 1, text)
        self.assertIn("not asked again", text)
        self.assertIn("cannot be used", text)


if __name__ == "__main__":
    unittest.main()
