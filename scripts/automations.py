"""What the Prefect server does by itself: give up runs that died without a word, and notify."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import timedelta
from uuid import UUID

from prefect.automations import AutomationCore
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ActionTypes, ChangeFlowRunState, SendNotification
from prefect.events.schemas.automations import EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification

from pipeline_lib.errors import PipelineError

HEARTBEAT = "prefect.flow-run.heartbeat"
ENDED = {f"prefect.flow-run.{name}" for name in ("Completed", "Failed", "Cancelled", "Crashed", "TimedOut")}
BLOCK = "garbage-notify"
NOTICES = ("garbage: notify of a failure", "garbage: notify of a nightly")
AGAIN = "ask for the run again, its finished stages are reused"

# Seconds. Heartbeats come every 30 s, the least that Prefect allows: three missed ones are no accident.
SILENCE = int(os.environ.get("GARBAGE_SILENCE_SECONDS", "90"))
# A worker that has taken a run starts its process within seconds; importing everything takes a few more.
START = 300
# Prefect's worker gives a run 30 s to stop before it kills it.
STOP = 120


def keep_automations(client: SyncPrefectClient, deployments: Mapping[str, UUID], notify: str | None) -> list[str]:
    """Create or update all automations and return their names; what did not change stays as it is.

    Args:
        client: Of the server that is deployed to.
        deployments: Ids of the deployments by name; no other runs are watched.
        notify: Address that gets a JSON message for every run that fails and every nightly that finishes; None for no
            change, empty to remove the notifications.
    """
    ours = _related(*deployments.values())
    wanted = watches(ours)
    if notify:
        wanted += notifications(_keep_block(notify), ours, _related(deployments["nightly"]))
    elif notify is not None:
        _remove(client, NOTICES)
    for automation in wanted:
        _keep(client, automation)
    return [automation.name for automation in wanted]


def watches(ours: ResourceSpecification) -> list[AutomationCore]:
    """Return the automations that end what nobody works on any more; each would else hold up the queue for ever."""
    return [
        _watch(
            "garbage: give up silent runs",
            f"A run whose heartbeats stop for {SILENCE} s has died with its machine, its memory or a SIGKILL.",
            ours,
            after={HEARTBEAT},
            expect={HEARTBEAT, *ENDED},
            within=SILENCE,
            state=StateType.CRASHED,
            message=f"No sign of life for {SILENCE} s: its process is gone; see that a worker runs, then {AGAIN}",
        ),
        _watch(
            "garbage: give up runs that never start",
            f"A run that a worker took and did not start within {START} s.",
            ours,
            after={"prefect.flow-run.Pending", "prefect.flow-run.Submitting"},
            expect={f"prefect.flow-run.{name}" for name in ("Running", "Scheduled", "AwaitingConcurrencySlot")} | ENDED,
            within=START,
            state=StateType.CRASHED,
            message=f"Its worker took this run and did not start it within {START} s; see that a worker runs, then {AGAIN}",
        ),
        _watch(
            "garbage: end runs that nobody stops",
            f"A run that was cancelled and whose worker is not there to stop it within {STOP} s.",
            ours,
            after={"prefect.flow-run.Cancelling"},
            expect=set(ENDED),
            within=STOP,
            state=StateType.CANCELLED,
            message=f"Cancelled; no worker was there to stop it within {STOP} s, so its process may still be working",
        ),
    ]


def notifications(block: UUID, ours: ResourceSpecification, nightly: ResourceSpecification) -> list[AutomationCore]:
    """Return the automations that send a message: a run failed or crashed; a nightly finished."""
    failures = {f"prefect.flow-run.{name}" for name in ("Failed", "Crashed", "TimedOut")}
    message = SendNotification(
        block_document_id=block,
        subject="{{ flow.name }}/{{ deployment.name }}: {{ flow_run.name }} {{ flow_run.state.name }}",
        body="{{ flow_run.state.message or 'all stages are done' }}\n{{ flow_run|ui_url }}",
    )
    failed, finished = NOTICES
    return [
        _notice(failed, "A run failed or crashed.", ours, failures, message),
        _notice(finished, "A nightly run completed.", nightly, {"prefect.flow-run.Completed"}, message),
    ]


def _related(*deployments: UUID) -> ResourceSpecification:
    """Match the events of these deployments' runs. Heartbeats tell their deployment, but not their work pool."""
    return ResourceSpecification({"prefect.resource.id": [f"prefect.deployment.{each}" for each in deployments]})


def _watch(
    name: str,
    description: str,
    ours: ResourceSpecification,
    *,
    after: set[str],
    expect: set[str],
    within: int,
    state: StateType,
    message: str,
) -> AutomationCore:
    trigger = EventTrigger(
        match=ResourceSpecification({"prefect.resource.id": "prefect.flow-run.*"}),
        match_related=ours,
        after=after,
        expect=expect,
        for_each={"prefect.resource.id"},
        posture=Posture.Proactive,
        threshold=1,
        within=timedelta(seconds=within),
    )
    return _automation(name, description, trigger, [ChangeFlowRunState(state=state, message=message)])


def _notice(
    name: str, description: str, deployment: ResourceSpecification, expect: set[str], message: SendNotification
) -> AutomationCore:
    trigger = EventTrigger(
        match=ResourceSpecification({"prefect.resource.id": "prefect.flow-run.*"}),
        match_related=deployment,
        expect=expect,
        for_each={"prefect.resource.id"},
        posture=Posture.Reactive,
        threshold=1,
        within=timedelta(0),
    )
    return _automation(name, description, trigger, [message])


def _automation(name: str, description: str, trigger: EventTrigger, actions: Sequence[ActionTypes]) -> AutomationCore:
    return AutomationCore(name=name, description=description, enabled=True, trigger=trigger, actions=list(actions))


def _keep_block(url: str) -> UUID:
    """Save the address where messages go; ``text`` is what Slack, Mattermost and their like show."""
    if not url.startswith(("http://", "https://")):
        raise PipelineError(f"NOTIFY_URL={url} is no web address; give one that starts with http:// or https://")
    block = CustomWebhookNotificationBlock(name=BLOCK, url=url, json_data={"text": "{{subject}}\n{{body}}"})
    return UUID(str(block.save(BLOCK, overwrite=True)))


def _keep(client: SyncPrefectClient, wanted: AutomationCore) -> None:
    """Create an automation, or update the one of that name; whether somebody switched it off in the UI stays."""
    existing = client.read_automations_by_name(wanted.name)
    if not existing:
        client.create_automation(wanted)
        return
    wanted = wanted.model_copy(update={"enabled": existing[0].enabled})
    if _content(existing[0]) != _content(wanted):
        client.update_automation(existing[0].id, wanted)


def _remove(client: SyncPrefectClient, names: Sequence[str]) -> None:
    for name in names:
        for automation in client.read_automations_by_name(name):
            client.delete_automation(automation.id)


def _content(automation: AutomationCore) -> dict[str, object]:
    """Return what an automation says, without the ids and the order of sets that differ each time."""
    content: dict[str, object] = automation.model_dump(mode="json", include={"name", "description", "trigger", "actions"})
    trigger = content["trigger"]
    assert isinstance(trigger, dict)  # noqa: S101  # for mypy: an event trigger is dumped as an object
    trigger.pop("id", None)
    for each in ("after", "expect", "for_each"):
        trigger[each] = sorted(trigger[each])
    return content
