#!/usr/bin/env bash
# Installs what the end-to-end tests drive, as far as it is missing, on Debian. May be run again at any time.
set -euo pipefail

# Each line: the program, or the file, that the tests look for, and the package that has it (see requirements.py).
PROGRAMS="
chromium chromium
chromedriver chromium-driver
WebKitWebDriver webkit2gtk-driver
Xvfb xvfb
curl curl
firefox-esr firefox-esr
nginx nginx
haproxy haproxy
caddy caddy
apache2 apache2
/usr/share/lua/5.3/socket.lua lua-socket
node nodejs
npm npm
java openjdk-17-jdk-headless
mvn maven
pg_ctlcluster postgresql
pgbouncer pgbouncer
prometheus prometheus
promtool prometheus
etcd etcd-server
etcdctl etcd-client
systemd-analyze systemd
systemd-socket-activate systemd
"

PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
missing=()
while read -r program package; do
    case "$program" in
        "") continue ;;
        /*) [ -e "$program" ] && continue ;;
        *) command -v "$program" >/dev/null && continue ;;
    esac
    missing+=("$package")
done <<<"$PROGRAMS"

if [ ${#missing[@]} -eq 0 ]; then
    echo "Nothing to install: all programs that the end-to-end tests need are here."
    exit 0
fi
if ! command -v apt-get >/dev/null; then
    echo "There is no apt-get here; install by other means: ${missing[*]}" >&2
    exit 1
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    as_root=(sudo)
fi
echo "Installing ${missing[*]}"
"${as_root[@]}" apt-get update -q
# Packages of servers start them when they are installed, unless this says no; the tests start their own.
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
    apt-get install -q -y --no-install-recommends "${missing[@]}"
