"""package_test.py BUILD [UNITTEST ARGS]: the Debian package of a build folder is installed below a temporary folder, used
from there, and removed again. Nothing of the machine's own packages is changed.

dpkg installs as root only; everybody else unpacks the package, and dpkg's own part is skipped.
"""

import gzip
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(sys.argv[1]).resolve()
LIMIT = 120  # seconds; what takes longer hangs
OWN_FORM = {"LICENSE", "CHANGELOG.md"}  # Debian has these under other names


def run(*command, check=True, **more):
    result = subprocess.run([*map(str, command)], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT, **more)
    if check and result.returncode != 0:
        raise AssertionError(f"{command} ended with {result.returncode}\n{result.stdout}\n{result.stderr}")
    return result


def files_below(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())


class System:
    """A folder into which dpkg installs; its list of installed packages is a copy of the machine's, so that dpkg
    judges the dependencies."""

    def __init__(self, folder):
        self.folder, database = folder, folder / "var/lib/dpkg"
        for part in ("info", "updates", "triggers"):
            (database / part).mkdir(parents=True)
        for name in ("status", "arch"):
            if (source := pathlib.Path("/var/lib/dpkg", name)).exists():
                shutil.copy(source, database)

    def dpkg(self, *arguments):
        return run("dpkg", f"--root={self.folder}", "--log=/dev/null", *arguments)


class Package(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="poolkd-deb-", dir="/tmp"))  # sockets want short paths
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.package = pathlib.Path(run(ROOT / "packaging/package", BUILD, cls.folder, "none").stdout.strip())
        cls.root = cls.folder / "root"
        if os.geteuid() == 0:
            System(cls.root).dpkg("-i", cls.package)
        else:
            run("dpkg", "-x", cls.package, cls.root)
        # Nothing of this machine that could stand in for what is not installed.
        cls.environment = {"PATH": f"{cls.root}/usr/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "HOME": str(cls.folder),
                           "XDG_RUNTIME_DIR": str(cls.folder)}

    def poolkd(self, *arguments, **more):
        return run("poolkd", *arguments, env=self.environment, cwd=self.folder, **more)

    def field(self, name):
        return run("dpkg-deb", "-f", self.package, name).stdout.strip()

    def owners(self, library):
        return set(re.findall(r"(?m)^([^: ]+)", run("dpkg", "-S", f"*/{library}").stdout))

    def test_control(self):
        self.assertEqual(self.package.name, f"poolkd_{self.field('Version')}_{self.field('Architecture')}.deb")
        self.assertEqual(self.poolkd("--version").stdout.split()[:2], ["poolkd", self.field("Version")])
        self.assertEqual(self.field("Recommends"), "qemu-system-x86")

    def test_every_library_comes_from_a_dependency(self):
        depends = set(re.findall(r"(?:^|, )([^ ,]+)", self.field("Depends")))
        needed = re.findall(r"NEEDED +(\S+)", run("objdump", "-p", self.root / "usr/bin/poolkd").stdout)
        paths = dict(re.findall(r"(\S+) => (\S+)", run("ldd", self.root / "usr/bin/poolkd").stdout))
        self.assertIn("libmspack.so.0", needed)
        for library in needed:
            if library in paths:
                self.assertTrue(self.owners(library) & depends, library)
        # Loaded when first needed.
        self.assertNotIn("libcurl.so.4", paths)
        self.assertTrue(self.owners("libcurl.so.4") & depends)

    def test_files(self):
        files = files_below(self.root / "usr")
        self.assertEqual([file for file in files if not re.match(
            r"bin/poolkd$|share/(poolkd/(lab|scripts)/|doc/poolkd/|man/man1/poolkd\.1\.gz$|(bash-completion/completions|lintian/overrides)/poolkd$)", file)], [])
        for file in (self.root / "usr").rglob("*"):
            self.assertFalse(file.is_symlink(), file)
            executable = file.is_dir() or file.name == "poolkd" and file.parent.name == "bin"
            self.assertEqual(oct(file.stat().st_mode & 0o7777), oct(0o755 if executable else 0o644), file)
        self.assertIn("share/doc/poolkd/copyright", files)
        self.assertFalse([line for line in run("dpkg-deb", "-c", self.package).stdout.splitlines() if " root/root " not in line])
        self.assertNotIn(str(BUILD), (self.root / "usr/share/man/man1/poolkd.1.gz").read_bytes().decode("latin-1"))

    def test_changelog(self):
        changes = run("dpkg-parsechangelog", "--all", "-l", self.root / "usr/share/doc/poolkd/changelog.gz")
        self.assertEqual(changes.stderr, "", "not the form that Debian reads")
        self.assertRegex(changes.stdout, rf"(?m)^Version: {re.escape(self.field('Version'))}$")

    def test_links_of_the_documents_hold(self):
        documents = list((self.root / "usr/share/doc/poolkd").rglob("*.md"))
        self.assertGreater(len(documents), 5)
        for document in documents:
            for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text()):
                if link not in OWN_FORM:
                    self.assertTrue((document.parent / link).exists(), f"{document.name}: {link}")

    def test_manual(self):
        source = gzip.decompress((self.root / "usr/share/man/man1/poolkd.1.gz").read_bytes())
        manual = subprocess.run(["groff", "-mandoc", "-ww", "-Tutf8", "-P-c", "-rLL=200n"], input=source, capture_output=True, timeout=LIMIT)
        self.assertEqual(manual.stderr.decode(), "")
        page = re.sub(r".\x08", "", manual.stdout.decode())
        # Nothing of the help is lost on its way.
        def words(text):
            return {word.strip("().,:;").lower() for word in text.split()}

        self.assertEqual(words(self.poolkd("-?").stdout) - words(page), set())
        table = json.loads(self.poolkd("help", "--json").stdout)["commands"]
        self.assertGreater(len(table), 50)
        self.assertEqual({name for command in table for name in command["names"]} - set(page.split()), set())
        for subcommand in ("verdict", "diff", "trend", "record", "poolmon", "lab", "gflags", "help"):
            for option in re.findall(r"(?<!\S)--[a-z-]+", self.poolkd(subcommand, "-?").stdout):
                self.assertIn(option, page, subcommand)

    def test_completion(self):
        def completed(*words):
            script = '. "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _poolkd; printf "%s\\n" "${COMPREPLY[@]}"'
            file = self.root / "usr/share/bash-completion/completions/poolkd"
            result = run("bash", "--norc", "-c", script, file, "poolkd", *words, env=self.environment, cwd=self.folder)
            self.assertEqual(result.stderr, "")
            return result.stdout.split()

        self.assertEqual(completed("verd"), ["verdict"])
        self.assertEqual(completed("--lab-s"), ["--lab-seed"])
        self.assertEqual(completed("-k", "t"), ["tcp:"])
        self.assertEqual(completed("lab", "st"), ["start", "stop"])
        self.assertEqual(completed("verdict", "--js"), ["--json"])
        self.assertEqual(completed("help", "!poolu"), ["!poolused"])
        self.assertEqual(completed("verdict", "le"), [], "left to file names")

    def test_practice_machines(self):
        for machine in ("x64", "x86"):
            with self.subTest(machine):
                said = self.poolkd("--lab=page", f"--lab-arch={machine}", "-c", "vertarget; !poolused 4; x leaky!Leaky*; $$>a<poolsnap.kd; q").stdout
                self.assertRegex(said, rf"Windows 10 Kernel Version 19041 \w+ Free {machine}")
                self.assertRegex(said, r"(?m)^ Abc +0 +0 +\d+ +[1-9]\d*$")
                self.assertRegex(said, r"(?m)^Symbol search path is: " + re.escape(f"{self.root}/usr/share/poolkd/lab/{machine}/"))
                self.assertIn(" leaky!LeakyBuildReport (", said)
                self.assertIn("Log Seconds Snapshots follow the name of this script", said)

    def test_a_machine_that_is_not_installed(self):
        refused = self.poolkd("--lab", "--lab-seed=3", "-c", "q", check=False)
        self.assertEqual(refused.returncode, 3)
        self.assertEqual(refused.stderr, "poolkd: The practice kernel x64/era10/seed3 is not installed, only x64/era10/seed0, "
                         "x64/era11/seed0, x64/era7/seed0, x86/era10/seed0, x86/era7/seed0\n")

    @unittest.skipIf(os.geteuid() != 0, "dpkg installs as root only")
    def test_removal_leaves_nothing(self):
        system = System(self.folder / "other")
        system.dpkg("-i", self.package)
        self.assertTrue((system.folder / "usr/bin/poolkd").exists())
        self.assertEqual(run("dpkg", f"--root={system.folder}", "--verify", "poolkd").stdout, "")
        system.dpkg("-r", "poolkd")
        self.assertEqual([path.name for path in system.folder.iterdir()], ["var"])
        self.assertEqual([file for file in files_below(system.folder) if "poolkd" in file], [])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[2:])
