"""The peers at work, each in the virtual environment of `peers.py`: it runs this file there, once for every round.

`python peers_inside.py drip|mailmerge PORT COUNT`, in an empty folder, prints {"sent": …, "seconds": …} as its last
line. What is timed is the peer's own command from its call to its end, without the start of Python and of Django.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

PARAGRAPH = "This is a paragraph of a letter of the usual length, as a rep would write it to {{ company }}."
PLAIN = "\n\n".join(["Hello {{ first_name }},", *[PARAGRAPH] * 22])  # as long as our plain and our HTML part together
HTML = "".join(f"<p>{line}</p>\n" for line in ["Hello {{ user.first_name }},", *[PARAGRAPH] * 9]).replace(
    "company", "user.last_name"
)


def drip(port: int, count: int) -> dict[str, Any]:
    """One drip to everybody, as `manage.py send_drips` sends it; SQLite and every setting as Django's own."""
    django = importlib.import_module("django")
    settings = importlib.import_module("django.conf").settings
    settings.configure(
        SECRET_KEY="a benchmark",
        INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "drip"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "drip.db"}},
        TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
        EMAIL_BACKEND="django.core.mail.backends.smtp.EmailBackend",
        EMAIL_HOST="127.0.0.1",
        EMAIL_PORT=port,
        DEFAULT_FROM_EMAIL="mark@flatheadrv.example",
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        USE_TZ=True,
    )
    django.setup()
    call_command = importlib.import_module("django.core.management").call_command
    call_command("migrate", verbosity=0)
    user = importlib.import_module("django.contrib.auth.models").User
    models = importlib.import_module("drip.models")
    people = range(count)
    user.objects.bulk_create(
        [user(username=f"p{n}", email=f"p{n}@example.org", first_name=f"P{n}", last_name="Example") for n in people]
    )
    plan = models.Drip.objects.create(
        name="first",
        enabled=True,
        from_email="mark@flatheadrv.example",
        from_email_name="Mark Holloway",
        subject_template="Your quote, {{ user.first_name }}",
        body_html_template=HTML,
    )
    models.QuerySetRule.objects.create(
        drip=plan, method_type="filter", field_name="is_active", lookup_type="exact", field_value="1"
    )
    begun = time.perf_counter()
    call_command("send_drips")
    seconds = time.perf_counter() - begun
    return {"sent": models.SentDrip.objects.count(), "seconds": seconds}


def mailmerge(port: int, count: int) -> dict[str, Any]:
    """One template to everybody in a CSV file, as `mailmerge --no-dry-run --no-limit` sends it."""
    header = "TO: {{ email }}\nSUBJECT: Your quote, {{ first_name }}\nFROM: Mark Holloway <mark@flatheadrv.example>\n"
    Path("mailmerge_template.txt").write_text(f"{header}\n{PLAIN}\n")
    Path("mailmerge_server.conf").write_text(f"[smtp_server]\nhost = 127.0.0.1\nport = {port}\nratelimit = 0\n")
    rows = "".join(f"p{n}@example.org,P{n},Example\n" for n in range(count))
    Path("mailmerge_database.csv").write_text(f"email,first_name,company\n{rows}")
    command = importlib.import_module("mailmerge.__main__").main
    shown = Path("shown.txt")
    begun = time.perf_counter()
    with shown.open("w") as out, contextlib.redirect_stdout(out):
        command(["--no-dry-run", "--no-limit", "--output-format", "text"], standalone_mode=False)
    seconds = time.perf_counter() - begun
    return {"sent": sum(line.endswith(" sent") for line in shown.read_text().splitlines()), "seconds": seconds}


if __name__ == "__main__":
    os.environ.pop("DJANGO_SETTINGS_MODULE", None)
    works = {"drip": drip, "mailmerge": mailmerge}
    print(json.dumps(works[sys.argv[1]](int(sys.argv[2]), int(sys.argv[3]))))
