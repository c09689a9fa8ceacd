"""What the tests of the wire share."""

from __future__ import annotations

from tests.dovecot import dovecot as dovecot
