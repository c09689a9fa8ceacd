"""What each line of a mail's text is: somebody's own words, a quote, or one of the lines that announce a quote.

Clients announce what they quote in a handful of ways: an attribution ("On Monday, Ann wrote:"), a block of header
lines ("From: … Sent: … To: …"), a rule with words ("-----Original Message-----"). `mark_lines` names each line by one
letter, so that the rules in `fresh_text` can be read as patterns over a string.
"""

from __future__ import annotations

import re
from typing import Final

from sequencer.inbox.signatures import is_closing

TEXT: Final = "t"
EMPTY: Final = "e"
QUOTE: Final = "q"
ATTRIBUTION: Final = "b"
HEADER: Final = "h"
ORIGINAL: Final = "o"  # "-----Original Message-----"
FORWARDED: Final = "f"
RULE: Final = "d"  # a line of dashes, underscores …: a signature or a quote begins
CLOSING: Final = "s"  # "Sent from my phone"

MAX_LINE: Final = 1_000
"""Characters of a line that are looked at; longer lines are somebody's text, or a machine's."""

_WROTE: Final = (
    r"wrote|writes|said|sent|schrieb\w*|geschrieben|a\s+(?:é|e)crit|(?:é|e)crivait|escribi(?:ó|o)|ha\s+scritto|scritto|schreef|"
    r"geschreven|escreveu|napisał(?:\(?a\)?)?|napisal(?:\(?a\)?)?|napsal(?:\(?a\)?)?|napísal(?:\(?a\)?)?|pisze|skrev|skrifaði|"
    r"kirjoitti|написал(?:\(?а\)?)?|пишет|писал(?:\(?а\)?)?|написав|написала|написа|пише|yazdı|yazdi|şunu\s+yazdı|写道|寫道|"
    r"書きました|が書いた|のメール|작성|작성했습니다|a\s+scris|(?:í|i)rta|έγραψε|egrapse|כתב(?:ה)?|מאת|كتب(?:ت)?|đã\s+viết|"
    r"menulis|napisao|napisala|je\s+napisa\w+|rašė|rakstīja|kirjutas|va\s+escriure|ने\s+लिखा|เขียน"
)
_ENDS_WROTE: Final = re.compile(
    rf"(?<!\w)(?:{_WROTE})(?:\s+(?:the\s+following|het\s+volgende|folgendes|lo\s+siguiente|o\s+seguinte|følgende|följande))?"
    r"[\s*_]*(?:[:：]|-{2,}|…|\.{3})?[\s*_>]*$",
    re.IGNORECASE,
)
_WROTE_UNSPACED: Final = re.compile(r"(?:写道|寫道|書きました|のメール|작성)\s{0,3}[:：][\s*_>]*$")
_HAS_WROTE: Final = re.compile(rf"(?<!\w)(?:{_WROTE})(?!\w)", re.IGNORECASE)
_QUOTING: Final = re.compile(
    r"^\s{0,4}(?:quoting|zitat\s+von|zitiere|citando\s+a|citando|citation\s+de|citaat\s+van|cytowanie|cytat|citat|"
    r"wiadomość\s+napisana\s+przez|citát|цитирую)\b",
    re.IGNORECASE,
)
_ENDS_ADDRESS: Final = re.compile(r"@[^\s<>]{1,120}[>)\]]{0,3}[\s*]*[:：][\s*]*$")
_ENDS_BARE_ADDRESS: Final = re.compile(r"<[^<>\s]{1,80}@[^<>\s]{1,120}>\s*$")
_OPENER: Final = re.compile(
    r"^[\s\-–—_*>|]{0,12}(?:on|am|um|le|el|il|in\s+data|il\s+giorno|op|em|a|no\s+dia|den|d\.|dne|dňa|w\s+dniu|dnia|kl|vào|"
    r"pada|на|в|la|la\s+data|στις|în|η|à|at)\b.{0,60}?\d",
    re.IGNORECASE,
)
_DATE_START: Final = re.compile(
    r"^[\s\-–—_*|]{0,12}"
    r"(?:\d{1,4}[./\-年 ]\s?\d{0,2}|(?:[^\W\d]{1,14}[,.]*\s+){1,2}\d{1,4}\b|[^\W\d]{1,14}[,.]?\s*\d{4}年)",
)
_IN_LINE_ATTRIBUTION: Final = re.compile(
    r"(?P<head>^.{1,800}?)(?P<dash>-{2,}\s*|\s)(?P<rest>On\s+(?:\d|Mon|Tue|Wed|Thu|Fri|Sat|Sun|Jan|Feb|Mar|Apr|May|Jun|Jul|"
    r"Aug|Sep|Oct|Nov|Dec)[^\n]{8,200}?\bwrote:\s*)$"
)

_FROM: Final = (
    r"from|von|de|da|van|från|fra|od|от|від|差出人|发件人|寄件者|寄件人|發件人|kimden|gönderen|lähettäjä|feladó|從|보낸\s?사람|"
    r"від\s+кого|от\s+кого|expéditeur|remitente|mittente|afzender|avsändare|odesílatel|odesilatel|nadawca|remetente|"
    r"送信元|de\s+la|από|מאת|من"
)
_DATE: Final = (
    r"date|sent|sent\s+at|datum|gesendet|envoy(?:é|e)|enviad[oa](?:\s+el|\s+em)?|fecha|data|inviato|verzonden|skickat|"
    r"sendt|dato|wysłano|data\s+wysłania|odesláno|отправлено|дата|надіслано|送信日時|日付|日時|发送时间|發送時間|发送日期|日期|"
    r"时间|寄件日期|tarih|gönderildi|gönderme\s+tarihi|lähetetty|päivämäärä|elküldve|trimis|message\s+du|보낸\s?날짜|date\s+d'envoi"
)
_TO: Final = (
    r"to|an|à|a|para|aan|till|til|do|komu|кому|宛先|收件人|kime|alıcı|vastaanottaja|címzett|către|받는\s?사람|à\s+l'attention\s+de|"
    r"destinataire|destinatario|empfänger"
)
_SUBJECT: Final = (
    r"subject|betreff|objet|sujet|asunto|oggetto|onderwerp|assunto|ämne|emne|temat|předmět|predmet|тема|件名|主题|主題|主旨|konu|aihe|"
    r"tárgy|subiect|제목|re"
)
_OTHER: Final = (
    r"cc|bcc|cci|copie(?:\s+à)?|kopie|kopia|kopi|копия|抄送|副本|bilgi|reply-to|répondre\s+à|antwort\s+an|importance|"
    r"wichtigkeit|priority|attachments?|anlagen?|pièces?\s+jointes?|organization|mailing\s+list|message-id|newsgroups"
)
_HEADER: Final = re.compile(
    rf"^[\s>*_|\-]{{0,8}}(?:(?P<f>{_FROM})|(?P<d>{_DATE})|(?P<t>{_TO})|(?P<s>{_SUBJECT})|(?P<o>{_OTHER}))"
    r"[*_]{0,2}\s{0,3}[:：][*_]{0,2}(?:\s|$|\S)",
    re.IGNORECASE,
)
_INNER_HEADER: Final = re.compile(
    rf"(?:^|[\s*])(?:(?P<f>{_FROM})|(?P<d>{_DATE})|(?P<t>{_TO})|(?P<s>{_SUBJECT}))[*_]{{0,2}}\s?[:：]", re.IGNORECASE
)

_ORIGINAL_WORDS: Final = (
    r"original\s+(?:message|appointment|mail|e-?mail)|(?:original|ursprüngliche|urspruengliche|originale)[\s-]?nachricht|"
    r"message\s+(?:d['’]origine|original|initial)|messaggio\s+(?:originale|originario)|mensaje\s+original|correo\s+original|"
    r"mensagem\s+original|oorspronkelijk\s+bericht|oryginalna\s+wiadomość|wiadomość\s+oryginalna|ursprungligt\s+meddelande|"
    r"originalmeddelande|ursprungligt\s+brev|oprindelig\s+(?:meddelelse|besked)|opprinnelig\s+melding|original\s+besked|"
    r"alkuperäinen\s+viesti|(?:исходное|оригинальное|первоначальное)\s+(?:сообщение|письмо)|původní\s+(?:zpráva|e-?mail)|"
    r"pôvodná\s+správa|(?:özgün|orijinal|asıl)\s+(?:ileti|mesaj)|原始邮件|原始郵件|邮件原件|元のメッセージ|original\s*message|"
    r"원본\s*(?:메시지|메일)|mesaj(?:ul)?\s+original|eredeti\s+üzenet|αρχικό\s+μήνυμα|הודעה\s+מקורית|odgovor|reply\s+message|"
    r"ответ|antwort|originál\s+správy|message\s+transféré|réponse"
)
_FORWARDED_WORDS: Final = (
    r"forwarded\s+(?:message|by.{0,80})|weitergeleitete\s+nachricht|message\s+transféré|mensaje\s+reenviado|messaggio\s+inoltrato|"
    r"doorgestuurd\s+bericht|mensagem\s+(?:encaminhada|reencaminhada)|wiadomość\s+przekazana|przekazana\s+wiadomość|"
    r"vidarebefordrat\s+meddelande|videresendt\s+(?:meddelelse|melding|besked)|(?:пересылаемое|пересланное)\s+сообщение|"
    r"přeposlaná\s+zpráva|(?:iletilen|yönlendirilen)\s+(?:ileti|mesaj)|转发的?邮件|轉寄郵件|転送(?:された)?メッセージ|forwarded\s+message"
)
_ORIGINAL: Final = re.compile(
    rf"^[\s>]{{0,6}}(?:[\-_=*#~—–+|]{{1,80}}\s*)(?:{_ORIGINAL_WORDS})\s*[:：]?\s*(?:[\-_=*#~—–+|\s]{{0,90}})$",
    re.IGNORECASE,
)
_BARE_ORIGINAL: Final = re.compile(r"^\s{0,4}-{6,80}\s{0,3}original\s{0,3}-{6,80}\s{0,4}$", re.IGNORECASE)
_FORWARDED: Final = re.compile(
    rf"^[\s>]{{0,6}}(?:[\-_=*#~—–+|]{{2,80}}\s*)(?:{_FORWARDED_WORDS})\s*[:：]?\s*(?:[\-_=*#~—–+|\s]{{0,90}})$",
    re.IGNORECASE,
)
_BEGIN_FORWARD: Final = re.compile(
    r"^\s{0,4}(?:begin\s+forwarded\s+message|anfang\s+der\s+weitergeleiteten\s+(?:e-?mail|nachricht)|"
    r"début\s+du\s+message\s+(?:réexpédié|transféré)|inicio\s+del\s+mensaje\s+reenviado|inizio\s+messaggio\s+inoltrato|"
    r"begin\s+doorgestuurd\s+bericht|início\s+da\s+mensagem\s+(?:re)?encaminhada|vidarebefordrat\s+brev|"
    r"start\s+på\s+videresendt\s+besked|начало\s+(?:пересылаемого|переадресованного)\s+сообщения)\s*[:：]\s*$",
    re.IGNORECASE,
)
_RULE: Final = re.compile(r"^[\s>]{0,4}(?:[\-_,=+~#*ᐧ—–―‐]{2,}|[—―ᐧ_])[\s\-_,=+~#*ᐧ—–―‐]*$")
_QUOTE: Final = re.compile(r"^\s{0,8}(?:[>＞]|&gt;|[A-Za-z][\w.\-]{0,20}>(?:\s|$|>))")


def split_shared_lines(text: str) -> str:
    """The text with an attribution that shares its line with the reply moved to a line of its own."""
    if "wrote:" not in text:
        return text
    lines = []
    for line in text.split("\n"):
        found = _IN_LINE_ATTRIBUTION.match(line) if "wrote:" in line and len(line) < MAX_LINE else None
        if found and not line.lstrip().startswith(">"):
            lines += [found["head"], found["rest"]]
        else:
            lines.append(line)
    return "\n".join(lines)


def mark_lines(lines: list[str]) -> str:
    """One letter for each line: see the constants above."""
    marks = [_mark(line) for line in lines]
    _mark_attributions(lines, marks)
    _mark_header_blocks(lines, marks)
    return "".join(marks)


def _mark(line: str) -> str:
    if not line.strip():
        return EMPTY
    if len(line) > MAX_LINE:
        return QUOTE if line[0] == ">" else TEXT
    if _FORWARDED.match(line) or _BEGIN_FORWARD.match(line):
        return FORWARDED if _FORWARDED.match(line) else ORIGINAL
    if _ORIGINAL.match(line) or _BARE_ORIGINAL.match(line):
        return ORIGINAL
    if _RULE.match(line):
        return RULE
    if _QUOTE.match(line):
        return QUOTE
    if is_closing(line):
        return CLOSING
    return TEXT


def _mark_attributions(lines: list[str], marks: list[str]) -> None:
    index = 0
    while index < len(lines):
        length = _attribution_length(lines, marks, index) if marks[index] in (TEXT, RULE, QUOTE) else 0
        for position in range(index, index + length):
            marks[position] = ATTRIBUTION
        index += length or 1


def _attribution_length(lines: list[str], marks: list[str], start: int) -> int:
    """How many lines from `start` on make up one attribution; 0 when none begins here."""
    first = lines[start]
    if len(first) > 400 or marks[start] == QUOTE:
        return 0
    dated = bool(_OPENER.match(first) or _DATE_START.match(first))
    if not dated:
        return 1 if _is_undated_attribution(first, lines, start) else 0
    joined = ""
    for count in range(1, 8):
        if start + count > len(lines):
            return 0
        line = lines[start + count - 1].strip()
        if count > 1 and marks[start + count - 1] == QUOTE and line.lstrip("> ").lower() not in ("wrote:", "", ":"):
            return 0 if not _quoted_next(lines, start + count - 1) else count - 1 if _bare(joined) else 0
        joined = f"{joined} {line}".strip()
        if len(joined) > 400:
            return 0
        if _ends_attribution(joined):
            return count
        if line and count >= 5:
            return 0
        if not line and not (count <= 3 and _wraps_later(lines, start + count)):
            return count - 1 if _bare(joined) and _quoted_next(lines, start + count - 1) else 0
    return 0


def _ends_attribution(joined: str) -> bool:
    if _ENDS_WROTE.search(joined[-60:]) or _WROTE_UNSPACED.search(joined[-40:]):
        return True
    return bool(_ENDS_ADDRESS.search(joined[-220:]) or (joined.endswith((":", "：")) and _HAS_WROTE.search(joined)))


def _bare(joined: str) -> bool:
    """A date and an address without a colon, as some phones write."""
    return bool(_ENDS_BARE_ADDRESS.search(joined[-220:]))


def _wraps_later(lines: list[str], index: int) -> bool:
    """After a blank line, the attribution goes on with an address in angle brackets."""
    return index < len(lines) and lines[index].strip().startswith("<")


def _quoted_next(lines: list[str], index: int) -> bool:
    following = (line for line in lines[index : index + 4] if line.strip())
    return next(following, "").lstrip().startswith((">", "&gt;"))


def _is_undated_attribution(line: str, lines: list[str], start: int) -> bool:
    """ "Ann Lee <ann@example.com> wrote:", "Quoting Ann Lee:" """
    bare = line.rstrip(" *_")
    if not bare.endswith((":", "：")):
        return False
    if "@" in line and (_HAS_WROTE.search(line) or _WROTE_UNSPACED.search(bare) or _QUOTING.match(line)):
        return True
    return bool(_ENDS_WROTE.search(line[-60:])) and _quoted_next(lines, start + 1)


def _mark_header_blocks(lines: list[str], marks: list[str]) -> None:
    index = 0
    while index < len(lines):
        length = _header_block_length(lines, marks, index) if marks[index] == TEXT else 0
        for position in range(index, index + length):
            marks[position] = HEADER
        index += length or 1


def _header_block_length(lines: list[str], marks: list[str], start: int) -> int:
    """How many lines from `start` on are quoted header lines; 0 when no such block begins here."""
    opening = _HEADER.match(lines[start])
    if opening is None or opening.lastgroup not in ("f", "d", "s"):
        return 0
    kinds: set[str] = set()
    last = start
    for position in range(start, min(start + 14, len(lines))):
        if marks[position] not in (TEXT, EMPTY):
            break
        header = _HEADER.match(lines[position])
        if header:
            kinds.update(name for name, text in header.groupdict().items() if text)
            kinds.update(found.lastgroup or "" for found in _INNER_HEADER.finditer(lines[position][:MAX_LINE]))
            last = position
        elif position - last > 2 or (marks[position] == EMPTY and len(kinds) >= 3):
            break
    enough = {"f"} <= kinds and len(kinds & {"d", "t", "s"}) >= 2
    return last - start + 1 if enough or ({"f", "d"} <= kinds and len(kinds) >= 3) else 0
