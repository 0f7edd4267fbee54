"""Reads a URL as a setting."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st

from breakwall.settings import Settings, SettingsError, load_settings

ODD = st.text(st.sampled_from("abüж漢1.9-_:@[]%/?#; \\\t\n"), max_size=6)
ADDRESSES = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["", "", "u:p@", ":p@", "u@"]) | ODD,
    st.sampled_from(["", "h", "127.0.0.1", "[::1]"]) | ODD,
    st.sampled_from(["", ":1", ":65536"]) | ODD,
    st.sampled_from(["", "/", "/0", "/x.db", "/0?db=1", "/x?a=1"]) | ODD,
)


def read(variable: str, url: str) -> Settings:
    return load_settings({f"BREAKWALL_{variable}": url})


def problem(variable: str, url: str) -> str:
    """The one problem, without the variable's name before it."""
    with pytest.raises(SettingsError) as refused:
        read(variable, url)
    (line,) = refused.value.problems
    name, _, what = line.partition(": ")
    assert name == f"BREAKWALL_{variable}"
    return what
