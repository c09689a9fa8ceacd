"""The wire: message bytes, SMTP and IMAP."""
