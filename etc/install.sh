#!/bin/sh
# Installs the service into a virtual environment of its own: sh etc/install.sh /opt/cors-service
# Nothing is fetched but what etc/requirements.lock names, each file by its hash. WHEEL=dist/cors_service-...whl installs
# one that was built before, such as that of a release; otherwise it is built from the sources here.
set -eu
target=$1
here=$(cd "$(dirname "$0")/.." && pwd)

"${PYTHON:-python3}" -m venv "$target"
pip() { "$target/bin/python" -m pip --disable-pip-version-check --quiet "$@"; }
pip install --no-cache-dir --require-hashes --requirement "$here/etc/requirements.lock"

if [ -n "${WHEEL:-}" ]; then
    pip install --no-deps --no-index "$here/$WHEEL"
else
    # A build leaves files beside the sources, which may not be writable.
    sources=$(mktemp -d)
    trap 'rm -rf "$sources"' EXIT
    for part in pyproject.toml setup.cfg README.md LICENSE cors_service twisted; do
        cp -R "$here/$part" "$sources"
    done
    pip wheel --no-deps --no-build-isolation --wheel-dir "$sources/wheels" "$sources"
    pip install --no-deps --no-index --find-links "$sources/wheels" cors-service
fi

# Twisted caches the list of its plugins beside them, where the service may not write.
"$target/bin/python" -c "from twisted.plugin import IPlugin, getPlugins; list(getPlugins(IPlugin))"
# What installs is not needed to serve.
pip uninstall --yes setuptools pip
