"""What SARIF 2.1.0 demands and allows of the objects that we write, from its specification (OASIS, section 3)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

# By object: what it must have, and what else it may have, of all that the specification names for it.
OBJECTS: dict[str, tuple[set[str], set[str]]] = {
    "log": ({"version", "runs"}, {"$schema", "inlineExternalProperties", "properties"}),
    "run": (
        {"tool"},
        {
            "addresses", "artifacts", "automationDetails", "baselineGuid", "columnKind", "conversion",
            "defaultEncoding",
            "defaultSourceLanguage", "externalPropertyFileReferences", "graphs", "invocations", "language",
            "logicalLocations", "newlineSequences", "originalUriBaseIds", "policies", "properties", "redactionTokens",
            "results", "runAggregates", "specialLocations", "taxonomies", "threadFlowLocations", "translations",
            "versionControlProvenance", "webRequests", "webResponses",
        },
    ),
    "tool": ({"driver"}, {"extensions", "properties"}),
    "toolComponent": (
        {"name"},
        {
            "associatedComponent", "contents", "dottedQuadFileVersion", "downloadUri", "fullDescription", "fullName",
            "globalMessageStrings", "guid", "informationUri", "isComprehensive", "language",
            "localizedDataSemanticVersion", "locations", "minimumRequiredLocalizedDataSemanticVersion",
            "notifications", "organization", "product", "productSuite", "properties", "releaseDateUtc", "rules",
            "semanticVersion", "shortDescription", "supportedTaxonomies", "taxa", "translationMetadata", "version",
        },
    ),
    "reportingDescriptor": (
        {"id"},
        {
            "defaultConfiguration", "deprecatedGuids", "deprecatedIds", "deprecatedNames", "fullDescription", "guid",
            "help", "helpUri", "messageStrings", "name", "properties", "relationships", "shortDescription",
        },
    ),
    "multiformatMessageString": ({"text"}, {"markdown", "properties"}),
    "message": (set(), {"text", "markdown", "id", "arguments", "properties"}),
    "result": (
        {"message"},
        {
            "analysisTarget", "attachments", "baselineState", "codeFlows", "correlationGuid", "fingerprints", "fixes",
            "graphTraversals", "graphs", "guid", "hostedViewerUri", "kind", "level", "locations", "occurrenceCount",
            "partialFingerprints", "properties", "provenance", "rank", "relatedLocations", "rule", "ruleId",
            "ruleIndex", "stacks", "suppressions", "taxa", "webRequest", "webResponse", "workItemUris",
        },
    ),
    "location": (
        set(),
        {"annotations", "id", "logicalLocations", "message", "physicalLocation", "properties", "relationships"},
    ),
    "physicalLocation": (set(), {"address", "artifactLocation", "contextRegion", "properties", "region"}),
    "artifactLocation": (set(), {"description", "index", "properties", "uri", "uriBaseId"}),
    "region": (
        set(),
        {
            "byteLength", "byteOffset", "charLength", "charOffset", "endColumn", "endLine", "message", "properties",
            "snippet", "sourceLanguage", "startColumn", "startLine",
        },
    ),
    "logicalLocation": (
        set(),
        {"decoratedName", "fullyQualifiedName", "index", "kind", "name", "parentIndex", "properties"},
    ),
}  # fmt: skip
# Where objects of a kind stand in others; a list where the property holds several.
INNER: dict[tuple[str, str], str] = {
    ("log", "runs"): "run", ("run", "tool"): "tool", ("tool", "driver"): "toolComponent",
    ("toolComponent", "rules"): "reportingDescriptor", ("run", "results"): "result",
    ("reportingDescriptor", "shortDescription"): "multiformatMessageString",
    ("reportingDescriptor", "fullDescription"): "multiformatMessageString",
    ("reportingDescriptor", "help"): "multiformatMessageString", ("result", "message"): "message",
    ("result", "locations"): "location", ("location", "physicalLocation"): "physicalLocation",
    ("location", "logicalLocations"): "logicalLocation",
    ("physicalLocation", "artifactLocation"): "artifactLocation", ("physicalLocation", "region"): "region",
}  # fmt: skip
URI = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*:)?(?:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=-]|%[0-9A-F]{2})+")
VALUES: dict[tuple[str, str], Callable[[Any], bool]] = {
    ("log", "version"): lambda value: value == "2.1.0",
    ("run", "columnKind"): lambda value: value in {"utf16CodeUnits", "unicodeCodePoints"},
    ("result", "level"): lambda value: value in {"none", "note", "warning", "error"},
    ("result", "ruleIndex"): lambda value: isinstance(value, int) and value >= -1,
    ("region", "startLine"): lambda value: isinstance(value, int) and value >= 1,
    ("artifactLocation", "uri"): lambda value: bool(URI.fullmatch(value)),
    ("result", "partialFingerprints"): lambda value: all(isinstance(one, str) for one in value.values()),
}


def check(log: dict[str, Any]) -> None:
    """Asserts that it is a SARIF log, and what GitHub demands beyond that."""
    _object("log", log, "$")
    for run in log["runs"]:
        rules = run["tool"]["driver"]["rules"]
        assert len({rule["id"] for rule in rules}) == len(rules)
        assert all(rule["help"]["text"] and rule["shortDescription"]["text"] for rule in rules)
        for result in run["results"]:
            assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
            assert result["message"]["text"]
            assert len(result["locations"]) == 1
        prints = [result["partialFingerprints"]["primaryLocationLineHash"] for result in run["results"]]
        assert len(set(prints)) == len(prints), "two results would be taken for one"


def _object(kind: str, given: dict[str, Any], where: str) -> None:
    needed, allowed = OBJECTS[kind]
    assert needed <= given.keys(), (where, needed - given.keys())
    assert given.keys() <= needed | allowed, (where, given.keys() - needed - allowed)
    for name, value in given.items():
        assert VALUES.get((kind, name), lambda _: True)(value), (where, name, value)
        inner = INNER.get((kind, name))
        for one in (value if isinstance(value, list) else [value]) if inner else []:
            _object(str(inner), one, f"{where}.{name}")
