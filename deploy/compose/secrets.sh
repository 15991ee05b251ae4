#!/bin/sh
# Makes the secrets that compose.yaml mounts, each once: what is there stays. The provider's key is yours to put there.
#
#   secrets.sh [FOLDER]      FOLDER: where they go; else "secrets" beside this script
set -eu
folder=${1:-$(cd "$(dirname "$0")" && pwd)/secrets}

# Only the owner enters the folder. The files are mounted one by one for users of the containers, who must be able to read them.
umask 022
mkdir -p "$folder"
chmod 700 "$folder"

fresh() {
	od -An -N"$1" -tx1 /dev/urandom | tr -d ' \n'
}

once() {
	[ -s "$folder/$1" ] || printf '%s' "$2" >"$folder/$1"
}

once admin_key "$(fresh 24)"
once app_key "sk-tw-$(fresh 24)"
once pepper "$(fresh 32)"
once grafana_password "$(fresh 12)"
once postgres_password "$(fresh 24)"
once database_url "postgresql://tollway:$(cat "$folder/postgres_password")@postgres:5432/tollway"
if [ ! -s "$folder/valkey_conf" ]; then
	password=$(fresh 24)
	once valkey_conf "requirepass $password
"
	printf 'redis://:%s@valkey:6379/0' "$password" >"$folder/redis_url"
fi

# Made here, so that whatever umask you fill it with, the gateway can read it.
if [ ! -s "$folder/openai_api_key" ]; then
	: >"$folder/openai_api_key"
	echo "$folder: made. Now put your provider's key into $folder/openai_api_key" >&2
fi
