"""A debug line that breaks: stands between poolkd and a machine's debug port."""

import random
import socket
import threading


class BreakingLink:
    """Carries bytes both ways, damages one in `damage` where that is not 0, and cuts the line when told to; whoever
    connects again gets a new one."""

    def __init__(self, path, machine, damage, seed):
        self.machine = machine
        self.damage = damage
        self.draw = random.Random(seed)
        self.ends = []
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(path)
        self.server.listen(4)
        threading.Thread(target=self._accept, daemon=True).start()

    def told(self, source, data):
        """Of all that comes, before it goes on."""

    def cut(self):
        for end in self.ends:
            _shut(end)

    def close(self):
        _shut(self.server)
        self.server.close()
        self.cut()

    def _accept(self):
        while True:
            try:
                host = self.server.accept()[0]
                target = socket.socket(socket.AF_UNIX)
                target.connect(self.machine)
            except OSError:
                return
            self.ends = [host, target]
            for source, sink in ((host, target), (target, host)):
                threading.Thread(target=self._carry, args=(source, sink), daemon=True).start()

    def _carry(self, source, sink):
        try:
            while data := bytearray(source.recv(65536)):
                self.told(source, data)
                if self.damage and self.draw.random() < len(data) / self.damage:
                    data[self.draw.randrange(len(data))] ^= 1 << self.draw.randrange(8)
                sink.sendall(data)
        except OSError:
            pass
        _shut(source)
        _shut(sink)


def _shut(end):
    try:
        end.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
