"""The secrets in a setting."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from breakwall.webhook_secrets import SecretsFile, parse_secrets


def secret(length: int) -> str:
    return "whsec_" + base64.b64encode(b"k" * length).decode()


@pytest.mark.parametrize("between", [" ", ",", ", ", "\n"])
def test_several_have_spaces_or_commas_between_them(between: str) -> None:
    assert parse_secrets(f"{secret(24)}{between}{secret(64)}") == [b"k" * 24, b"k" * 64]


@pytest.mark.parametrize(
    "text", ["", "secret-words", secret(23), secret(65), secret(24)[6:], "whsec_!", "whsec_é"]
)
def test_another_text_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ValueError, match="whsec_ and the base64") as error:
        parse_secrets(text)
    assert "secret-words" not in str(error.value)


def test_there_are_five_at_most() -> None:
    with pytest.raises(ValueError, match="at most 5"):
        parse_secrets(" ".join([secret(24)] * 6))


def test_a_file_is_read_again_when_it_changes_and_the_last_secrets_stay_while_it_is_wrong(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "secret"
    file.write_text(secret(24))
    secrets = SecretsFile(file)
    file.write_text(f"{secret(32)}\n{secret(24)}\n")
    assert secrets() == [b"k" * 32, b"k" * 24]
    file.write_text("secret-words")
    assert secrets() == [b"k" * 32, b"k" * 24]
    assert "BREAKWALL_OUTCOMES__WEBHOOK_SECRET_FILE" in caplog.text
    assert "secret-words" not in caplog.text
