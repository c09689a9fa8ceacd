"""Names of folders: modified UTF-7, quoting, and which folder is which."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sequencer.mail.imap_names import Folder, decode_name, encode_name, folder_for, quoted

UNICODE = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=60)


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("INBOX", "INBOX"),
        ("Gelöscht & Co", "Gel&APY-scht &- Co"),
        ("受信トレイ", "&U9dP4TDIMOwwpA-"),
        ("~peter/mail/台北/日本語", "~peter/mail/&U,BTFw-/&ZeVnLIqe-"),  # RFC 3501 §5.1.3
        ("&", "&-"),
        ("A&B&C", "A&-B&-C"),
        ("🚐", "&2D3ekA-"),
        ("tab\tand\0nul", "tab&AAk-and&AAA-nul"),
        ("", ""),
    ],
)
def test_both_ways(name: str, raw: str) -> None:
    assert encode_name(name) == raw
    assert decode_name(raw) == name


@given(UNICODE)
def test_every_name_comes_back(name: str) -> None:
    raw = encode_name(name)
    assert raw.isascii()
    assert raw == "" or raw.isprintable()
    assert decode_name(raw) == name


@pytest.mark.parametrize("raw", ["broken &name", "&AA-", "&2D0-", "&////-", "&*-", "&"])
def test_what_is_no_utf7_stays(raw: str) -> None:
    assert decode_name(raw) == raw


@given(st.text(alphabet=st.characters(exclude_characters="\0\r\n"), max_size=60))
def test_quoting(text: str) -> None:
    made = quoted(text)
    assert made[0] == made[-1] == '"'
    inner = made[1:-1].replace("\\\\", "").replace('\\"', "")
    assert '"' not in inner
    assert "\\" not in inner


@pytest.mark.parametrize("text", ["a\r\nb", "\0", "\n"])
def test_what_would_end_the_command_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="cannot stand"):
        quoted(text)


def test_the_servers_word_goes_before_the_name() -> None:
    folders = [
        Folder("Sent"),
        Folder("Verschickt", frozenset({"\\Sent"})),
        Folder("[Gmail]/Spam", frozenset({"\\Junk"})),
    ]
    assert folder_for("\\Sent", folders) == folders[1]
    assert folder_for("\\Junk", folders) == folders[2]


@pytest.mark.parametrize(
    ("use", "name"),
    [
        ("\\Sent", "Sent Items"),
        ("\\Sent", "Gesendete Elemente"),
        ("\\Sent", "INBOX/Sent"),
        ("\\Sent", "Éléments envoyés"),
        ("\\Junk", "Spam"),
        ("\\Junk", "Junk E-mail"),
        ("\\Junk", "INBOX/Junk"),
        ("\\Archive", "Archive"),
        ("\\All", "[Gmail]/All Mail"),
    ],
)
def test_usual_names(use: str, name: str) -> None:
    folders = [Folder("INBOX"), Folder("Projects"), Folder(name)]
    assert folder_for(use, folders) == folders[2]
    assert folder_for(use, [Folder(name, selectable=False)]) is None
    assert folder_for(use, [Folder(name, frozenset({"\\Trash"}))]) is None


def test_an_unknown_use() -> None:
    assert folder_for("\\Nonsense", [Folder("INBOX"), Folder("")]) is None
