"""The web server: every module's routes in one application, served by Granian until it is told to stop."""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
from contextlib import nullcontext

from granian.constants import Interfaces

from tallybook import rota_snapshot
from tallybook.alerting import watching
from tallybook.app import App
from tallybook.core import log

from . import (
    alarms,
    doctor,
    environments,
    health,
    inbox,
    inbox_api,
    inbox_appointments,
    inbox_assign,
    inbox_assign_api,
    inbox_automation,
    inbox_automation_api,
    inbox_automation_hours,
    inbox_blocking,
    inbox_bot,
    inbox_bot_answers,
    inbox_bot_answers_api,
    inbox_bot_api,
    inbox_bot_board_api,
    inbox_bot_lists,
    inbox_bot_thread,
    inbox_broadcasts,
    inbox_broadcasts_api,
    inbox_canned,
    inbox_canned_api,
    inbox_customer,
    inbox_customer_api,
    inbox_erase,
    inbox_export,
    inbox_files,
    inbox_hooks,
    inbox_hooks_api,
    inbox_labels,
    inbox_labels_api,
    inbox_leads,
    inbox_leads_api,
    inbox_leads_statuses,
    inbox_message_api,
    inbox_news,
    inbox_notes,
    inbox_notes_api,
    inbox_presence,
    inbox_presence_api,
    inbox_question,
    inbox_receipts,
    inbox_scheduled,
    inbox_scheduled_api,
    inbox_search,
    inbox_several,
    inbox_several_api,
    inbox_signs,
    inbox_states,
    inbox_states_api,
    inbox_summary,
    inbox_teams,
    inbox_templates,
    inbox_templates_api,
    inbox_threads_file,
    live,
    monitor,
    monitor_api,
    monitor_bulk,
    monitor_explain,
    monitor_export,
    monitor_health_api,
    monitor_marketing,
    monitor_reconcile,
    monitor_review,
    monitor_sharepoint,
    monitor_statistics,
    monitor_statistics_api,
    monitor_validation,
    replies,
    triage,
    triage_api,
    triage_asking,
    triage_audit,
    triage_calendars_api,
    triage_fairness,
    triage_feeds,
    triage_overrides,
    triage_overrides_api,
    triage_people,
    triage_people_api,
    triage_person,
    triage_rota,
    triage_rota_api,
    triage_sprints,
    triage_teams,
    triage_telling,
    triage_telling_api,
    triage_use,
    triage_use_api,
)
from .asgi import build
from .listening import BACKLOG, CONNECTIONS, listening, make_room
from .on_ours import OnOurs
from .security import Guard
from .webhooks import in_front_of

# Granian says so at each start of the server that it has for programs like this one; how it stops is held by our tests.
EXPERIMENTAL = "Embedded server is experimental!"

# Each of them lists its routes as HANDLERS.
MODULES = (
    monitor,
    monitor_api,
    monitor_bulk,
    monitor_review,
    monitor_explain,
    monitor_reconcile,
    monitor_sharepoint,
    monitor_export,
    monitor_health_api,
    monitor_marketing,
    monitor_statistics,
    monitor_statistics_api,
    monitor_validation,
    inbox,
    inbox_api,
    inbox_appointments,
    inbox_automation,
    inbox_automation_api,
    inbox_automation_hours,
    inbox_scheduled,
    inbox_scheduled_api,
    inbox_bot,
    inbox_bot_answers,
    inbox_bot_answers_api,
    inbox_bot_api,
    inbox_bot_board_api,
    inbox_bot_lists,
    inbox_bot_thread,
    inbox_customer,
    inbox_customer_api,
    inbox_files,
    inbox_message_api,
    inbox_assign,
    inbox_assign_api,
    inbox_blocking,
    inbox_canned,
    inbox_canned_api,
    inbox_labels,
    inbox_labels_api,
    inbox_leads,
    inbox_leads_api,
    inbox_leads_statuses,
    inbox_news,
    inbox_notes,
    inbox_notes_api,
    inbox_receipts,
    inbox_presence,
    inbox_presence_api,
    inbox_search,
    inbox_threads_file,
    inbox_export,
    inbox_erase,
    inbox_signs,
    inbox_question,
    inbox_templates,
    inbox_templates_api,
    inbox_states,
    inbox_states_api,
    inbox_several,
    inbox_several_api,
    inbox_summary,
    inbox_teams,
    inbox_broadcasts,
    inbox_broadcasts_api,
    inbox_hooks,
    inbox_hooks_api,
    replies,
    triage,
    triage_api,
    triage_asking,
    triage_audit,
    triage_calendars_api,
    triage_fairness,
    triage_feeds,
    triage_overrides,
    triage_overrides_api,
    triage_people,
    triage_people_api,
    triage_person,
    triage_rota,
    triage_rota_api,
    triage_sprints,
    triage_teams,
    triage_use,
    triage_use_api,
    triage_telling,
    triage_telling_api,
    health,
    alarms,
    doctor,
    environments,
)


def is_news(record: logging.LogRecord) -> bool:
    """Whether a line of Granian's tells anything; all do but that one."""
    return record.msg != EXPERIMENTAL


def application(app: App, stop: asyncio.Event | None = None) -> Guard:
    """The whole web application of an opened App. Its event streams end when ``stop`` is set."""
    handlers = [*(handler for module in MODULES for handler in module.HANDLERS), live.live_stream]
    return build(app, handlers, lifespan=[live.lifespan(stop)])


async def serve(app: App, stop: asyncio.Event, ours: socket.socket | None = None) -> None:
    """Serves until ``stop`` is set; requests under way are answered and open event streams end.

    ``ours`` listens already. Without it the address of the settings is taken: raises WrongSetup where it is not free.
    """
    async with nullcontext(ours) if ours else listening(app.settings.host, app.settings.port) as taken:
        await _serve(app, stop, taken)


async def _serve(app: App, stop: asyncio.Event, ours: socket.socket) -> None:
    channels = {name: entry.webhook for name, entry in app.channels.items()}
    logging.getLogger("_granian").addFilter(is_news)
    make_room()
    async with (
        watching(app, stop),
        rota_snapshot.keeping(app.db, app.settings, app.remember),
        in_front_of(application(app, stop), channels, app) as whole,
    ):
        server = OnOurs(
            whole,
            ours,
            address=app.settings.host,
            port=app.settings.port,
            interface=Interfaces.ASGI,
            log_dictconfig=log.GRANIAN,
            websockets=False,
            backlog=BACKLOG,
            backpressure=CONNECTIONS,
        )
        # What was imported and built lives as long as the process: looking through it at each collection would take
        # an eighth of the time of a webhook.
        gc.collect()
        gc.freeze()
        serving = asyncio.create_task(server.serve())
        told = asyncio.create_task(stop.wait())
        await asyncio.wait({serving, told}, return_when=asyncio.FIRST_COMPLETED)
        told.cancel()
        # From here on nobody new comes in: whoever takes the port next may have it.
        ours.close()
        if not serving.done():
            server.stop()  # type: ignore[no-untyped-call]  # Granian's has no types
        await serving
