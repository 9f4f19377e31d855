"""Where notices go: the Prefect block made of ``NOTIFY_URL``, and the messages sent through it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.client.orchestration import SyncPrefectClient
from prefect.exceptions import ObjectNotFound

from pipeline_lib.errors import PipelineError

BLOCK = "garbage-notify"
KIND = "custom-webhook"

# Automations that a server may still have; they and operation/watch.py would do the same things twice.
REPLACED = (
    "garbage: give up silent runs",
    "garbage: give up runs that never start",
    "garbage: end runs that nobody stops",
    "garbage: notify of a failure",
    "garbage: notify of a nightly",
)


@dataclass(frozen=True)
class Notice:
    """A message to the people who operate the pipeline.

    Attributes:
        key: Names what the message is about and when; one key is sent once.
        subject: What happened, in one line.
        body: The details, and what to do.
        id: Names what the message is about, whenever it is: a message with a known id repeats one.
    """

    key: str
    subject: str
    body: str
    id: str

    @property
    def text(self) -> str:
        """The body with the id, which stands alone in its last line."""
        return f"{self.body}\nNotice {self.id}"


Send = Callable[[Notice], None]


def keep_address(client: SyncPrefectClient, url: str | None) -> list[str]:
    """Save the address that gets a JSON message for every notice, and return what was done, one line each.

    Args:
        client: Of the server that is deployed to.
        url: The address; None changes nothing, an empty one stops the messages.

    Raises:
        PipelineError: It is not a web address.
    """
    _remove_replaced(client)
    if url is None:
        return []
    if not url:
        _remove_address(client)
        return ["no notices"]
    if not url.startswith(("http://", "https://")):
        raise PipelineError(f"NOTIFY_URL={url} is not a web address; give one that starts with http:// or https://")
    # ``text`` is what Slack, Mattermost and similar services show.
    CustomWebhookNotificationBlock(name=BLOCK, url=url, json_data={"text": "{{subject}}\n{{body}}"}).save(BLOCK, overwrite=True)
    return [f"notices through the block {BLOCK}"]


def sender() -> Send | None:
    """Return what sends a notice to the address that the server knows; None if it knows none.

    The sender raises httpx.HTTPError when the address does not accept the message.
    """
    try:
        block = CustomWebhookNotificationBlock.load(BLOCK)
    except ValueError:  # the block is not there
        return None
    assert isinstance(block, CustomWebhookNotificationBlock)  # noqa: S101  # for mypy: no coroutine outside of a loop

    def send(notice: Notice) -> None:
        block.notify(notice.text, notice.subject)

    return send


def _remove_address(client: SyncPrefectClient) -> None:
    try:
        client.delete_block_document(client.read_block_document_by_name(BLOCK, KIND).id)
    except ObjectNotFound:
        return


def _remove_replaced(client: SyncPrefectClient) -> None:
    for name in REPLACED:
        for automation in client.read_automations_by_name(name):
            client.delete_automation(automation.id)
