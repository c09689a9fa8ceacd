from tests.operations.shop import live

__all__ = ["live"]
