"""What the settings and the gateway's profile say about the service, and the words for it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from breakwall.gateway_names import DEFAULT
from breakwall.rehearsal.measurements import Measurement, Subject, Verdict, judge

if TYPE_CHECKING:
    from breakwall.payments.gateways import GatewayProfile
    from breakwall.settings import Settings


@dataclass(frozen=True, slots=True)
class Promises:
    """What is relied on.

    Attributes:
        profile: the gateway's, as the settings have made it.
        sends_caller_keys: ``PAYMENT_KEYS=caller``.
        set_by_us: the profile's fields that the settings alone decide; the others are the gateway's own.
    """

    profile: GatewayProfile
    sends_caller_keys: bool = False
    set_by_us: frozenset[str] = frozenset({"deduplicates", "key_life", "absent_after"})

    @classmethod
    def of(cls, settings: Settings, profile: GatewayProfile) -> Promises:
        named = {
            "deduplicates": "payment_deduplicates",
            "key_life": "payment_key_life",
            "absent_after": "payment_settle_seconds",
        }
        is_http = settings.payment_gateway == DEFAULT
        chosen = {field for field, name in named.items() if is_http or name in settings.model_fields_set}
        return cls(profile, settings.payment_keys == "caller", frozenset(chosen))

    @property
    def deduplicates(self) -> str:
        said = str(self.profile.deduplicates).lower()
        return self._said("deduplicates", f"PAYMENT_DEDUPLICATES={said}", f"profile: deduplicates={said}")

    @property
    def absent_after(self) -> str:
        seconds = f"{self.profile.absent_after:g}"
        return self._said(
            "absent_after", f"PAYMENT_SETTLE_SECONDS={seconds}", f"profile: absent_after={seconds}"
        )

    @property
    def key_life(self) -> str:
        seconds = f"{self.profile.key_life:g}"
        return self._said("key_life", f"PAYMENT_KEY_LIFE={seconds}", f"profile: key_life={seconds}")

    @property
    def finds_charges(self) -> str:
        return "profile: looks_up" if self.profile.looks_up else "profile: no look-up"

    @property
    def keys(self) -> str:
        return f"PAYMENT_KEYS={'caller' if self.sends_caller_keys else 'derived'}"

    def about_repeats(
        self, question: str, seen: str, shown: bool | None, *, confirmed: bool = False
    ) -> Measurement:
        """A measurement of `GatewayProfile.deduplicates`; ``confirmed``: of `prepares`, which charges once, too."""
        if confirmed:
            verdict = judge(True, shown)
            return Measurement(question, seen, "profile: prepares", verdict, Subject.PREPARING, shown)
        verdict = judge(self.profile.deduplicates, shown)
        return Measurement(question, seen, self.deduplicates, verdict, Subject.DEDUPLICATION, shown)

    def about_keys(self, question: str, seen: str, shown: bool | None) -> Measurement:
        """A measurement of a shape of keys. It matters only if the callers' own keys are sent."""
        verdict = judge(True, shown) if self.sends_caller_keys else Verdict.NOTED
        return Measurement(question, seen, self.keys, verdict, Subject.KEYS, shown)

    def _said(self, field: str, setting: str, profile: str) -> str:
        return setting if field in self.set_by_us else profile
