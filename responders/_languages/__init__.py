"""What people read, by language: one module each, all with the same keys.

What services answer, and the reasons that the ledger keeps in words, stay in the language they were written in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from responders._languages import en, ja

if TYPE_CHECKING:
    from collections.abc import Mapping

LANGUAGES: Mapping[str, Mapping[str, str]] = {"en": en.TEXTS, "ja": ja.TEXTS}


class Words:
    """The texts of one language."""

    def __init__(self, language: str) -> None:
        """Raises KeyError for a language that there is none of."""
        self.language = language
        self._texts = LANGUAGES[language]

    def __call__(self, key: str, /, **values: object) -> str:
        """The text under a key, with these values in their places. Raises KeyError."""
        text = self._texts[key]
        return text.format(**values) if values else text

    def of(self, group: str, member: str) -> str:
        """What a member of a group is called; one that nobody knows is called by its own name."""
        return self._texts.get(f"{group}.{member}") or member.replace("_", " ")


EVERY = tuple(Words(language) for language in LANGUAGES)
ENGLISH = EVERY[0]
