"""The pages of the documentation, played: what their examples show is done for real and compared."""
