# Shopify's webhooks as events for `attentive-gateway record --ndjson -`: each line of the input is
# {"topic": what X-Shopify-Topic said, "payload": the body}. Fields are those of Shopify's REST Admin
# API: Order, Checkout, Cart, Refund. A cart's token stands in all that comes of it, so it is the
# anonymous_id that joins the cart to whoever checks out in the end.
#
#   jq -c -f events.jq webhooks.ndjson | attentive-gateway record --ndjson - --source shopify \
#       --company MDc6Q29tcGFueTkw --url postgresql://shop@127.0.0.1/attentive

def given: with_entries(select(.value != null and .value != ""));

# jq counts in doubles: an id that it would round is an error and no other order.
def exact: if . > 9007199254740991 then error("an id that jq would round: \(.)") else . end;

def people:
    {email: (.email // .customer.email), phone: (.phone // .customer.phone),
     shopify_id: (.customer.id | exact), anonymous_id: .cart_token} | given;

def items: [.line_items[]?.quantity] | add;

# What was paid at first: what is given back of it comes as a refund.
def order:
    {event_name: "order.completed", occurred_at: (.processed_at // .created_at),
     updated_at, identifiers: people, order_id: (.id | exact | tostring), order_value: .total_price,
     currency, discount_code: .discount_codes[0]?.code, items_count: items};

def refund:
    [.transactions[]? | select(.kind == "refund" and .status == "success")] as $paid_back
    | select($paid_back != [])
    | {event_name: "order.refunded", occurred_at: (.processed_at // .created_at),
       identifiers: {}, order_id: (.order_id | exact | tostring), currency: $paid_back[0].currency,
       order_value: (([$paid_back[].amount | tonumber * 100 | round] | add) / 100)};

def cart:
    {event_name: "cart.updated", occurred_at: .updated_at,
     identifiers: {anonymous_id: .token}, items_count: items};

def checkout:
    {event_name: "checkout.started", occurred_at: .created_at, identifiers: people,
     order_id: .token, order_value: .total_price, currency,
     discount_code: .discount_codes[0]?.code, items_count: items};

.topic as $topic
| .payload
| select(.test != true)
| if $topic == "orders/cancelled" then
      order, {event_name: "order.cancelled", occurred_at: .cancelled_at, identifiers: people,
              order_id: (.id | exact | tostring)}
  elif $topic | test("^orders/(create|paid|updated|edited)$") then order
  elif $topic == "refunds/create" then refund
  elif $topic | test("^carts/(create|update)$") then cart
  elif $topic == "checkouts/create" then checkout
  else empty end
| given
