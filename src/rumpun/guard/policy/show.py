"""A policy for people: every rule with where it comes from, every resource with its state."""

from datetime import date
from typing import Any

from rumpun.guard.policy.chain import Placed
from rumpun.guard.policy.layer import Citation
from rumpun.guard.policy.policy import Policy
from rumpun.guard.policy.vocabulary import FOLDER

__all__ = ["describe", "lines_of"]


def describe(policy: Policy, today: date) -> dict[str, Any]:
    """Everything about a policy as one JSON object with stable keys."""
    majority = next(
        (layer.age_of_majority for layer in reversed(policy.layers) if layer.age_of_majority), None
    )
    citations = {
        name: _citation(citation) for layer in policy.layers for name, citation in layer.citations.items()
    }
    return {
        "name": policy.name,
        "version": policy.version,
        "country": policy.country,
        "languages": policy.languages,
        "on": today.isoformat(),
        "layers": [
            {"name": one.name, "version": one.version, "reviewed": one.reviewed, "about": one.about}
            for one in policy.layers
        ],
        "notes": [note for layer in policy.layers for note in layer.notes],
        "age_of_majority": majority
        and {
            "years": majority.years,
            "child_below": majority.child_below or None,
            "verified": majority.verified,
            "note": majority.note,
            "citation": citations[majority.citation],
        },
        "points": policy.points,
        "rules": [_rule(one, today) for one in policy.rules],
        "resources": [
            {
                "name": name,
                "kind": one.kind,
                "title": one.name,
                "number": one.number,
                "url": one.url,
                "channel": one.channel,
                "hours": one.hours,
                "languages": one.languages,
                "state": one.state(today),
                "checked_on": one.checked_on.isoformat(),
                "expires_on": one.expires_on.isoformat(),
                "source": one.source,
            }
            for name, one in policy.resources.items()
        ],
        "citations": citations,
    }


def _citation(one: Citation) -> dict[str, Any]:
    return {
        "title": one.title,
        "url": one.url,
        "date": one.date,
        "kind": one.kind,
        "source": one.source,
        "note": one.note,
        "verified": one.verified,
    }


def _rule(one: Placed, today: date) -> dict[str, Any]:
    rule, path = one.rule, one.layer.path
    return {
        "name": one.name,
        "layer": one.layer.name,
        "file": str(path.relative_to(FOLDER) if path.is_relative_to(FOLDER) else path),
        "line": one.layer.lines[f"rules.{one.name}"],
        "category": rule.category,
        "level": rule.level,
        "role": rule.role,
        "context": rule.context,
        "action": rule.action,
        "state": "on" if one.active else "replaced" if one.on else "off",
        "replaced": one.replaced,
        "reason": rule.reason,
        "message": rule.message,
        "lines": rule.lines,
        "citation": rule.citation,
        "review_by": rule.review_by.isoformat(),
        "overdue": today > rule.review_by,
    }


def lines_of(shown: dict[str, Any]) -> list[str]:
    """The same for a terminal; `shown` is what `describe` gives."""
    lines = [
        f"{shown['name']} {shown['version']}, on {shown['on']}",
        *(f"  {one['name']} {one['version']} ({one['reviewed']}): {one['about']}" for one in shown["layers"]),
        "",
        "rules",
    ]
    for rule in shown["rules"]:
        state = {"on": "", "off": ", off: opt-in", "replaced": ", replaced"}[rule["state"]]
        state += "".join(
            f", in {context} {other} instead"
            for context, other in rule["replaced"].items()
            if rule["state"] == "on"
        )
        state += ", review overdue" if rule["overdue"] else ""
        where = f"{rule['category']} {rule['level']} {rule['role']} {'+'.join(rule['context'])}"
        lines.append(f"  {rule['action']:5} {where:44} {rule['name']} ({rule['file']}:{rule['line']}{state})")
        lines.append(f"        {rule['reason']} [{rule['citation']}]")
    lines += ["", "resources"]
    for one in shown["resources"]:
        reach = ", ".join(part for part in (one["number"], one["url"], one["hours"]) if part)
        lines.append(
            f"  {one['state']:10} {one['kind']:9} {one['title']}: {reach} (until {one['expires_on']}; {one['source']})"
        )
    if not any(one["kind"] == "crisis" and one["state"] == "shown" for one in shown["resources"]):
        lines.append("  no crisis line can be shown: people are sent to the nearest clinic")
    if shown["points"]:
        lines += ["", "points", *(f"  {name}: {point}" for name, point in shown["points"].items())]
    if shown["age_of_majority"]:
        majority = shown["age_of_majority"]
        lines += [
            "",
            f"age of majority: {majority['years']} ({majority['citation']['title']}"
            f"{'' if majority['verified'] else ', unverified'}) {majority['note']}".rstrip(),
        ]
    lines += ["", "grounds"]
    for name, one in shown["citations"].items():
        mark = "" if one["verified"] else ", unverified"
        lines.append(
            f"  [{name}] {one['title']}, {one['date']} ({one['kind']}{mark}; {one['url'] or one['source']})"
        )
    return [*lines, "", "notes", *(f"  {note}" for note in shown["notes"])]
