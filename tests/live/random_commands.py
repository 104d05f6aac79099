"""Draws commands for a debugger that is tried at random: most as a user would type them, some broken.

None of them may harm the target for good. Code and data of drivers are written only where the target does not run again
before all is undone (`Drawn.to_be_undone`), or where it never comes any more; breakpoints are set at functions only.
"""

import dataclasses
import re

# <code>, <cold> and so on are drawn by RandomCommands._drawn; | parts lines, ↵ is a further line of input.
READING = """
db <address> <count>|dd <address> <count>|dq <address> <address>|da <address>|du <address>|dps <address> <count>|dds @$csp|dc
dp <number>|dw /c 4 <address> <count>|df <address>|dyb <address>|d <address>|db /p 1000 <count>|!dp 1000|ddp <address> L4|dqa <address>
u <code> <count>|ub <code> <count>|uf <code>|u <address>|u|ub @$ip L5|uf <address>|u <code> L5 --json|uf <code> --json
k|kb <number>|kv|kn|kp|kP 5|kc|kf 3|k = <address> 5|~0k|~1k|~*k|k --json|.kframes 20|.kframes <number>|.lines
!process 0 0|!process 0 7|!process 4 e|!process <address> 7|!process <number>|!thread|!thread <address>|!process 0 7 --json|!thread --json
.thread @$thread; k; .thread|.process @$proc; db 400000 L8; .process|.trap @$csp; r; .trap|.cxr <address>; k; .cxr|.thread <address>; .thread
r|r @$ip|r $t0=<expression>|r $t1=@$t1+1|r @rax|r eax,ecx|~0r|~1 r|r xmm0|r @eflags|r zf
~|~0s|~1s|~7s|~*|.formats <expression>|? <expression>|?? <expression>|n 10|n 16|n 8|n <number>
lm|lmv m leaky|lm m l*|lm a <address>|lm --json|lm1m|x nt!Pool*|x leaky!*|x *!*Tag*|x nosuch!*|x /0 nt!Ke*|x nt!PoolHitTag --json
ln <address>|ln <address> --json|dt nt!_POOL_HEADER|dt nt!_KPRCB @$prcb|dt nt!_LIST_ENTRY nt!PsLoadedModuleList|dt nt!nosuch|dt nt!_K*
dt -r2 nt!_KTHREAD @$thread|dt nt!_EPROCESS <address>|dt nt!_POOL_HEADER <address> --json|dt leaky!*|ld *|.reload|.reload /u|.reload leaky
!sym noisy|!sym quiet|!sym missing|.sympath|.sympath+ nosuch|vertarget|version|.time|.link|.link --json|.lastevent|.writes|.writes --json
!poolused|!poolused <number>|!poolused 4 <tag>|!poolused /t 3 2|!poolused 1 --json|!poolused 2 <tag> --json
!poolfind <tag>|!poolfind <tag> 1|!poolfind <tag> -total|!poolfind <tag> 0 --json|!poolfind Tron IoN7|!pool <address>|!pool <address> --json
!sites|!sites <tag>|!sites /m leaky /a|!sites /u --json|!sites <tag> /m <module>|!pool <number>|.tag <tag>|.tag <tag> --json|!gflag|!gflag --json|!pte <address>|!vtop <number> <address>
s -d <module> L2000 20636241|s -a <module> L?3000 "Ex"|s 0 L?ffffffffffff 1|s -u <address> <count> "x"|s <address> <count> 4d 5a|c <address> L10 <address>
.echo <text>|.help|.help <name>|.help <name> --json|.help --json|.help nosuch|.cls
.printf "%d %x %p %ma %y %%|n" , <expression>, <expression>, <address>, <address>, <code>|.printf "<text>"|.printf "%s %q %", <number>
.if (<expression>) { r $t0 } .else { ? <expression> }|.if (<expression>) {|.for (r $t2=0; @$t2 < 5; r $t2=@$t2+1) { ? @$t2 }
.while (1) { .echo <text> }|.while (@$t3 < 3) { r $t3=@$t3+1; .if (@$t3 == 2) { .continue } ; .break }|.do { r $t4=1 } (@$t4 == 0)
.foreach (x { lm1m }) { .echo x }|.foreach /pS 2 (<text> { db <address> L8 }) { ? 0x<text> }|.foreach /s (x "1 2 <text>") { .echo ${x} }
.block { k; r }|.catch { db <address>; .leave ; r }|.catch { nosuch|j (<expression>) 'k 1';'r'|z(@$t0 < 3)|$$ <text>|* <text>|r; k 2; ? <expression>
as Soak1 <text>|aS Soak2 "<text>"|ad Soak1|ad *|al|.echo ${Soak1} ${/f:Soak2} ${/n:Soak1|$$>a< good.txt <number> <text>|$><broken.txt|$$<nosuch.txt|$<good.txt
.logopen soak.log|.logappend soak.log|.logclose|.logfile|.dump|.dump /m soak.dmp|.dump /f nosuch/soak.dmp|.dump /f /c "<text>"|sx|sxe ld|sxd ld|sxe ld:leaky|sxe -c "k" ud|sxn ud|sxr|sxe <number>
!retag|!retag --json|!retag /plan <tag>|!retag /plan <tag> --json|!retag /undo|!retag /plan|!retag <text> <text>
bl|bl --json|bc *|bc <id>|bd <id>|be <id>|bd 1-3|br <id> <id>|bs <id> "<hit>"|.bpcmds|.undo|.undo <id>|.undo *
"""
BREAKPOINTS = """
bp <code>|bp<id> <code> "<hit>"|bp /1 <code>|bp <code> <id> "<hit>"|bp /w "<expression>" <code>|bu <code>|bu nosuch!Name "<hit>"|bm leaky!Leaky*Event|bm nosuch!*
ba e1 <code>|ba w4 nt!PoolHitTag|ba r8 leaky!LeakyFrees "<hit>"|ba w<id> <driver>|bp nosuch!Name|bp 0 "<hit>"|bp /t 1 <code>
"""
RUNNING = """
g /for 0.2|g|g /for 1|t|p|t <id>|p 14|gu|gc|gh|g <code>|pt|tt|pc|tc|ph|th|pct|tct|pa @$ip+20|ta <code>|t "r"|p 3 "k 1"|g nosuch|~1s; t; ~0s|t; k; gu
!hits Abc /n 6 /t 1|!hits <tag> /n 3 /t 400ms /nobase|!hits Abc /t 300ms /share 20% /noblocks --json|!hits Abc /n 3 /t 1 /nobase /sites
"""
# Where nothing runs any more: undone when the session ends, while the target went on.
LASTING_WRITES = """
ed nt!PoolHitTag 'xyzw'|ed nt!PoolHitTag ' cbA'|ed nt!PoolHitTag 0|eb <cold> <byte> 90|ea <cold> "abc"|ezu <cold> "abc"|eq <cold> <qword>|f <cold> L8 <byte> 1
m leaky!LeakyBuildReport L10 <cold>|a <cold> nop; nop|a <cold> mov eax,1|eb <cold>↵<byte>↵<byte>↵↵|a <cold>↵nop↵int 3↵ret↵
"""
# Anywhere in the drivers: all undone before the target runs on.
PASSING_WRITES = """
eb <driver> <byte> <byte>|ed <driver> <expression>|eq <driver> <qword>|ew <driver> <byte>|ep <driver> <address>|ea <driver> "<text>"|eza <driver> "<text>"
eu <driver> "<text>"|ezu <driver> "abc|f <driver> L40 <byte> <byte>|f <driver> L400 90|m leaky L40 <driver>|m <driver> L80 <driver>|e <driver> <byte>
a <driver> call nt!ExAllocatePoolWithTag|a <driver> nop|a <driver> mov rax,<qword>|a <driver> jmp <driver>|a <driver> <text>|a <driver>↵nop↵int 3↵<text>↵
eb <driver>↵<byte> <byte>↵<byte>↵|e <driver>|ed nt!nosuch <byte>|eb 0 1|f 0 L?ffffffffffff 1|m <driver> L?ffffffff <driver>|eb ffffffff`ffffffff 1 2 3
"""
# Not called by their name alone with drawn arguments: they run, write, end, set breakpoints anywhere or take the symbols away.
NOT_BY_NAME = set("q qq qd a f fp m gn r as aS bp bu bm ba .crash .reboot .symfix .sympath .shell !retag".split())
RUNS = set("g gh gu gc p t pt tt pc tc pa ta ph th pct tct".split())


def lines(table):
    return [line for row in table.strip().splitlines() for line in row.split("|")]


@dataclasses.dataclass
class Drawn:
    text: str  # may hold further lines of input
    runs: bool = False
    to_be_undone: bool = False


class RandomCommands:
    def __init__(self, draw, commands):
        """`commands`: what `.help --json` tells of each."""
        self.draw = draw
        names = [name for command in commands for name in command["names"]]
        runs = {name for command in commands if command["resumes"] for name in command["names"]}
        self.names = [name for name in names if name not in NOT_BY_NAME | runs and not re.match(r"e[a-zD]{0,2}$", name)]

    def next(self):
        lot = self.draw.random()
        if lot < 0.08:
            # Not broken: what a fault would make of it might be read as more values, behind what was meant.
            return Drawn(self._fill(self._one_of(LASTING_WRITES)))
        if lot < 0.16:
            return Drawn(self._perhaps_broken(self._fill(self._one_of(PASSING_WRITES))), to_be_undone=True)
        if lot < 0.24:
            return Drawn(self._fill(self._one_of(BREAKPOINTS)))
        if lot < 0.40:
            return Drawn(self._fill(self._one_of(RUNNING)), runs=True)
        if lot < 0.55:
            name = self.draw.choice(self.names)
            text = f"{name} {self._fill(self.draw.choice(['', '<address>', '<address> <count>', '<number>', '<tag>', '<text>', '<expression>']))}"
        else:
            text = self._fill(self._one_of(READING))
        return Drawn(self._perhaps_broken(text.strip()))

    def _one_of(self, table):
        return self.draw.choice(lines(table)).replace("↵", "\n")

    def _fill(self, line):
        return re.sub(r"<([a-z]+)>", lambda found: self._fill(self._drawn(found[1])), line)

    def _drawn(self, kind):
        draw = self.draw
        match kind:
            case "code":
                return draw.choice(["nt!ExAllocatePoolWithTag", "nt!ExFreePoolWithTag", "nt!KeDelayExecutionThread", "leaky!LeakyBuildReport",
                                    "leaky!LeakyQueueEvent", "leaky!LeakyRetireEvent", "leaky!LeakyOpenStream", "leaky!LeakyServeRequests"])
            case "cold":  # drivers that fill their pool when they start
                return draw.choice(["leaky!LeakyFillPool", "ionet!IonRecordAddress"]) + f"+{draw.randrange(16):x}"
            case "driver":
                return draw.choice(["leaky!LeakyQueueEvent", "leaky!LeakyBuildReport", "leaky!LeakyFrees", "leaky!LeakyLiveBytes", "leaky",
                                    "ionet!IonLiveBlocks", "leaky!LeakyServeRequests"]) + f"+{draw.choice([0, 1, 4, 0x123, 0xff8]):x}"
            case "module":
                return draw.choice(["nt", "leaky", "ionet"])
            case "address":
                return draw.choice(["<code>", "<code>+5", "<driver>", "<module>", "nt!PoolHitTag", "nt!PoolTrackTable", "@$ip", "@$csp", "@rsp", "@eip",
                                    "poi(nt!PoolTrackTable)", "poi(poi(nt!PsLoadedModuleList))", "nt!nosuch", "0", "ffffffff`ffffffff",
                                    "80000000`00000000", "<number>", "<qword>", "@$proc", "@$thread", "@$pcr"])
            case "count":
                return draw.choice(["", "L1", "L10", "L0", "L?100", "L?10000", "Lffffffff", "L-1", "L<number>", "<number>"])
            case "number":
                return draw.choice(["0", "1", "3", "10", "0n12", "0x", "0xffffffff", "1234567890abcdef12345", "@$t1", "-1", "0y101", "0t17", "zz"])
            case "expression":
                return draw.choice(["1+1", "@$t0", "((((1", "<address>+@$csp*2", "1/0", "5%0", "poi(0)", "'Abc '", "@$t1 < 3", "by(<address>)",
                                    "dwo(nt!PoolHitTag) == 0", "$iment(nt)", "not 1", "@@c++(1)", "@$nosuch", "1 << 0n70", "-8000000000000000/-1"])
            case "tag":
                return draw.choice(["Abc", "Tron", "IoN7", "*", "A?c", "Gla5", "'", "\"Abc \"", "0x20636241", "T*"])
            case "text":
                return draw.choice(["text", "a b  c", "", "\"x\"", "${$t0}", "%s%n%d", "größer €", "\x01\x1b[2J\x7f", "\udcff\udc80", "\\", "{;}", "y" * 5000])
            case "hit":
                return draw.choice(["k 3", "k;gc", "r $t0=@$t0+1;gc", "gu;k 1", ".if (<expression>) {.echo yes} .else {gc}", "gc", "j (@$t0) '';'gc'",
                                    "nosuch", ".if (1) {", "? <expression>;gc", "!poolused 4 <tag>;gc", "bc *", "bd <id>;gc", "t", "p;gc"]).replace('"', "'")
            case "name":
                return draw.choice(self.names)
            case "byte":
                return f"{draw.randrange(256):x}"
            case "qword":
                return f"{draw.getrandbits(64):x}"
            case "id":
                return draw.choice(["0", "1", "2", "5", "77"])

    def _perhaps_broken(self, line):
        draw = self.draw
        if draw.random() > 0.25:
            return line
        at = draw.randrange(len(line) + 1)
        before, after = line[:at], line[at:]
        noise = lambda: "".join(chr(draw.choice([*range(1, 10), *range(11, 127), 0xE9, 0x20AC])) for _ in range(8))
        broken = draw.choice([
            lambda: before,
            lambda: f"{line} {line}",
            lambda: before + noise() + after,
            lambda: before + draw.choice(["((((", "))", "'", "\"", "{", "}", "${", "@@", "`", "%p", "\\", "~", "\0"]) + after,
            lambda: before + draw.choice([" --json", " L-1", " /zz", " !", " .", " *", " @$ra"]) + after,
            lambda: f"{line} {'9' * draw.randrange(1, 400)}",
            lambda: f"{line} {'A' * draw.choice([300, 5000, 70000])}",
            lambda: f"? {'(' * draw.choice([40, 20000])}{line}",
            lambda: ".if (1) {" * 300 + line + draw.choice(["", "}" * 300]),
        ])()
        # What a fault made of it may be a command that is not drawn here.
        words = set(re.findall(r"[.!\w]+", broken.lower()))
        return line if words & (RUNS | NOT_BY_NAME) - {"r", "a", "f", "m", "as"} else broken
