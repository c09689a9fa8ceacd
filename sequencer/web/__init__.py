"""What the daemon shows over HTTP: its health and its metrics. Imported only where `web:` is configured."""
