#!/bin/sh
# Makes up the passwords that docker-compose.yml takes from files; those that are there already stay.
# The folder is its owner's alone; the files are readable, since each is mounted alone, for a user of another number.
set -eu
folder="$(dirname "$0")/secrets"
mkdir -p "$folder"
chmod 700 "$folder"
for name in clickhouse_password clickhouse_reader_password grafana_admin_password; do
  if [ ! -s "$folder/$name" ]; then
    od -An -tx1 -N24 /dev/urandom | tr -d ' \n' >"$folder/$name"
    echo "made $folder/$name"
  fi
  chmod 444 "$folder/$name"
done
