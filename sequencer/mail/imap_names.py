"""Mailbox names: modified UTF-7 (RFC 3501 §5.1.3), quoting, and which folder is which (RFC 6154)."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable
from dataclasses import dataclass

_SHIFTED = re.compile(r"&([^-]*)-")
_UNPRINTABLE = re.compile(r"[^\x20-\x7e]+|&")

_USUAL_NAMES = {
    "\\Sent": (
        "sent|sent items|sent mail|sent messages|gesendet|gesendete elemente|gesendete objekte|envoyés|éléments envoyés"
        "|messages envoyés|enviados|elementos enviados|posta inviata|inviati|verzonden|verzonden items|wysłane|skickat"
    ),
    "\\Junk": (
        "junk|junk e-mail|junk email|junk mail|spam|bulk mail|bulk|junk-e-mail|spamverdacht|courrier indésirable"
        "|indésirables|correo no deseado|posta indesiderata|ongewenste e-mail|skräppost"
    ),
    "\\Archive": "archive|archives|archiv|archivo|archivio|archief",
    "\\Trash": (
        "trash|deleted items|deleted messages|deleted|bin|papierkorb|gelöschte elemente|gelöschte objekte|corbeille"
        "|éléments supprimés|papelera|elementos eliminados|cestino|posta eliminata|prullenbak|kosz|papperskorg"
    ),
    "\\All": "all mail|alle nachrichten|tous les messages|todos|tutti i messaggi",
}


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of a mailbox. `special_use` are its attributes such as `\\Sent`; one that is not `selectable` is
    a mere branch of the tree."""

    name: str
    special_use: frozenset[str] = frozenset()
    selectable: bool = True
    separator: str = "/"


def folder_for(use: str, folders: Iterable[Folder]) -> Folder | None:
    """The folder with a special use (`\\Sent`, `\\Junk`, `\\Archive`, `\\All`): as the server says, else by its
    usual names in the languages that have come up."""
    selectable = [folder for folder in folders if folder.selectable]
    for folder in selectable:
        if use in folder.special_use:
            return folder
    names = _USUAL_NAMES[use].split("|") if use in _USUAL_NAMES else []
    for folder in selectable:
        leaf = folder.name.rpartition(folder.separator)[2] if folder.separator else folder.name
        if leaf.casefold() in names and not folder.special_use:
            return folder
    return None


def encode_name(name: str) -> str:
    """A folder's name in modified UTF-7: printable ASCII, every Unicode name."""
    return _UNPRINTABLE.sub(_shift, name)


def decode_name(raw: str) -> str:
    """The Unicode name of a name in modified UTF-7; a name that is no such thing stays as it is."""
    try:
        return _SHIFTED.sub(_unshift, raw)
    except (binascii.Error, UnicodeError, ValueError):
        return raw


def quoted(text: str) -> str:
    """A quoted string (RFC 3501 §9). Raises ValueError for a line break or NUL, which would end the command."""
    if re.search(r"[\0\r\n]", text):
        raise ValueError("NUL, CR and LF cannot stand in a quoted string")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _shift(found: re.Match[str]) -> str:
    if found[0] == "&":
        return "&-"
    encoded = base64.b64encode(found[0].encode("utf-16-be", "surrogatepass")).decode("ascii")
    return "&" + encoded.rstrip("=").replace("/", ",") + "-"


def _unshift(found: re.Match[str]) -> str:
    if not found[1]:
        return "&"
    encoded = found[1].replace(",", "/")
    return base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True).decode("utf-16-be")
