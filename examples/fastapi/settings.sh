# The settings of the shop and of Breakwall, the same in each terminal: `. ./settings.sh`

test -s webhook-secret || (umask 077 && echo "whsec_$(openssl rand -base64 32)" > webhook-secret)
SHOP_WEBHOOK_SECRET="$(cat webhook-secret)"
export SHOP_WEBHOOK_SECRET
export SHOP_PORT="${SHOP_PORT:-8000}"
export BREAKWALL_OUTCOMES__WEBHOOK_URL="http://127.0.0.1:$SHOP_PORT/hooks/breakwall"
export BREAKWALL_OUTCOMES__WEBHOOK_SECRET="$SHOP_WEBHOOK_SECRET"
export BREAKWALL_OUTCOMES__ALLOW_PRIVATE=true  # The shop is on this machine, without TLS.
# The circuit is tried again after 5 seconds, so that you need not wait for 30 when you try an outage.
export BREAKWALL_BREAKER__RECOVERY_TIMEOUT="${BREAKWALL_BREAKER__RECOVERY_TIMEOUT:-5}"
