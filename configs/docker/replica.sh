#!/usr/bin/env bash
# Makes the replica from the primary when its volume is empty, then runs it.
set -euo pipefail
data=/var/lib/postgresql/data/pgdata
if [ ! -s "$data/PG_VERSION" ]; then
	rm -rf "$data"
	pg_basebackup --host=primary --username=postgres --pgdata="$data" --wal-method=stream --write-recovery-conf
	chmod 700 "$data"
fi
exec postgres -D "$data"
