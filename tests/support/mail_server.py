"""A mail server on loopback: STARTTLS with the tests' certificate, then a login."""

import base64
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from socketserver import StreamRequestHandler, ThreadingTCPServer

from tests.support import DATA

CERTIFICATE = DATA / "loopback_tls.pem"
REPLIES = {
    "EHLO": "250-loopback\r\n250 AUTH PLAIN",
    "MAIL": "250 ok",
    "RSET": "250 ok",
    "QUIT": "221 bye",
}


@dataclass
class MailServer:
    """A mail server that takes mail for all recipients that are not refused.

    Attributes:
        port: its port.
        greetings: greetings of the next connections, then 220.
        refused: recipients.
        logins: user and password of each login that it took over TLS.
        mails: what it took.
        recipients: recipients that it took.
    """

    port: int = 0
    greetings: list[str] = field(default_factory=list)
    refused: tuple[str, ...] = ()
    password: str = ""
    logins: list[str] = field(default_factory=list)
    mails: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)


class _Session(StreamRequestHandler):
    server: "_Server"

    def handle(self) -> None:
        mail, is_secure = self.server.mail, False
        self._reply(mail.greetings.pop(0) if mail.greetings else "220 loopback")
        while line := self.rfile.readline():
            verb, _, rest = line.decode().strip().partition(" ")
            if verb.upper() == "STARTTLS":
                self._reply("220 go ahead")
                context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
                context.load_cert_chain(CERTIFICATE)
                try:
                    self.request = context.wrap_socket(self.request, server_side=True)
                except OSError:
                    return  # the client does not trust it
                self.rfile = self.request.makefile("rb")
                is_secure = True
            elif verb.upper() == "EHLO" and not is_secure:
                self._reply("250-loopback\r\n250 STARTTLS")
            else:
                self._reply(self._answer(verb.upper(), rest, is_secure=is_secure))

    def _answer(self, verb: str, rest: str, *, is_secure: bool) -> str:
        mail = self.server.mail
        if verb == "AUTH" and is_secure:
            _, user, password = base64.b64decode(rest.split()[1]).decode().split("\0")
            if password != mail.password:
                return "535 wrong password"
            mail.logins.append(user)
            return "235 ok"
        if verb == "RCPT":
            address = rest.partition("<")[2].partition(">")[0]
            if address in mail.refused:
                return "550 no such mailbox"
            mail.recipients.append(address)
            return "250 ok"
        if verb == "DATA":
            self._reply("354 send it")
            lines = iter(self.rfile.readline, b".\r\n")
            mail.mails.append(message_from_bytes(b"".join(lines), policy=policy.default))
            return "250 taken"
        return REPLIES.get(verb, "502 unknown")

    def finish(self) -> None:
        super().finish()
        self.request.close()

    def _reply(self, text: str) -> None:
        self.request.sendall(f"{text}\r\n".encode())


class _Server(ThreadingTCPServer):
    mail: MailServer
    daemon_threads = True


@contextmanager
def served_mail() -> Iterator[MailServer]:
    """Serve mail until the context ends."""
    mail = MailServer()
    with _Server(("127.0.0.1", 0), _Session) as server:
        server.mail = mail
        mail.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield mail
        server.shutdown()
        thread.join()
