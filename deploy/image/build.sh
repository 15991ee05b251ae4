#!/bin/sh
# Builds what an image holds besides Python: a virtual environment of Tollway and its locked dependencies, cut down and compiled.
#
#   build.sh sidecar|server FOLDER RUNTIME_PYTHON
#
# FOLDER is made, and must be the path at which the tree will stand; RUNTIME_PYTHON is the interpreter that it will find there
# (the same minor version as the one that builds). It needs sh, find and a Python with pip: PYTHON names it, else python3.
set -eu

usage() {
	echo "usage: build.sh sidecar|server FOLDER RUNTIME_PYTHON" >&2
	exit 2
}

fail() {
	echo "build.sh: $1" >&2
	exit 1
}

[ $# -eq 3 ] || usage
target=$1 tree=$2 runtime=$3
case $target in sidecar | server) ;; *) usage ;; esac
case $tree in /*) ;; *) fail "$tree is no absolute path: name the folder at which the tree will stand" ;; esac
[ ! -e "$tree" ] || fail "$tree exists: name a folder that does not"

here=$(cd "$(dirname "$0")" && pwd)
source=$(cd "$here/../.." && pwd)
python=${PYTHON:-python3}
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
case $runtime in */python"$version") ;; *) fail "Python $version builds, so the runtime must be called python$version, not $runtime" ;; esac

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
site=$tree/lib/python$version/site-packages

# Wheels only, each of them by its hash: nothing is compiled, and nothing is resolved here.
install() {
	"$python" -m pip install --quiet --disable-pip-version-check --no-warn-conflicts --root-user-action ignore \
		--no-compile --only-binary :all: "$@"
}

echo "build.sh: dependencies of $target, by their hashes" >&2
install --require-hashes --target "$site" --requirement "$here/$target.txt"
rm -rf "$site/bin"

echo "build.sh: tollway itself, as a wheel" >&2
install --require-hashes --target "$work/tools" --requirement "$source/requirements/build.txt"
(cd "$source" && PYTHONPATH="$work/tools" "$python" -m hatchling build --target wheel --directory "$work/wheel")
install --no-index --no-deps --target "$site" "$work"/wheel/tollway-*.whl

echo "build.sh: away with what a gateway never reads" >&2
rm -rf "$site/bin" "$site/include" "$site"/tollway-*.dist-info/direct_url.json
"$python" "$here/strip.py" "$site"
find "$site" -type d -name tests -prune -exec rm -rf {} +
find "$site" -type f \( -name '*.pyi' -o -name '*.pyx' -o -name '*.pxd' -o -name '*.pxi' -o -name '*.c' -o -name '*.cpp' \
	-o -name '*.h' -o -name '*.hpp' -o -name '*.a' -o -name '*.pyc' \) -exec rm -f {} +
for unused in alembic/testing mako/testing sqlalchemy/testing asyncpg/_testbase numpy/f2py numpy/distutils numpy/_pyinstaller; do
	rm -rf "${site:?}/$unused"
done
# Of 400 services the chain of credentials calls those that hand out credentials.
for service in "$site"/botocore/data/*/; do
	case $service in */data/sts/ | */data/sso/ | */data/sso-oidc/ | */data/signin/ | */data/\*/) ;; *) rm -rf "$service" ;; esac
done

echo "build.sh: an environment that finds itself" >&2
mkdir -p "$tree/bin" "$tree/state"
ln -s "$runtime" "$tree/bin/python"
ln -s python "$tree/bin/python3"
printf 'home = %s\ninclude-system-site-packages = false\nversion = %s\n' "${runtime%/*}" "$version" >"$tree/pyvenv.cfg"
# Isolated, and without a word to write: no variable of Python's changes what runs, and a read-only root is no surprise.
cat >"$tree/bin/tollway" <<END
#!$tree/bin/python -IB
import signal
import sys

# The first process of a container is sent no signal that it does not handle: without this a start would not hear SIGTERM.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

from proxy.cli import main

main(prog_name="tollway")
END
cp "$source/LICENSE" "$source/NOTICE" "$tree/"

# Compiled once, here: the root is read-only, so a start could not keep what it compiled. Sources stay for tracebacks.
"$python" -m compileall -q -j 0 --invalidation-mode unchecked-hash "$site"

chmod -R u=rwX,go=rX "$tree"
chmod 755 "$tree/bin/tollway"
