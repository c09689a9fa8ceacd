"""A real Dovecot 2.3 for tests: in a temporary folder, on free ports, as root or as anybody else.

    with Dovecot() as dovecot:
        alice = dovecot.add_user()                # "user1@test.example", password "secret"
        dovecot.deliver(alice, b"Subject: hi\r\n\r\nhello\r\n")
        ImapAccount(dovecot.host, dovecot.imaps_port, "implicit", alice, PASSWORD, ca_file=str(dovecot.ca_file))

`async def` tests call the blocking helpers through `asyncio.to_thread`, or live with their few milliseconds.
"""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import shutil
import signal
import smtplib
import socket
import subprocess
import tempfile
import time
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import pytest

from tests.certificates import write_certificate

PASSWORD: Final = "secret"
DOMAIN: Final = "test.example"
_CONFIG: Final = """
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/dovecot.log
protocols = imap lmtp
listen = 127.0.0.1
ssl = yes
ssl_cert = <{folder}/cert.pem
ssl_key = <{folder}/key.pem
disable_plaintext_auth = no
auth_mechanisms = {mechanisms}
mail_location = maildir:{folder}/mail/%u
mail_uid = {uid}
mail_gid = {gid}
first_valid_uid = 1
first_valid_gid = 1
{internal_users}
mail_max_userip_connections = 100
auth_failure_delay = 0
{oauth}
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {folder}/users/%u
}}
userdb {{
  driver = static
  args = home={folder}/mail/%u
}}
namespace inbox {{
  inbox = yes
  separator = /
  mailbox Sent {{
    auto = create
    special_use = \\Sent
  }}
  mailbox Junk {{
    auto = create
    special_use = \\Junk
  }}
}}
service imap-login {{
  {chroot}
  inet_listener imap {{
    port = {imap_port}
  }}
  inet_listener imaps {{
    port = {imaps_port}
    ssl = yes
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {lmtp_port}
  }}
}}
service anvil {{
  {chroot}
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  {chroot}
}}
"""


def dovecot_binary() -> str | None:
    """Where Dovecot is installed, or None."""
    return shutil.which("dovecot", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")


class Dovecot:
    """One running server. `start`, `stop`, or a `with` block."""

    host: Final = "127.0.0.1"

    def __init__(self, oauth_introspection_url: str = "") -> None:
        binary = dovecot_binary()
        if binary is None:
            raise RuntimeError("Dovecot is not installed (Debian: dovecot-imapd dovecot-lmtpd)")
        self._binary = binary
        self._oauth_url = oauth_introspection_url
        self._process: subprocess.Popen[bytes] | None = None
        self._users: dict[str, str] = {}
        self.folder = Path(tempfile.mkdtemp(prefix="dovecot-", dir="/tmp"))  # short: Unix sockets live below it
        self.imap_port, self.imaps_port, self.lmtp_port = free_ports(3)
        self.ca_file = self.folder / "ca.pem"

    def start(self) -> Self:
        """Write the configuration and wait until all ports answer."""
        for name in ("mail", "users"):
            (self.folder / name).mkdir(exist_ok=True)
        write_certificate(self.folder / "cert.pem", self.folder / "key.pem", self.ca_file)
        (self.folder / "dovecot.conf").write_text(self._configuration())
        for name in self._users:
            self._write_user(name)
        with (self.folder / "stderr").open("wb") as stderr:
            self._process = subprocess.Popen(
                [self._binary, "-F", "-c", str(self.folder / "dovecot.conf")],
                stdout=subprocess.DEVNULL,
                stderr=stderr,
            )
        for port in (self.imap_port, self.imaps_port, self.lmtp_port):
            self._await_port(port)
        return self

    def stop(self) -> None:
        """End the server and all its children, and remove the folder."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def add_user(self, name: str = "", password: str = PASSWORD) -> str:
        """Make a user; without a name a new one. Returns the login name, which is the address."""
        name = name or f"user{len(self._users) + 1}@{DOMAIN}"
        self._users[name] = password
        if self._process is not None:
            self._write_user(name)
        return name

    def deliver(self, recipient: str, data: bytes, sender: str = "sender@outside.example") -> None:
        """Put a message into the recipient's INBOX by LMTP, as a mail server would."""
        with smtplib.LMTP(self.host, self.lmtp_port, local_hostname="localhost", timeout=30) as lmtp:
            refused = lmtp.sendmail(sender, [recipient], data)
        if refused:
            raise RuntimeError(f"LMTP refused {refused}")

    def save(self, user: str, folder: str, data: bytes) -> None:
        """Put a message into any folder, past every protocol."""
        self.doveadm("save", "-u", user, "-m", folder, stdin=data)

    def expunge(self, user: str, folder: str, uid: int) -> None:
        """Delete one message for good."""
        self.doveadm("expunge", "-u", user, "mailbox", folder, "uid", str(uid))

    def kick(self, user: str) -> None:
        """Throw out the user's sessions: a real loss of the connection."""
        self.doveadm("kick", user)

    def renumber(self, user: str, folder: str, uidvalidity: int) -> None:
        """Give a folder another UIDVALIDITY, as a restored backup does."""
        self.doveadm("mailbox", "update", "--uid-validity", str(uidvalidity), "-u", user, folder)

    @contextlib.contextmanager
    def frozen(self, user: str) -> Iterator[None]:
        """Stop the user's IMAP processes (SIGSTOP) inside the block: connected, and silent."""
        pids = self.imap_pids(user)
        if not pids:
            raise RuntimeError(f"{user} has no IMAP session to freeze")
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def imap_pids(self, user: str) -> list[int]:
        """The process ids of the user's IMAP sessions."""
        listing = self.doveadm("who", "-1", user).splitlines()[1:]
        words = [line.split() for line in listing]
        return [int(w.strip("()")) for line in words if line[:1] == [user] for w in line[1:] if w.strip("()").isdigit()]

    def log(self) -> str:
        """What the server has logged."""
        path = self.folder / "dovecot.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def doveadm(self, *args: str, stdin: bytes = b"") -> str:
        """Run doveadm on this instance. Raises RuntimeError with its words when it fails."""
        command = ["doveadm", "-c", str(self.folder / "dovecot.conf"), *args]
        done = subprocess.run(command, input=stdin, capture_output=True, timeout=30, check=False)
        if done.returncode not in (0, 68):  # 68: nothing to kick
            raise RuntimeError(f"{' '.join(args)}: {done.stderr.decode(errors='replace')}")
        return done.stdout.decode(errors="replace")

    def _configuration(self) -> str:
        if os.geteuid() == 0:
            # Dovecot wants mail to belong to somebody who is not root.
            mail_user = pwd.getpwnam("mail")
            uid, gid = mail_user.pw_uid, mail_user.pw_gid
            self.folder.chmod(0o755)
            os.chown(self.folder / "mail", uid, gid)
            internal, chroot = "", ""
        else:
            uid, gid = os.getuid(), os.getgid()
            me, group = pwd.getpwuid(uid).pw_name, grp.getgrgid(gid).gr_name
            internal = f"default_internal_user = {me}\ndefault_internal_group = {group}\ndefault_login_user = {me}\n"
            chroot = "chroot ="
        return _CONFIG.format(
            folder=self.folder,
            uid=uid,
            gid=gid,
            internal_users=internal,
            chroot=chroot,
            mechanisms="plain login xoauth2 oauthbearer" if self._oauth_url else "plain login",
            oauth=self._oauth_passdb() if self._oauth_url else "",
            imap_port=self.imap_port,
            imaps_port=self.imaps_port,
            lmtp_port=self.lmtp_port,
        )

    def _oauth_passdb(self) -> str:
        settings = self.folder / "oauth2.conf"
        settings.write_text(
            f"introspection_mode = auth\nintrospection_url = {self._oauth_url}\n"
            "username_attribute = username\nactive_attribute = active\nactive_value = true\n"
        )
        settings.chmod(0o644)
        return f"passdb {{\n  driver = oauth2\n  mechanisms = xoauth2 oauthbearer\n  args = {settings}\n}}"

    def _write_user(self, name: str) -> None:
        # A file for each: Dovecot looks at a changed file only once a second. In base64: a colon ends a password.
        path = self.folder / "users" / name
        path.write_text(f"{name}:{{PLAIN.b64}}{b64encode(self._users[name].encode()).decode()}\n")
        path.chmod(0o644)

    def _await_port(self, port: int) -> None:
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection((self.host, port), timeout=1).close()
            except OSError:
                ended = self._process is None or self._process.poll() is not None
                if ended or time.monotonic() > deadline:
                    errors = (self.folder / "stderr").read_text(errors="replace")
                    raise RuntimeError(f"Dovecot does not start: {errors}{self.log()}") from None
                time.sleep(0.01)
            else:
                return


def free_ports(count: int) -> list[int]:
    """Ports of the loopback interface that nobody listens on right now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(s.getsockname()[1]) for s in sockets]
    for s in sockets:
        s.close()
    return ports


@pytest.fixture(scope="session")
def dovecot() -> Iterator[Dovecot]:
    """One server for all tests of a worker; let every test add its own user.

    Where Dovecot is not installed the test is skipped, or fails when SEQUENCER_TEST_EVERYTHING=1.
    """
    require_dovecot()
    with Dovecot() as server:
        yield server


def require_dovecot() -> None:
    """Skip, or fail when everything must be tested, unless Dovecot is installed."""
    if dovecot_binary() is None:
        reason = "Dovecot is not installed; Debian: apt-get install dovecot-imapd dovecot-lmtpd"
        if os.environ.get("SEQUENCER_TEST_EVERYTHING") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
