#!/bin/sh
# Run by the image of PostgreSQL when it makes its directory: the user that the gateway logs in as.
# It owns nothing; the migrations, run by the owner, give gateway_writer its privileges.
set -eu
psql -v ON_ERROR_STOP=1 -U postgres -d postgres -v password="$(cat /run/secrets/gateway_password)" <<'SQL'
CREATE ROLE gateway_writer;
CREATE ROLE attentive_gateway LOGIN PASSWORD :'password' IN ROLE gateway_writer;
SQL
