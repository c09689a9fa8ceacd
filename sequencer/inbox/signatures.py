"""The lines that mail programs and phones add below what somebody wrote, and the lawyers' last paragraphs."""

from __future__ import annotations

import re
from typing import Final

_DEVICE: Final = (
    r"(?:i[\s-]?(?:phone|pad|pod|mac)|android|black\s?berry|galaxy|samsung|huawei|xiaomi|nokia|sony|htc|pixel|oneplus|motorola|"
    r"lg\b|lumia|mobile|mobil\w*|mobiel\w*|movil|móvil|celular|telefon\w*|téléphone|telefoon|phone|smartphone|smartfon\w*|handy|"
    r"cell|tablet\w*|tablette|outlook|mail|gmail|yahoo|aol|airmail|mailbox|spark|protonmail|proton\s?mail|windows|apple|typeapp|"
    r"bluemail|k-9|fairphone|device|gerät|apparaat|telefone|телефон\w*|мобильн\w*|устройств\w*|почты|почт\w*)"
)
_SENT_FROM: Final = (
    r"sent\s+(?:from|via|with|by|using|through|on)\b|from\s+my\b|someone\s+from\s+mobile|"
    r"von\s+meine[mr]\b.{0,60}\bgesendet|gesendet\s+(?:von|mit|über|via|aus)\b|(?:diese\s+nachricht|diese\s+e-?mail)\s+wurde\s+(?:von|mit)\b"
    r".{0,60}gesendet|envoyé\s+(?:de|depuis|à\s+partir|avec|par|via|du)\b|enviado\s+(?:desde|de|do|da|a\s+partir|con|com|pelo|via)\b|"
    r"inviato\s+(?:da|dal|con|tramite)\b|verzonden\s+(?:vanaf|met|via|vanuit|door)\b|verstuurd\s+(?:vanaf|met|via|vanuit)\b|"
    r"wysłan[eoya]\s+(?:z|ze|za)\b|skickat\s+(?:från|via|med)\b|skickades\s+från\b|sendt\s+(?:fra|via|med)\b|lähetetty\b.{0,50}|"
    r"отправлено\s+(?:с|из|через|от)\b|надіслано\s+(?:з|із)\b|odesláno\s+(?:z|ze|pomocí)\b|odoslané\s+z\b|trimis\s+(?:de\s+pe|din)\b"
)
CLOSING: Final = re.compile(
    r"^[\s<(\[*_>«-]{0,8}(?:"
    rf"(?:{_SENT_FROM})(?![^\n]{{0,80}}\b(?:is|was|are|were|and\s+i|ist|war|est|es|è|but|because)\b)[^\n]{{0,120}}"
    r"|get\s+\[?outlook\s+for\b[^\n]{0,90}|(?:téléchargez|obtenez|obtén|obtener|scarica|ottieni|download|holen\s+sie\s+sich|laden\s+sie|"
    r"hämta|hent|få|pobierz|получить|outlook\s+для)\s+\[?outlook\b[^\n]{0,90}"
    r"|[^\n]{0,30}(?:iphone|ipad|android|携帯|スマートフォン|docomo|softbank)[^\n]{0,20}(?:から送信|より送信)[^\n]{0,20}"
    r"|(?:从|從|发自|發自|寄自)\s?(?:我的|my)?[^\n]{0,40}(?:傳送|传送|发送|發送|iphone|ipad|android|手机|手機|邮箱|outlook)[^\n]{0,30}"
    r"|[^\n]{0,30}(?:iphone|ipad|android|cihaz|telefon)\w{0,6}['’]?\w{0,6}\s+gönderildi[^\n]{0,20}"
    r"|(?:nie|kein)\s+virus\w*\s+gefunden[^\n]{0,60}|(?:virus-free|virenfrei|sin\s+virus|sans\s+virus|garanti\s+sans\s+virus)[^\n]{0,60}"
    r"|this\s+(?:e-?mail|message)\s+(?:was|has\s+been)\s+(?:checked|scanned)[^\n]{0,90}"
    r")[\s>)\]*_.»!]{0,6}$",
    re.IGNORECASE,
)
_SENTENCE_IN_CLOSING: Final = re.compile(r"[,.;:!?]\s+\S")
_EXCUSE: Final = re.compile(
    r"\b(?:excuse|pardon|forgive|typo\w*|brevity|short|kürze|tippfehler|errores|erreurs|fautes)\b", re.IGNORECASE
)
_DEVICE_WORD: Final = re.compile(_DEVICE, re.IGNORECASE)

_LEGAL: Final = re.compile(
    r"confidential|privileged|intended\s+(?:only|solely|recipient)|vertraulich|confidentiel|confidencial|riservat[aei]|vertrouwelijk|"
    r"poufn|konfidentiel|konfidenti|důvěrn|конфиденциальн|gizli|秘密|機密|保密|disclaimer",
    re.IGNORECASE,
)
_LEGAL_ERROR: Final = re.compile(
    r"recipient|in\s+error|attachments?|irrtümlich|empfänger|erreur|destinatair|destinatari|error|errore|geadresseerde|"
    r"adresat|modtager|mottagar|příjemc|получател|ошибк|alıcı|受信者|宛先|收件人|unauthori[sz]ed|prohibited|disclos",
    re.IGNORECASE,
)
_LEGAL_START: Final = re.compile(
    r"^\W{0,6}(?:this|the|any|if|disclaimer|confidential\w*|notice|important|legal|privileged|diese?|der\s+inhalt|ce|cet|les|este?|"
    r"esta|la|le|el|il|questo|questa|dit|deze|de|niniejsz\w+|ta|wiadomość|detta|denne|tato|это|данное|настоящ\w+|bu|本|此)\b",
    re.IGNORECASE,
)


def is_closing(line: str) -> bool:
    """Whether a mail program or a phone added this line ("Sent from my iPhone"), in any of the languages known here."""
    if len(line) > 200 or not CLOSING.match(line):
        return False
    if _SENTENCE_IN_CLOSING.search(line.split("<", 1)[0].rstrip()) and not _EXCUSE.search(line):
        return bool(_DEVICE_WORD.search(line)) and len(line.split()) <= 9 and not line.rstrip().endswith(".")
    return True


def is_legal_notice(paragraph: str) -> bool:
    """Whether a paragraph is the confidentiality notice that firms append to every mail."""
    head = paragraph[:600]
    if len(head) < 80 or not _LEGAL_START.match(head):
        return False
    return bool(_LEGAL.search(head) and _LEGAL_ERROR.search(head))
