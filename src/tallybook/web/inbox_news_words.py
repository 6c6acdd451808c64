"""The kinds of what channels tell besides messages, in people's words."""

from __future__ import annotations

from .phrases import N_

KINDS = {
    "unreadable": N_("Cannot be read"), "error": N_("An error of WhatsApp's"),
    "connection": N_("A gateway's connection"), "history_chunk": N_("The past of a number"),
    "contact": N_("A phone's address book"), "system": N_("A customer changed something"),
    "account:account_update": N_("The business account"), "account:account_alerts": N_("A warning of WhatsApp's"),
    "account:account_review_update": N_("Review of the account"),
    "account:account_settings_update": N_("Settings of the account"),
    "account:business_capability_update": N_("What the business may do"),
    "account:business_status_update": N_("Standing of the business"),
    "account:phone_number_quality_update": N_("Quality and limit of a number"),
    "account:phone_number_name_update": N_("Name of a number"), "account:security": N_("PIN of a number"),
    "account:message_template_status_update": N_("Standing of a template"),
    "account:message_template_quality_update": N_("Quality of a template"),
    "account:message_template_components_update": N_("Words of a template"),
    "account:template_category_update": N_("Category of a template"),
    "account:template_correct_category_detection": N_("Category of a template"),
}  # fmt: skip
# Of the rest the provider's own word stands beside.
OTHERS = {
    "account": N_("News of the account"), "unknown": N_("Not known yet"),
    "status": N_("A report that is not known yet"),
}  # fmt: skip


def parts(kind: str) -> tuple[str, str]:
    """What a kind is called, to be translated, and the provider's word for it where ours does not say it."""
    if kind in KINDS:
        return KINDS[kind], ""
    head, _, rest = kind.partition(":")
    return OTHERS.get(head, ""), rest if head in OTHERS else kind
