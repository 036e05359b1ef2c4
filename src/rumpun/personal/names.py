"""The names that Presidio gives to what we find: its own where it has one, ours everywhere else."""

from collections.abc import Mapping
from types import MappingProxyType

from rumpun.errors import InputError, nearest
from rumpun.personal.rules import types_known

__all__ = ["PRESIDIO", "entities_known", "entity", "type_of"]

# ours -> Presidio's, where both mean the same
PRESIDIO: Mapping[str, str] = MappingProxyType(
    {
        "CARD": "CREDIT_CARD",
        "EMAIL": "EMAIL_ADDRESS",
        "PHONE": "PHONE_NUMBER",
        "PH_CRN": "PH_UMID",
        "PH_TIN": "PH_TIN",
        "SG_NRIC": "SG_NRIC_FIN",
        "TH_PIN": "TH_TNIN",
    }
)
_OURS = {theirs: ours for ours, theirs in PRESIDIO.items()}


def entity(type_: str) -> str:
    """The entity that Presidio's users know a type as: "PHONE" is "PHONE_NUMBER"."""
    return PRESIDIO.get(type_, type_)


def entities_known() -> tuple[str, ...]:
    """Every entity that may be found or asked for, in the order of the alphabet."""
    return tuple(sorted(map(entity, types_known())))


def type_of(name: str, field: str) -> str:
    """Our type for an entity.

    Raises:
        InputError: nothing of that name can be found; the message names the field it stood in.
    """
    if name not in entities_known():
        raise InputError(
            f"{field}: nothing finds the entity '{name}'", nearest(entity(name), list(entities_known()))
        )
    return _OURS.get(name, name)
