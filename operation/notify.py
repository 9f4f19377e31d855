"""Where notices go: the Prefect block made of ``NOTIFY_URL``, and the messages sent through it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from prefect.blocks.notifications import AppriseNotificationBlock, CustomWebhookNotificationBlock
from prefect.client.orchestration import SyncPrefectClient
from prefect.exceptions import ObjectNotFound
from pydantic import SecretStr

from pipeline_lib.errors import PipelineError

BLOCK = "garbage-notify"
WEB, MAIL = "custom-webhook", "mail-address"

# Automations that a server may still have; they and operation/watch.py would do the same things twice.
REPLACED = (
    "garbage: give up silent runs",
    "garbage: give up runs that never start",
    "garbage: end runs that nobody stops",
    "garbage: notify of a failure",
    "garbage: notify of a nightly",
)


class MailAddress(AppriseNotificationBlock):
    """Sends mail through a server; ``url`` is one of Apprise: ``mailtos://user:password@host/?from=...&to=...``."""

    _block_type_name = "Mail Address"
    _block_type_slug = MAIL


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
Address = TypeVar("Address", CustomWebhookNotificationBlock, MailAddress)


def keep_address(client: SyncPrefectClient, url: str | None) -> list[str]:
    """Save the address that gets a message for every notice, JSON on the web, and return what was done, one line each.

    Args:
        client: Of the server that is deployed to.
        url: The address, of the web or of mail; None changes nothing, an empty one stops the messages.

    Raises:
        PipelineError: It is neither.
    """
    _remove_replaced(client)
    if url is None:
        return []
    if not url:
        _remove_addresses(client, WEB, MAIL)
        return ["no notices"]
    block = _block(url)
    block.save(BLOCK, overwrite=True)
    _remove_addresses(client, WEB if isinstance(block, MailAddress) else MAIL)
    return [f"notices through the block {BLOCK}"]


def _block(url: str) -> CustomWebhookNotificationBlock | MailAddress:
    if url.startswith(("mailto://", "mailtos://")):
        return MailAddress(url=SecretStr(url))
    if not url.startswith(("http://", "https://")):
        raise PipelineError(
            f"NOTIFY_URL={url} is not a web address; give one that starts with http:// or https://, or mailtos:// for mail"
        )
    # ``text`` is what Slack, Mattermost and similar services show.
    return CustomWebhookNotificationBlock(name=BLOCK, url=url, json_data={"text": "{{subject}}\n{{body}}"})


def sender() -> Send | None:
    """Return what sends a notice to the address that the server knows; None if it knows none.

    The sender raises NotificationError or httpx.HTTPError when the address does not accept the message.
    """
    block = _loaded(CustomWebhookNotificationBlock) or _loaded(MailAddress)
    if block is None:
        return None

    def send(notice: Notice) -> None:
        with block.raise_on_failure():
            block.notify(notice.text, notice.subject)

    return send


def _loaded(kind: type[Address]) -> Address | None:
    try:
        block = kind.load(BLOCK)
    except ValueError:  # the block is not there
        return None
    assert isinstance(block, kind)  # noqa: S101  # for mypy: no coroutine outside of a loop
    return block


def _remove_addresses(client: SyncPrefectClient, *kinds: str) -> None:
    for kind in kinds:
        with suppress(ObjectNotFound):
            client.delete_block_document(client.read_block_document_by_name(BLOCK, kind).id)


def _remove_replaced(client: SyncPrefectClient) -> None:
    for name in REPLACED:
        for automation in client.read_automations_by_name(name):
            client.delete_automation(automation.id)
