"""What Telegram's updates and messages can be: read, ignored on purpose, or unknown. By Bot API 10.1."""

from __future__ import annotations

READ_UPDATES = ("message", "edited_message", "callback_query")
"""What `setWebhook` asks for."""

IGNORED_UPDATES = frozenset(
    {
        "business_connection", "business_message", "channel_post", "chat_boost", "chat_join_request", "chat_member",
        "chosen_inline_result", "deleted_business_messages", "edited_business_message", "edited_channel_post",
        "guest_message", "inline_query", "managed_bot", "message_reaction", "message_reaction_count", "my_chat_member",
        "poll", "poll_answer", "pre_checkout_query", "purchased_paid_media", "removed_chat_boost", "shipping_query",
    }
)  # fmt: skip
"""Updates that nobody says anything with, or that are not said to the assistant."""

NOTICES = frozenset(
    {
        "boost_added", "channel_chat_created", "chat_background_set", "chat_owner_changed", "chat_owner_left",
        "chat_shared", "checklist_tasks_added", "checklist_tasks_done", "connected_website", "delete_chat_photo",
        "direct_message_price_changed", "forum_topic_closed", "forum_topic_created", "forum_topic_edited",
        "forum_topic_reopened", "general_forum_topic_hidden", "general_forum_topic_unhidden", "gift",
        "gift_upgrade_sent", "giveaway_completed", "giveaway_created", "giveaway_winners", "group_chat_created",
        "left_chat_member", "managed_bot_created", "message_auto_delete_timer_changed", "migrate_from_chat_id",
        "migrate_to_chat_id", "new_chat_members", "new_chat_photo", "new_chat_title", "paid_message_price_changed",
        "passport_data", "pinned_message", "poll_option_added", "poll_option_deleted", "proximity_alert_triggered",
        "refunded_payment", "successful_payment", "suggested_post_approval_failed", "suggested_post_approved",
        "suggested_post_declined", "suggested_post_paid", "suggested_post_refunded", "supergroup_chat_created",
        "unique_gift", "users_shared", "video_chat_ended", "video_chat_participants_invited", "video_chat_scheduled",
        "video_chat_started", "web_app_data", "write_access_allowed",
    }
)  # fmt: skip
"""Service messages: a message with one of these fields was made by Telegram, not written by anybody."""

UNSEEN = {
    "checklist": "a checklist",
    "game": "a game",
    "giveaway": "a giveaway",
    "invoice": "an invoice",
    "paid_media": "paid media",
    "rich_message": "a message in Telegram's rich format",
    "story": "a story",
}
"""What a person can send and the assistant cannot look at, in words."""
