# The settings of the shop and of Breakwall, the same in each terminal: `. ./settings.sh`

export SHOP_PORT="${SHOP_PORT:-8000}"
export BREAKWALL_OUTCOMES__LISTENER=orders:hear  # The worker calls it, so it has to find the shop's code:
export PYTHONPATH="$PWD"
# The circuit is tried again after 5 seconds, so that you need not wait for 30 when you try an outage.
export BREAKWALL_BREAKER__RECOVERY_TIMEOUT="${BREAKWALL_BREAKER__RECOVERY_TIMEOUT:-5}"
