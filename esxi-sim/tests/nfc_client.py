"""A small client of the disk service, written from the description of the protocol alone."""

import socket
import ssl
import struct
import zlib

MAGIC = 0xA100DA7A
NONE, ZLIB, FASTLZ, SKIPZ = range(4)


class NfcError(Exception):
    def __init__(self, code, text):
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text


class Tls:
    """TLS over a socket, fed with one record at a time."""

    def __init__(self, sock):
        self.sock = sock
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.inside, self.outside = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.inside, self.outside)
        self.run(self.tls.do_handshake)

    def run(self, call, *arguments):
        while True:
            try:
                result = call(*arguments)
                self.flush()
                return result
            except ssl.SSLWantReadError:
                self.flush()
                header = exactly(self.sock, 5)
                self.inside.write(header + exactly(self.sock, struct.unpack(">H", header[3:])[0]))

    def flush(self):
        data = self.outside.read()
        if data:
            self.sock.sendall(data)

    def sendall(self, data):
        view = memoryview(data)
        while view:
            view = view[self.run(self.tls.write, view):]

    def recv(self, count):
        return self.run(self.tls.read, count)

    def certificate(self):
        return self.tls.getpeercert(True)


def exactly(stream, count):
    parts = []
    while count:
        part = stream.recv(min(count, 1 << 20))
        if not part:
            raise EOFError("the connection ended")
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def fastlz_decode(data, size):
    level = data[0] >> 5
    assert level in (0, 1), level
    out, place, control = bytearray(), 1, data[0] & 31
    while True:
        if control < 32:
            out += data[place:place + control + 1]
            place += control + 1
        else:
            length, distance = (control >> 5) - 1, (control & 31) << 8
            if length == 6:
                while True:
                    more = data[place]
                    place += 1
                    length += more
                    if level == 0 or more != 255:
                        break
            low = data[place]
            place += 1
            distance += low
            if level == 1 and low == 255 and control & 31 == 31:
                distance = 8191 + (data[place] << 8) + data[place + 1]
                place += 2
            start = len(out) - distance - 1
            assert start >= 0
            for index in range(length + 3):
                out.append(out[start + index])
        if place >= len(data):
            break
        control = data[place]
        place += 1
    assert len(out) == size, (len(out), size)
    return bytes(out)


def fastlz_encode(data):
    """Literals only: a valid stream that compresses nothing."""
    out = bytearray()
    for at in range(0, len(data), 32):
        piece = data[at:at + 32]
        out += bytes([len(piece) - 1]) + piece
    out[0] |= 32 if len(data) >= 65536 else 0
    return bytes(out)


def skipz_decode(data, size):
    total, zero = struct.unpack_from("<II", data)
    assert (total, zero) == (size, 0)
    out, place = bytearray(size), 8
    while place < len(data):
        offset, length = struct.unpack_from("<II", data, place)
        assert offset + length <= size
        out[offset:offset + length] = data[place + 8:place + 8 + length]
        place += 8 + length
    return bytes(out)


def skipz_encode(data):
    out, at = bytearray(struct.pack("<II", len(data), 0)), 0
    for sector in range(0, len(data), 512):
        piece = data[sector:sector + 512]
        if any(piece):
            out += struct.pack("<II", sector, len(piece)) + piece
    return bytes(out)


ENCODERS = {ZLIB: zlib.compress, FASTLZ: fastlz_encode, SKIPZ: skipz_encode}
DECODERS = {ZLIB: lambda data, size: zlib.decompress(data), FASTLZ: fastlz_decode, SKIPZ: skipz_decode}


def classic(kind, body=b""):
    return (struct.pack("<I", kind) + body).ljust(264, b"\0")


class Disk:
    """A connection with one open disk. `ticket` has host, port, service, sessionId."""

    def __init__(self, ticket, path, encrypted=False, writable=False, size=65536, count=1, vectura=False, timeout=60):
        self.operation = 0
        self.transcript = []
        self.sock = socket.create_connection((ticket.host, ticket.port), timeout)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        greeting = b""
        while not greeting.endswith(b"\n"):
            greeting += exactly(self.sock, 1)
        assert greeting.startswith(b"220 "), greeting
        self.greeting = greeting.decode()
        tls = self.tls = Tls(self.sock)
        tls.sendall(f"SESSION {ticket.sessionId}\r\n".encode())
        tls.sendall(b"BANNER \r\n")
        assert self.line(tls).startswith("220 ")
        tag = b"ABCDEFGHIJKLMNOP" if vectura else b"PlainText"
        self.sha256 = None
        if "SHA256 supported" in self.greeting:
            tls.sendall(b"THUMBPRINT_SHA2 " + tag + b"\r\n")
            answer = self.line(tls)
            assert answer.startswith("200 "), answer
            self.sha256 = answer[4:]
        service = ticket.service + ("ssl" if encrypted else "")
        tls.sendall(f"PROXY {service}\r\n".encode())
        answer = self.line(tls)
        if answer != "200 Connect ha-nfc" + ("ssl" if encrypted else ""):
            raise NfcError(0, answer)
        self.stream = Tls(self.sock) if encrypted else self.sock
        self.handshake(tag if self.sha256 else None, vectura)
        self.call(2, struct.pack("<IIII", 0, 0 if vectura else size, 0 if vectura else count, 0))
        self.size = 65536 if vectura else size
        self.call(9, bytes(12))
        self.call(22, struct.pack("<I", 1))
        self.open(path, writable)

    @staticmethod
    def line(stream):
        text = b""
        while not text.endswith(b"\r\n"):
            text += exactly(stream, 1)
        return text[:-2].decode()

    def send(self, data):
        self.transcript.append(("C", bytes(data)))
        self.stream.sendall(data)

    def receive(self, count):
        data = exactly(self.stream, count)
        self.transcript.append(("S", data))
        return data

    def handshake(self, tag, vectura):
        if tag:
            self.send(classic(43, tag))
        self.send(classic(33))
        self.send(classic(51, struct.pack("<II", 12, 1) if vectura else struct.pack("<I", 11)))
        status = self.receive(264)
        assert status == classic(36, struct.pack("<IIII", 0, 0, 0, 1)), status[:32]
        version = self.receive(264)
        assert version[:4] == struct.pack("<I", 51)
        self.version = struct.unpack_from("<I", version, 4)[0]
        if vectura:
            self.send(classic(54, struct.pack("<II", 7, 7)) + b"vecturanbdmode")
        else:
            self.send(classic(54, struct.pack("<II", 4, 7)))
            self.send(b"vddk")
            self.send(b"nbdmode")
        self.send(classic(55, struct.pack("<I", 3)))
        self.send(classic(52))
        assert self.receive(264) == classic(52)

    def frame(self, kind, payload, extra=b"", operation=None):
        if operation is None:
            operation = self.operation
            self.operation += 1
        self.send(struct.pack("<IIII", MAGIC, kind, len(payload), operation) + payload + extra)
        return operation

    def answer(self):
        magic, kind, length, operation = struct.unpack("<IIII", self.receive(16))
        assert magic == MAGIC, hex(magic)
        payload = self.receive(length)
        if kind == 1:
            code, zero, count = struct.unpack("<QII", payload)
            assert zero == 0
            raise NfcError(code, self.receive(count).decode())
        return kind, operation, payload

    def call(self, kind, payload, extra=b""):
        operation = self.frame(kind, payload, extra)
        answer = self.answer()
        assert answer[:2] == (kind, operation), answer
        return answer[2]

    def open(self, path, writable):
        path = path.encode()
        request = struct.pack("<I12xII36x", len(path), 2, 0x1A if writable else 0x1E)
        answer = self.call(4, request, path)
        assert len(answer) == 60
        status, self.handle, kind, flags, self.capacity, sector, *self.geometry = struct.unpack_from("<QQII4xQIIII", answer)
        assert (status, kind, flags, sector) == (0, 2, 0x1A if writable else 0x1E, 512)

    def read(self, sector, count, method=NONE):
        self.ask(sector, count, method)
        return self.collect({self.operation - 1: count * 512})[self.operation - 1]

    def ask(self, sector, count, method=NONE):
        length = count * 512
        return self.frame(7, struct.pack("<QIIQQIII", self.handle, 1, method, sector * 512, length, length, length, 0))

    def collect(self, wanted):
        """The data of several reads by their operation; `order` tells which fragments came when."""
        done = {operation: [bytearray(length), set(), length] for operation, length in wanted.items()}
        self.order = []
        while any(left for _, _, left in done.values()):
            kind, operation, payload = self.answer()
            assert kind == 7
            status, way, method, _, total, place, length, wire, zero = struct.unpack("<QIIQIIIII", payload)
            data = self.receive(wire)
            buffer, seen, _ = done[operation]
            assert (status, way, zero, total) == (0, 1, 0, len(buffer)) and place not in seen
            assert length <= self.size
            if method:
                data = DECODERS[method](data, length)
            assert len(data) == length and place + length <= total
            seen.add(place)
            buffer[place:place + length] = data
            done[operation][2] -= length
            self.order.append((operation, place, length, method, wire))
        return {operation: bytes(buffer) for operation, (buffer, _, _) in done.items()}

    def write(self, sector, data, method=NONE):
        operation = None
        for place in range(0, len(data), self.size):
            piece = data[place:place + self.size]
            wire, used = piece, NONE
            if method:
                coded = ENCODERS[method](piece)
                if len(coded) < len(piece) or method == FASTLZ:
                    wire, used = coded, method
            head = (self.handle, 0, used, sector * 512, len(data), place, len(piece), len(wire), 0)
            operation = self.frame(7, struct.pack("<QIIQIIIII", *head), wire, operation)
        kind, answered, payload = self.answer()
        total = len(data)
        expected = struct.pack("<QIIQIIIII", 0, 0, 0, sector * 512, total, 0, total, total, 0)
        assert (kind, answered, payload) == (7, operation, expected), payload.hex()

    def metadata(self, key):
        key = key.encode()
        answer = self.call(11, struct.pack("<QII", self.handle, len(key), 0), key)
        assert answer[:12] == bytes(12)
        return self.receive(struct.unpack_from("<I", answer, 12)[0]).decode()

    def allocated(self, first, chunk, count):
        answer = self.call(13, struct.pack("<QQQQQQ", self.handle, 0, chunk * 512, first * 512, count, 0))
        assert struct.unpack_from("<Q", answer, 32)[0] == count
        bits = self.receive((count + 31) // 32 * 4)
        return [index for index in range(count) if bits[index // 8] >> index % 8 & 1]

    def close(self, vectura=False):
        self.call(5, struct.pack("<Q", self.handle) + (bytes(8) if vectura else b""))
        self.call(3, bytes(16) if vectura else bytes(4))
        if not vectura:
            self.send(classic(4))
        self.sock.close()
