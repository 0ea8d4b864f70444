// What is said for the gateway's codes. No DOM.

export const events = {
  "sms.subscribed": "SMS opt-in", "email.subscribed": "E-mail opt-in",
  "sms.unsubscribed": "SMS opt-out", "email.unsubscribed": "E-mail opt-out",
  "sms.sent": "SMS sent", "email.sent": "E-mail sent", "email.opened": "E-mail opened",
  "sms.message_link_click": "SMS link clicked", "sms.link_clicked": "SMS link clicked",
  "email.message_link_click": "E-mail link clicked", "email.link_clicked": "E-mail link clicked",
  "sms.inbound_message": "SMS reply", "sms.inbound_received": "SMS reply",
  "custom_attribute.set": "Attribute set", "profile.attribute_set": "Attribute set",
  "page.viewed": "Page viewed (shop)", "order.completed": "Order (shop)",
  "order.refunded": "Refund (shop)", "order.cancelled": "Cancelled order (shop)",
  "unknown": "Not an event", "": "Not looked at",
};

export const reasons = {
  malformed_json: "Not a JSON object", json_limits: "JSON too deep or too large",
  envelope_missing: "Type, time or company missing", type_unknown: "Unknown type of event",
  timestamp_invalid: "Impossible time", company_invalid: "Impossible company id",
  field_invalid: "Field of an unexpected shape", database_rejected: "Refused by the database",
  signature_missing: "No signature", signature_repeated: "More than one signature",
  signature_malformed: "Malformed signature", signature_mismatch: "Signed with another key",
  not_stored: "Could not be stored; the sender tries again",
};

// What becomes of deliveries, with the mark and the dashes that tell them apart without colours.
export const outcomes = [
  { id: "accepted", mark: "✓", label: "Accepted", meaning: "in the database", dash: [] },
  { id: "quarantined", mark: "!", label: "Quarantined", meaning: "signed, but no event",
    dash: [8, 4] },
  { id: "spooled", mark: "↓", label: "Spooled", meaning: "on this disk, follows by itself",
    dash: [8, 3, 2, 3] },
  { id: "refused", mark: "✕", label: "Refused", meaning: "not signed, or told to try again",
    dash: [4, 2] },
];

export const statuses = {
  200: "accepted", 202: "kept in quarantine", 400: "not proper HTTP",
  401: "no signature, or a wrong one", 404: "another path", 405: "another method than POST",
  408: "too slow", 411: "no length", 413: "too large", 415: "a Content-Encoding",
  417: "an expectation nobody meets", 431: "header too large", 501: "no method of HTTP's",
  503: "not stored, to be sent again",
};

// What is timed, and the histogram that says so.
export const durations = [
  { id: "request", label: "Answer", family: "attentive_gateway_request_duration_seconds" },
  { id: "commit", label: "Commit of a batch", family: "attentive_gateway_commit_duration_seconds" },
  { id: "delay", label: "From the event to accepted",
    family: "attentive_gateway_event_delay_seconds" },
];

export const channel = (c) => ({ sms: "SMS", email: "E-mail" }[c] || c);
