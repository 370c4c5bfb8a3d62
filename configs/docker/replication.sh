#!/bin/sh
# Run by the image's entry point on the empty primary.
set -eu
echo 'host replication all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
