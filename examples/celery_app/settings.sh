# The settings of the shop and of Breakwall, the same in each terminal: `. ./settings.sh`

export SHOP_PORT="${SHOP_PORT:-8000}"
export SHOP_BROKER_URL="${SHOP_BROKER_URL:-redis://127.0.0.1:6379/0}"
export BREAKWALL_OUTCOMES__BROKER_URL="$SHOP_BROKER_URL"
export BREAKWALL_OUTCOMES__TASK=shop.hear
# The circuit is tried again after 5 seconds, so that you need not wait for 30 when you try an outage.
export BREAKWALL_BREAKER__RECOVERY_TIMEOUT="${BREAKWALL_BREAKER__RECOVERY_TIMEOUT:-5}"
