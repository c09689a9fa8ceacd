from tests.cli.shell import shop

__all__ = ["shop"]
