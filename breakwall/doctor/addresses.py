"""What may be told of a URL."""

from breakwall.urls import where

__all__ = ["where"]
