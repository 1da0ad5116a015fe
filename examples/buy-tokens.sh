#!/usr/bin/env bash
# Buys tokens with nothing but curl, on every path a payment can take:
# immediate, with a 3-D Secure-like page, declined and paid again, pending and captured later.
#
#   make up && examples/buy-tokens.sh [http://localhost:7480]
set -euo pipefail

base=${1:-http://localhost:7480}
email="buyer-$(date +%s)-$$@example.com"
password='correct horse battery staple'
return_url="$base/"

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
fail() { printf 'failed: %s\n' "$*" >&2; exit 1; }

# The first value of a field in a JSON answer; the answers are flat enough for that.
field() { tr -d '\n' | sed -n "s/.*\"$1\" *: *\"\([^\"]*\)\".*/\1/p"; }
first_field() { tr -d '\n' | grep -o "\"$1\" *: *\"[^\"]*\"" | head -n 1 | sed 's/.*: *"\(.*\)"/\1/'; }

call() { # verb path [token] [body] [idempotency key]
  local arguments=(-sS --fail-with-body -X "$1" "$base$2" -H 'content-type: application/json')
  [ -n "${3:-}" ] && arguments+=(-H "authorization: Bearer $3")
  [ -n "${4:-}" ] && arguments+=(-d "$4")
  [ -n "${5:-}" ] && arguments+=(-H "idempotency-key: $5")
  curl "${arguments[@]}"
}

log_in() { # email password -> access token
  call POST /api/v1/auth/login '' "{\"email\":\"$1\",\"password\":\"$2\"}" | field access_token
}

check_out() { # method -> answer
  local key="example-$1-$(date +%s%N)"
  call POST /api/v1/checkout "$token" "{
    \"lines\": [{\"kind\": \"token_bundle\", \"item_id\": \"$bundle\", \"quantity\": 1}],
    \"currency\": \"EUR\", \"billing_country\": \"DE\",
    \"payment_method\": \"$1\", \"return_url\": \"$return_url\"}" "$key"
}

wait_until_paid() { # invoice id
  for _ in $(seq 100); do
    call GET "/api/v1/invoices/$1" "$token" | grep -q INVOICE_STATUS_PAID && return
    sleep 0.2
  done
  fail "invoice $1 was not paid"
}

tokens() { call GET /api/v1/wallet/balance "$token" | first_field posted; }

wait_for_tokens() { # number
  for _ in $(seq 100); do
    [ "$(tokens)" = "$1" ] && { echo "tokens in the wallet: $1"; return; }
    sleep 0.2
  done
  fail "expected $1 tokens, found $(tokens)"
}

say "1. Register and log in as $email"
call POST /api/v1/auth/register '' "{\"email\":\"$email\",\"password\":\"$password\",\"display_name\":\"Buyer\"}"
token=$(log_in "$email" "$password")
[ -n "$token" ] || fail 'no access token'

say '2. Token bundles'
bundles=$(call GET /api/v1/token-bundles)
echo "$bundles"
bundle=$(echo "$bundles" | first_field bundle_id)
size=$(echo "$bundles" | first_field tokens)

say '3. Pay at once'
answer=$(check_out sandbox_card)
echo "$answer"
wait_until_paid "$(echo "$answer" | first_field invoice_id)"
wait_for_tokens "$size"

say '4. Pay with a challenge, as 3-D Secure does'
answer=$(check_out sandbox_card_3ds)
page=$(echo "$answer" | first_field redirect_url)
echo "the customer is sent to $page"
curl -sS --fail-with-body "$page" | grep -q '<form' || fail 'no challenge page'
echo "and comes back to $(curl -sS -o /dev/null -w '%{redirect_url}' -X POST "$page/approve")"
wait_until_paid "$(echo "$answer" | first_field invoice_id)"
wait_for_tokens $((size * 2))

say '5. Declined, then paid again'
answer=$(check_out sandbox_declined)
echo "$answer" | first_field failure_code
invoice=$(echo "$answer" | first_field invoice_id)
call POST "/api/v1/invoices/$invoice/pay" "$token" \
  "{\"payment_method\":\"sandbox_card\",\"return_url\":\"$return_url\"}" "again-$invoice" > /dev/null
wait_until_paid "$invoice"
wait_for_tokens $((size * 3))

say '6. Pending, captured later by an administrator'
answer=$(check_out sandbox_pending)
payment=$(echo "$answer" | first_field payment_id)
admin=$(log_in admin@demo.example vbwd-demo-admin)
for _ in $(seq 50); do
  call GET "/api/v1/payments/$payment" "$token" | grep -q PAYMENT_STATUS_AUTHORIZED && break
  sleep 0.2
done
call POST "/api/v1/admin/payments/$payment/capture" "$admin" '{}' > /dev/null
wait_until_paid "$(echo "$answer" | first_field invoice_id)"
wait_for_tokens $((size * 4))

say '7. The statement'
call GET /api/v1/wallet/statement "$token"
say 'Done: four purchases, every token credited once.'
